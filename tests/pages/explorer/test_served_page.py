"""The served page in a real browser: one's own pictures dropped, pasted and chosen, tags, full-size pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from tests.shared.browser import Pages
from tests.shared.explored_digits import ExplorerPage
from tests.shared.served_digits import Asked

DROP = """async ({ names, contents }) => {
    const data = new DataTransfer();
    for (const [i, name] of names.entries()) {
        const bytes = Uint8Array.from(contents[i]);
        data.items.add(new File([bytes], name, { type: "image/png" }));
    }
    const at = { dataTransfer: data, bubbles: true, cancelable: true, clientX: 500, clientY: 400 };
    const map = document.getElementById("overlay");
    const taken = !map.dispatchEvent(new DragEvent("dragover", at));
    map.dispatchEvent(new DragEvent("drop", at));
    return taken;
}"""
COPY = """async (content) => {
    const picture = new Blob([Uint8Array.from(content)], { type: "image/png" });
    await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
}"""


@pytest.fixture
def opened(pages: Pages, served: Asked) -> ExplorerPage:
    """The served page, opened."""
    return ExplorerPage(pages, served.address, permissions=["clipboard-read", "clipboard-write"])


def _file(served: Asked, row: int) -> Path:
    return Path(served.table.source).parent / "images" / served.table.ids[row]


def _landed(opened: ExplorerPage) -> Any:
    return opened.page.locator("#dropped .landed:has(.neighbour)")


def test_served_page_shows_what_the_file_shows(opened: ExplorerPage, served: Asked) -> None:
    """Points, labels, pictures and neighbours come from the served."""
    row = opened.lone_row()
    opened.page.mouse.click(*opened.at(row))
    opened.page.wait_for_selector("#panel-point .neighbour canvas:not(.missing)")
    assert opened.page.locator("#panel-point .id").first.text_content() == served.table.ids[row]
    assert opened.page.locator("#panel-point .neighbour").count() == 10
    opened.page.click("#tab-outliers")
    opened.page.wait_for_selector("#panel-outliers .finding canvas:not(.missing)")
    opened.page.fill("#search", "label:3")
    opened.page.wait_for_selector("#found:has-text('match')")
    assert opened.shown() == [at for at, label in enumerate(served.table.column("label").to_pylist()) if label == "3"]


def test_served_page_places_dropped_pictures(opened: ExplorerPage, served: Asked) -> None:
    """Several pictures that are dropped at once land where their rows are, each with its nearest first."""
    rows = (4, 30)
    contents = [list(_file(served, row).read_bytes()) for row in rows]
    assert opened.page.evaluate(DROP, {"names": ["four.png", "thirty.png"], "contents": contents})
    opened.page.wait_for_selector("#dropped .landed:nth-child(2) .neighbour")
    opened.page.wait_for_selector("#dropped .landed:nth-child(1) .neighbour")
    names = opened.page.locator("#dropped .landed .pinned .id").all_text_contents()
    assert names == ["thirty.png", "four.png"]
    nearest = opened.page.locator("#dropped .landed .neighbour:first-child")
    assert [int(nearest.nth(at).get_attribute("data-row")) for at in (0, 1)] == [30, 4]
    stars = opened.ask("a.overlay.drop.map(({x, y}) => [x, y])")
    places = opened.ask("v.map((row) => [a.places[row * 2], a.places[row * 2 + 1]])", list(rows))
    np.testing.assert_allclose(stars, places, atol=1e-5)
    nearest.first.click()
    assert opened.ask("a.state.pinned") == 30
    opened.page.click("#tab-dropped")
    opened.page.click("#clear-pictures")
    assert opened.ask("a.overlay.drop.length") == 0


def test_served_page_takes_a_pasted_picture(opened: ExplorerPage, served: Asked) -> None:
    """A picture from the clipboard lands by the keys that paste."""
    opened.page.evaluate(COPY, list(_file(served, 7).read_bytes()))
    opened.page.keyboard.press("Control+V")
    _landed(opened).wait_for()
    assert int(_landed(opened).locator(".neighbour").first.get_attribute("data-row")) == 7


def test_served_page_takes_chosen_files_and_says_what_is_none(
    opened: ExplorerPage, served: Asked, pages: Pages
) -> None:
    """The button opens a choice of files; one that is no picture is told in its place, the others land."""
    bad = {"name": "no.png", "mimeType": "image/png", "buffer": b"no picture"}
    good = {"name": "good.png", "mimeType": "image/png", "buffer": _file(served, 9).read_bytes()}
    with opened.page.expect_file_chooser() as choosing:
        opened.page.click("#add-pictures")
    choosing.value.set_files([bad, good])
    _landed(opened).wait_for()
    assert opened.page.locator("#dropped .failed .quiet").text_content().startswith("Not placed: ")
    assert opened.ask("a.overlay.drop.length") == 1
    complaints, pages.complaints = pages.complaints, []
    assert len(complaints) == 1
    assert "422" in complaints[0]


def test_served_page_shows_a_picture_in_full_size(opened: ExplorerPage, served: Asked) -> None:
    """The file as it is, in its own size; a click closes it, and so does Esc, which changes nothing behind it."""
    opened.ask("a.go(v)", 11)
    opened.page.click("#open-full-size")
    opened.page.wait_for_selector("#full-size[open] img")
    size = opened.page.evaluate(
        "() => { const i = document.querySelector('#full-size img'); return [i.naturalWidth, i.naturalHeight]; }"
    )
    with Image.open(_file(served, 11)) as original:
        assert tuple(size) == original.size
    opened.page.click("#full-size img")
    opened.page.wait_for_selector("#full-size:not([open])", state="attached")
    opened.ask("a.state.select([1, 2])")
    opened.page.click("#open-full-size")
    opened.page.wait_for_selector("#full-size[open] img")
    opened.page.keyboard.press("i")
    opened.page.keyboard.press("Escape")
    opened.page.wait_for_selector("#full-size:not([open])", state="attached")
    assert opened.ask("a.state.pinned") == 11
    assert opened.selected() == [1, 2]


def test_served_page_tags_the_selection(opened: ExplorerPage, served: Asked, pages: Pages) -> None:
    """A tag of the selected rows is kept, coloured by, filtered by and there again in a page opened later; it is
    said how many rows got or lost it."""
    assert opened.page.locator("#give-tag").is_disabled()
    opened.ask("a.state.select(v)", [1, 2, 3])
    opened.page.fill("#tag", "odd <b>")
    opened.page.click("#give-tag")
    opened.page.wait_for_selector("#status:has-text('3 rows tagged')")
    number = opened.ask("a.facts.tags_column")
    opened.page.select_option("#colour", str(number))
    opened.page.wait_for_selector("#legend .label:has-text('odd <b>')")
    assert opened.page.locator("#legend .label .count").all_text_contents() == ["3", str(served.table.num_rows - 3)]
    opened.ask("a.state.select(v)", [3])
    opened.page.fill("#tag", "odd <b>")
    opened.page.click("#take-tag")
    opened.page.wait_for_selector("#status:has-text('taken from 1 row')")
    opened.page.wait_for_selector("#legend .label:has-text('odd <b>') .count:text-is('2')")
    opened.ask("a.state.select(v)", [1, 2, 3, 4, 5])
    opened.page.fill("#tag", "odd <b>")
    opened.page.click("#give-tag")
    opened.page.wait_for_selector("#status:has-text('3 rows tagged')")
    opened.ask("a.state.select(v)", [3, 4, 5, 6, 7])
    opened.page.click("#take-tag")
    opened.page.wait_for_selector("#status:has-text('taken from 3 rows')")
    opened.page.click("#take-tag")
    opened.page.wait_for_selector("#status:has-text('taken from 0 rows')")
    opened.ask("a.state.select(v)", [2])
    opened.page.fill("#tag", "more")
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_selector("#legend .label:has-text('odd <b>, more')")
    kept = parquet.read_table(Path(served.table.source) / "tags.parquet")
    assert list(zip(kept["id"].to_pylist(), kept["tag"].to_pylist(), strict=True)) == [
        (served.table.ids[1], "odd <b>"),
        (served.table.ids[2], "odd <b>"),
        (served.table.ids[2], "more"),
    ]
    later = ExplorerPage(pages, served.address)
    later.page.fill("#search", "tags:more")
    later.page.wait_for_selector("#found:has-text('1 match')")
    assert later.shown() == [2]
