"""Exact copies by pictures, by vectors, and by vectors where a row has no picture."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.datasets.duplicates import find_duplicates
from analysis.datasets.exact_copies import BOTH, PICTURES, VECTORS, Content, content_codes
from analysis.datasets.leaks import find_leaks
from artifact.errors import DataError
from rows.vectors.table import VectorTable


def table(*rows: float) -> VectorTable:
    return VectorTable.from_arrays(np.array(rows, np.float32)[:, None] * np.ones(2, np.float32))


def codes(*sides: tuple[VectorTable, Content | None]) -> tuple[list[int], str]:
    """Numbers by first appearance."""
    found, compared_by = content_codes(sides)
    flat = np.concatenate(found).tolist()
    return [list(dict.fromkeys(flat)).index(code) for code in flat], compared_by


def test_pictures_say_it_where_all_are_known() -> None:
    """Vectors do not matter then."""
    assert codes((table(1, 1, 2), ["a", "b", "a"])) == ([0, 1, 0], PICTURES)
    assert codes((table(1, 2), ["a", "b"]), (table(1, 9), ["b", "a"])) == ([0, 1, 1, 0], PICTURES)


def test_vectors_say_it_where_a_table_has_no_picture() -> None:
    """Not asked for, or none that could be read: of either table."""
    for unknown in (None, [None, None, None]):
        assert codes((table(1, 1, 2), unknown)) == ([0, 0, 1], VECTORS)
        assert codes((table(1, 1, 2), unknown), (table(2, 1), ["a", "a"])) == ([0, 0, 1, 1, 0], VECTORS)
        assert codes((table(2, 1), ["a", "a"]), (table(1, 1, 2), unknown)) == ([0, 1, 1, 1, 0], VECTORS)


def test_a_row_without_a_picture_is_compared_by_its_vector() -> None:
    """With the first row of that vector whose picture is known, in either table, else with rows like itself."""
    assert codes((table(1, 1, 2, 2), ["a", None, None, None])) == ([0, 0, 1, 1], BOTH)
    assert codes((table(5, 5, 5), ["a", "b", None])) == ([0, 1, 0], BOTH)
    assert codes((table(1, 3), ["a", None]), (table(3, 1, 1), ["b", "a", None])) == ([0, 1, 1, 0, 0], BOTH)


def test_copies_are_found_though_no_picture_can_be_read() -> None:
    """Of a thousand equal vectors all but one are exact copies, and in another set all are leaks."""
    same = table(*[3.0] * 1000)
    found = find_duplicates(same, threshold=0.0, distance="euclidean", content=[None] * 1000)
    assert (int(found.exact.sum()), found.sizes.tolist(), found.content) == (999, [1000], VECTORS)
    leaks = find_leaks(same, table(3, 4), threshold=0.0, distance="euclidean", content=(["a"] * 1000, [None, None]))
    assert (leaks.exact.tolist(), leaks.content) == ([True, False], VECTORS)


def test_contents_are_one_a_row() -> None:
    """Of each table."""
    with pytest.raises(DataError, match="content: expected one for each of 2 rows, got 1"):
        content_codes([(table(1, 2), ["a"])])
