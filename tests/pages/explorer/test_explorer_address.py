"""The state of the explorer's page in its address."""

from pathlib import Path

import numpy as np
import pytest

from pages.explorer.data import Categories
from tests.shared.browser import Pages
from tests.shared.explored_digits import ExplorerPage
from tests.shared.small_explorer import small_page


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
        "search=%22%22",
        "search=%22%22+%22%22&colour=note",
        "filters=[[%22label%22,{%22hidden%22:[%22length%22,-1,99,{}]}],[%22loops%22,{%22hidden%22:{%22length%22:1}}]]",
        "filters=[[%22label%22,{%22shown%22:[%22__proto__%22]}],[%22ink%22,{%22low%22:%22x%22,%22high%22:1e999}]]",
        "filters=[[%22note%22,{%22hidden%22:[%22x%22]}],[%22label%22,{%22low%22:3}]]",
    ],
)
def test_explorer_address_of_nonsense_is_passed_over(pages: Pages, digits: Path, fragment: str) -> None:
    """An address that nobody wrote opens the page as it is."""
    opened = ExplorerPage(pages, digits / "page.html", fragment=fragment)
    assert len(opened.shown()) == 240
    assert opened.selected() == []
    assert opened.ask("[a.state.pinned, a.state.tab, a.state.colour]") == [-1, "selection", 0]
    assert opened.page.locator("#status").text_content() == ""


def test_explorer_address_names_rows_for_the_same_data_alone(pages: Pages, digits: Path) -> None:
    """A selection of another table's rows is not taken over."""
    opened = ExplorerPage(pages, digits / "page.html", fragment="selection=1.1.1&pinned=7&data=000000000000")
    assert opened.selected() == []
    assert opened.ask("a.state.pinned") == -1


def test_explorer_rows_in_an_address_take_few_letters(opened: ExplorerPage) -> None:
    """A hundred rows of a lasso take some two letters each, and a large selection is left out."""
    opened.ask("a.state.select(Array.from({length: 100}, (_, i) => 100 + i))")
    assert len(_address(opened).split("selection=")[1].split("&")[0]) <= 210


def test_explorer_pasted_address_leaves_nothing_of_before(opened: ExplorerPage) -> None:
    """In an open page the address is all of the state: filters, search, selection, pin, tab and view of before go."""
    opened.page.locator("#legend .label:has(.cell:text-is('3'))").click()
    opened.page.fill("#search", "png")
    opened.page.wait_for_selector("#found:has-text('match')")
    opened.ask("(a.go(5), a.state.select([4, 5]), a.camera.set({x: 0.2, y: -0.1, zoom: 3}), true)")
    opened.page.focus("#search")
    opened.settle()
    opened.ask("(location.hash = 'colour=loops', true)")
    opened.page.wait_for_selector("#legend .cell:text-is('false')")
    opened.settle()
    assert len(opened.shown()) == 240
    assert opened.selected() == []
    assert opened.ask("[a.state.pinned, a.state.tab, a.state.query]") == [-1, "selection", ""]
    assert opened.page.input_value("#search") == ""
    assert opened.page.locator("#filters .chip").count() == 0
    assert opened.ask("[a.camera.x, a.camera.y, a.camera.zoom]") == list(
        opened.ask("[a.camera.whole.x, a.camera.whole.y, a.camera.whole.zoom]")
    )
    opened.ask("(location.hash = '', true)")
    opened.page.wait_for_selector("#legend .cell:text-is('3')")
    assert opened.ask("a.state.colour") == 0


def _classes(folder: Path, names: list[str], codes: list[int]) -> Path:
    folder.mkdir()
    column = Categories(name="label", codes=np.array(codes, np.uint8), names=names)
    return small_page(folder, [f"row {row}" for row in range(len(codes))], [column])


def test_explorer_address_names_the_classes_that_it_hides(pages: Pages, tmp_path: Path) -> None:
    """On data of other classes those of the same name are hidden, or shown alone, and the empty cells."""
    before = _classes(tmp_path / "before", ["k0", "k1", "k2"], [0, 1, 2, 3, 0])
    after = _classes(tmp_path / "after", ["aa", "k0", "k1"], [0, 1, 2, 3, 1])
    opened = ExplorerPage(pages, before)
    for name in ("k0", "no value"):
        opened.page.locator(f"#legend .label:has(.cell:text-is('{name}'))").click()
    assert opened.shown() == [1, 2]
    address = _address(opened)
    for page, shown in ((before, [1, 2]), (after, [0, 2])):
        assert ExplorerPage(pages, page, fragment=address).shown() == shown
    opened.page.locator("#legend .label:has(.cell:text-is('k1'))").dblclick()
    opened.settle()
    assert opened.shown() == [1]
    alone = _address(opened)
    for page, shown in ((before, [1]), (after, [2])):
        assert ExplorerPage(pages, page, fragment=alone).shown() == shown
    opened.page.locator("#legend .label:has(.cell:text-is('k1'))").click()
    assert ExplorerPage(pages, before, fragment=_address(opened)).shown() == []
    strange = _classes(tmp_path / "strange", ["x", "y"], [0, 1])
    assert ExplorerPage(pages, strange, fragment=alone).shown() == [0, 1]
