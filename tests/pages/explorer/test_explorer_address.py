"""The state of the explorer's page in its address."""

from pathlib import Path

import numpy as np
import pytest

from tests.shared.browser import Pages
from tests.shared.explored_digits import ExplorerPage


def _address(opened: ExplorerPage) -> str:
    """What follows the # when the page has written it."""
    opened.settle()
    opened.ask("a.address.writeNow()")
    return str(opened.ask("location.hash.slice(1)"))


def test_explorer_address_brings_the_state_back(opened: ExplorerPage, pages: Pages, digits: Path) -> None:
    """Camera, colour, filters, search, selection, pinned point and tab are those of the page that wrote the address."""
    opened.page.select_option("#colour", label="loops")
    opened.page.locator("#legend .label:has(.cell:text-is('false'))").click()
    opened.page.fill("#search", "note:no")
    opened.settle()
    opened.ask("a.state.select(v)", [3, 4, 5, 200])
    opened.ask("a.go(v)", 4)
    opened.ask("a.camera.set({x: 0.2, y: -0.1, zoom: 3})")
    told = "[a.camera.x, a.camera.y, a.camera.zoom]"
    before = (opened.shown(), opened.selected(), opened.ask("[a.state.pinned, a.state.colour, a.state.tab]"))
    camera = opened.ask(told)
    again = ExplorerPage(pages, digits / "page.html", fragment=_address(opened))
    again.settle()
    assert (again.shown(), again.selected(), again.ask("[a.state.pinned, a.state.colour, a.state.tab]")) == before
    np.testing.assert_allclose(again.ask(told), camera, rtol=1e-3, atol=1e-4)
    assert again.page.input_value("#search") == "note:no"


@pytest.mark.parametrize(
    "fragment",
    [
        "view=nan,1&colour=gone&tab=gone&filters=[[1]]&search=",
        "filters=%5B%5B%22ink%22%2Cnull%5D%5D&selection=zz.-1.%F0%9F&pinned=1e9&data=",
        "view=1,2,3,4&filters={&pinned=-1&selection=...",
        "%E0%A4%A",
    ],
)
def test_explorer_address_of_nonsense_is_passed_over(pages: Pages, digits: Path, fragment: str) -> None:
    """An address that nobody wrote opens the page as it is."""
    opened = ExplorerPage(pages, digits / "page.html", fragment=fragment)
    assert len(opened.shown()) == 240
    assert opened.selected() == []
    assert opened.ask("[a.state.pinned, a.state.tab]") == [-1, "selection"]


def test_explorer_address_names_rows_for_the_same_data_alone(pages: Pages, digits: Path) -> None:
    """A selection of another table's rows is not taken over."""
    opened = ExplorerPage(pages, digits / "page.html", fragment="selection=1.1.1&pinned=7&data=000000000000")
    assert opened.selected() == []
    assert opened.ask("a.state.pinned") == -1


def test_explorer_rows_in_an_address_take_few_letters(opened: ExplorerPage) -> None:
    """A hundred rows of a lasso take some two letters each, and a large selection is left out."""
    opened.ask("a.state.select(Array.from({length: 100}, (_, i) => 100 + i))")
    assert len(_address(opened).split("selection=")[1].split("&")[0]) <= 210
