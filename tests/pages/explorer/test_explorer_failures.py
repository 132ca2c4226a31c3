"""The served page while its server does not answer: what could not be had is told in its place, and asked for again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.shared.browser import Pages
from tests.shared.explored_digits import ExplorerPage, digits_table
from tests.shared.served_digits import Asked, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A server of digits with many columns."""
    folder = tmp_path_factory.mktemp("failures")
    digits_table(folder, num_rows=60)
    options: dict[str, Any] = {"distance": "euclidean", "images": (str(folder / "images"),), "findings": ("outliers",)}
    with serving(folder, tables=("digits.parquet",), has_model=False, **options) as asked:
        yield asked


@pytest.fixture
def opened(pages: Pages, served: Asked) -> ExplorerPage:
    """The served page, opened."""
    return ExplorerPage(pages, served.address)


@contextmanager
def _without_server(opened: ExplorerPage, pages: Pages) -> Iterator[None]:
    """Whatever the page asks for fails; the browser complains of nothing else."""
    opened.page.context.set_offline(True)
    yield
    opened.page.context.set_offline(False)
    complaints, pages.complaints = pages.complaints, []
    assert complaints
    assert all("ERR_INTERNET_DISCONNECTED" in each or "does not answer" in each for each in complaints)


def _id(opened: ExplorerPage) -> Any:
    return opened.page.locator("#panel-point .id").first.text_content()


def test_explorer_shows_a_row_whose_neighbours_cannot_be_had(opened: ExplorerPage, pages: Pages, served: Asked) -> None:
    """The facts are those of the pinned row, the error stands in the neighbours' place, and a button asks again."""
    opened.ask("(a.go(3), true)")
    opened.page.wait_for_selector("#panel-point .neighbour")
    with _without_server(opened, pages):
        opened.ask("(a.go(4), true)")
        opened.page.wait_for_selector("#panel-point .failure:has-text('does not answer')")
    assert _id(opened) == served.table.ids[4]
    assert opened.ask("a.overlay.neighbours") == []
    assert opened.page.locator("#panel-point .neighbour").count() == 0
    opened.page.click("#panel-point .failure button")
    opened.page.wait_for_selector("#panel-point .neighbour")
    assert _id(opened) == served.table.ids[4]


def test_explorer_shows_no_facts_where_they_cannot_be_had(opened: ExplorerPage, pages: Pages, served: Asked) -> None:
    """The first row that is pinned needs columns: without them there is an error and no row's facts."""
    with _without_server(opened, pages):
        opened.ask("(a.go(4), true)")
        opened.page.wait_for_selector("#panel-point .failure:has-text('does not answer')")
        assert opened.page.locator("#panel-point .fact").count() == 0
    opened.page.click("#panel-point .failure button")
    opened.page.wait_for_selector("#panel-point .neighbour")
    assert _id(opened) == served.table.ids[4]


@pytest.mark.parametrize("again", ["button", "tab"])
def test_explorer_says_nothing_found_for_an_answer_alone(opened: ExplorerPage, pages: Pages, again: str) -> None:
    """A tab that could not be asked for says why; the button, or the tab opened again, asks again."""
    with _without_server(opened, pages):
        opened.page.click("#tab-outliers")
        opened.page.wait_for_selector("#panel-outliers .failure:has-text('does not answer')")
        assert "Nothing found" not in opened.page.locator("#panel-outliers").inner_text()
    opened.page.click("#panel-outliers .failure button" if again == "button" else "#tab-outliers")
    opened.page.wait_for_selector("#panel-outliers .finding")
    assert opened.page.locator("#panel-outliers .failure").count() == 0


def test_explorer_keeps_the_colours_where_others_cannot_be_had(opened: ExplorerPage, pages: Pages) -> None:
    """A column that cannot be read is told, the legend is still that of the points, and it can be chosen again."""
    before = opened.ask("[a.state.colour, Array.from(a.scatter.colours)]")
    text = opened.page.locator("#legend").inner_text()
    with _without_server(opened, pages):
        opened.page.select_option("#colour", label="ink")
        opened.page.wait_for_selector("#status:has-text('does not answer')")
    assert opened.ask("[a.state.colour, Array.from(a.scatter.colours)]") == before
    assert opened.page.locator("#legend").inner_text() == text
    assert opened.page.locator("#colour option:checked").inner_text() == "label"
    opened.page.select_option("#colour", label="ink")
    opened.page.wait_for_selector("#legend .histogram")


def test_explorer_looks_again_for_a_picture_that_could_not_be_had(opened: ExplorerPage, pages: Pages) -> None:
    """A picture that was missing while the server did not answer is there when its row is looked at again."""
    opened.page.wait_for_selector("#gallery .tile canvas:not(.missing)")
    row = opened.ask("a.state.numRows - 1")
    with _without_server(opened, pages):
        assert opened.ask("a.pictures.get(v).then((picture) => picture === null)", row)
    opened.ask("a.state.hover(v)", row)
    opened.page.wait_for_selector("#card:not([hidden]) canvas.picture:not(.missing)")
