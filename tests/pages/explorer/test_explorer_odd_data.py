"""The explorer's page of data that is odd: hostile, tiny, equal, empty, of very many classes."""

from pathlib import Path

import numpy as np
import pytest

from pages.explorer.data import (
    MAX_CELL,
    Categories,
    Finding,
    FindingTab,
    Measures,
    Neighbours,
    Texts,
    texts,
)
from tests.shared.browser import Pages, firefox_picture
from tests.shared.explored_digits import HOSTILE, ExplorerPage
from tests.shared.small_explorer import small_page


def test_explorer_never_runs_what_stands_in_data(pages: Pages, tmp_path: Path) -> None:
    """Ids, names, cells, titles and findings that are HTML and scripts show as they are, and none of them runs."""
    names = list(HOSTILE)
    columns = [
        Categories(name=HOSTILE[0], codes=np.arange(len(names), dtype=np.uint8), names=names),
        Texts(name=HOSTILE[1], cells=texts(names)[0]),
    ]
    tab = FindingTab(
        name="duplicates",
        note=HOSTILE[1],
        headings=[HOSTILE[1]],
        findings=[Finding(rows=[0, 1], cells=[HOSTILE[0]])],
        num_found=1,
        facts=[(HOSTILE[0], HOSTILE[1])],
    )
    more = {"title": HOSTILE[0], "about": HOSTILE[1], "notes": HOSTILE[0], "no_pictures": HOSTILE[1], "findings": [tab]}
    page = small_page(tmp_path, names, columns, **more)
    opened = ExplorerPage(pages, page)
    opened.ask("a.go(0)")
    opened.page.wait_for_selector("#panel-point .id")
    shown = [name.replace("\0", "\ufffd").replace("\x01", "\ufffd") for name in names]
    assert opened.ask("[0,1,2,3,4,5,6,7].map((row) => a.columns.idTexts.at(row))") == shown
    assert opened.page.locator("#panel-point .id").text_content() == shown[0]
    opened.ask("a.state.hover(1)")
    opened.page.wait_for_selector("#card:not([hidden])")
    opened.page.click("#tab-duplicates")
    opened.page.wait_for_selector(".finding")
    opened.page.click("#tab-selection")
    assert opened.page.title() == f"{HOSTILE[0]} - Lookalike"
    assert opened.ask("window.spoilt") is None
    assert opened.page.locator("img").count() == 0
    assert opened.page.locator("#legend .cell").first.text_content() == names[0]
    assert opened.page.locator("#legend .cell").nth(4).evaluate("(cell) => cell.matches(':dir(rtl)')")


def test_explorer_forbids_scripts_and_connections(pages: Pages, tmp_path: Path) -> None:
    """The page's policy stops a script that is added to it, and every request."""
    opened = ExplorerPage(pages, small_page(tmp_path, ["a", "b"]))
    opened.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.spoilt = 1";
            document.body.append(script);
            return fetch("https://127.0.0.1:1/").catch(() => 0);
        }"""
    )
    assert opened.ask("window.spoilt") is None
    complaints, pages.complaints = pages.complaints, []
    assert len(complaints) >= 2
    assert all("Content Security Policy" in each or "127.0.0.1" in each for each in complaints)


@pytest.mark.parametrize("count", [1, 2])
def test_explorer_of_one_or_two_rows(pages: Pages, tmp_path: Path, count: int) -> None:
    """So few rows are in the middle of the map and can be pinned."""
    near = Neighbours(rows=np.array([[1], [0]]), distances=np.ones((2, 1), np.float32)) if count == 2 else None
    places = np.zeros((1, 2), np.float32) if count == 1 else np.array([[-1, 0], [1, 0]], np.float32)
    opened = ExplorerPage(pages, small_page(tmp_path, ["a", "b"][:count], places=places, neighbours=near))
    opened.page.mouse.click(*opened.at(count - 1))
    assert opened.ask("a.state.pinned") == count - 1
    opened.page.wait_for_selector("#panel-point h2")
    assert opened.page.locator("#panel-point .neighbour").count() == count - 1
    assert "There are no pictures" in opened.page.locator("#panel-point").inner_text()


def test_explorer_of_equal_places(pages: Pages, tmp_path: Path) -> None:
    """Rows at one place are all in the lasso around it."""
    opened = ExplorerPage(pages, small_page(tmp_path, list("abcde"), places=np.zeros((5, 2), np.float32)))
    x, y = opened.at(0)
    opened.page.keyboard.press("r")
    opened.page.mouse.move(x - 30, y - 30)
    opened.page.mouse.down()
    opened.page.mouse.move(x + 30, y + 30, steps=3)
    opened.page.mouse.up()
    assert opened.selected() == [0, 1, 2, 3, 4]


def test_explorer_of_numbers_that_are_missing_equal_or_infinite(pages: Pages, tmp_path: Path) -> None:
    """Columns without any number, of one number, and with infinite ones are drawn, and rows without one are grey."""
    columns = [
        Measures(name="none", values=np.full(6, np.nan)),
        Measures(name="one", values=np.full(6, 3.0)),
        Measures(name="wild", values=np.array([np.inf, -np.inf, np.nan, 1e300, -1e300, 0.0])),
        Measures(name="when", values=np.array([0, 1e12, np.nan, -1e15, 5e11, 1]), kind="date"),
    ]
    opened = ExplorerPage(pages, small_page(tmp_path, list("abcdef"), columns))
    for name in ("one", "wild", "when", "none"):
        opened.page.select_option("#colour", label=name)
        opened.settle()
    assert opened.ask("Array.from(a.scatter.colours.subarray(0, 3))") == opened.ask("a.palette.absent")
    opened.page.fill("#search", "wild:>0")
    opened.page.wait_for_selector("#found:has-text('2 matches')")
    assert opened.shown() == [0, 3]
    opened.page.fill("#search", "when:<1971-01-01")
    opened.page.wait_for_selector("#found:has-text('3 matches')")
    assert opened.shown() == [0, 3, 5]


def test_explorer_of_one_class_and_of_five_thousand(pages: Pages, tmp_path: Path) -> None:
    """Of 5,000 classes the ten largest have a colour, the rest are grey; a click gives one of them a colour."""
    count = 12_000
    codes = np.concatenate([np.arange(5000), np.repeat(np.arange(40, 50), 700)]).astype(np.uint16)
    many = Categories(name="many", codes=codes, names=[f"class {code}" for code in range(5000)])
    one = Categories(name="one", codes=np.zeros(count, np.uint8), names=["all of them"])
    opened = ExplorerPage(pages, small_page(tmp_path, [f"row {row}" for row in range(count)], [many, one]))
    colours = np.array(opened.ask("Array.from(a.scatter.colours)")).reshape(-1, 4)[:, :3]
    grey = (colours == opened.ask("a.palette.rest")).all(axis=1)
    assert np.array_equal(grey, ~np.isin(codes, np.arange(40, 50)))
    assert len(np.unique(colours[~grey], axis=0)) == 10
    opened.page.fill("#legend-find", "class 4321")
    opened.page.click("#legend .swatch")
    opened.settle()
    colours = np.array(opened.ask("Array.from(a.scatter.colours)")).reshape(-1, 4)[:, :3]
    assert (colours[4321] != opened.ask("a.palette.rest")).any()
    assert len(np.unique(colours, axis=0)) == 11
    opened.page.select_option("#colour", label="one")
    opened.settle()
    assert opened.page.locator("#legend .name").count() == 1


def test_explorer_cuts_long_cells_and_says_where(pages: Pages, tmp_path: Path) -> None:
    """A cell of 10,000 characters is whole, a longer one ends in an ellipsis."""
    whole, long = "ä" * MAX_CELL, "b" * (MAX_CELL + 1)
    cells, is_cut = texts([whole, long, None])
    assert is_cut
    opened = ExplorerPage(pages, small_page(tmp_path, list("abc"), [Texts(name="long", cells=cells)], colour=-1))
    opened.ask("a.columns.load(0).then(() => true)")
    found = opened.ask("[0, 1, 2].map((row) => a.columns.text(0, row))")
    assert found == [whole, "b" * (MAX_CELL - 1) + "…", ""]


def test_explorer_opens_in_firefox(digits: Path, tmp_path: Path) -> None:
    """The same file in Firefox, headless: the picture shows points of many colours."""
    from PIL import Image

    picture = tmp_path / "firefox.png"
    firefox_picture(digits / "page.html", picture)
    pixels = np.asarray(Image.open(picture).convert("RGB")).reshape(-1, 3)
    assert len(np.unique(pixels, axis=0)) > 50
