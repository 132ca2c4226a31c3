"""The page on conformance against the tables of the suite."""

from __future__ import annotations

from tests.shared.conformance import cases, contents, methods, parameters, streams
from tests.shared.conformance.over_rest.case import REASONS
from tests.shared.conformance.over_rest.differences import DOCUMENT, TABLES, differences, with_differences


def test_page_lists_every_difference_over_rest() -> None:
    """As `python -m tests.shared.conformance.over_rest.differences` writes it."""
    page = DOCUMENT.read_text()
    assert with_differences(page) == page
    assert differences() in page


def test_every_row_that_differs_says_why() -> None:
    """And none that does not, and no reason is without a row."""
    rows = [row for table in TABLES.values() for row in table.values()]
    assert all((row.ours is None) == (row.why == "") for row in rows)
    assert {row.why for row in rows if row.why} == set(REASONS)
    assert all(bool(case.why) == (case.ours != case.triton and case.why != "") for case in methods.CASES.values())


def test_suite_is_as_large_as_it_is_said_to_be() -> None:
    """At least 120 rows, each a test of its own against both servers."""
    over_grpc = sum(
        map(len, (cases.CASES, parameters.CASES, contents.CASES, methods.CASES, streams.CHECKS, parameters.NAMES))
    )
    assert over_grpc >= 120
    assert sum(map(len, TABLES.values())) >= 120
