"""Selecting in the explorer's page: lasso, rectangle, union, difference; and how the selection leaves the page."""

import csv
import io
from pathlib import Path

import numpy as np
from pyarrow import parquet

from tests.shared.browser import Pages
from tests.shared.explored_digits import ExplorerPage


def _inside(places: np.ndarray, polygon: list[tuple[float, float]]) -> list[int]:
    """Rows inside a polygon, by the sign of the winding of its corners: a plain loop."""
    found = []
    for row, (x, y) in enumerate(places):
        turns = 0.0
        for (ax, ay), (bx, by) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
            before, after = np.arctan2(ay - y, ax - x), np.arctan2(by - y, bx - x)
            turns += (after - before + np.pi) % (2 * np.pi) - np.pi
        if abs(turns) > np.pi:
            found.append(row)
    return found


def _draw(opened: ExplorerPage, corners: list[tuple[float, float]], key: str | None = None) -> None:
    mouse, keyboard = opened.page.mouse, opened.page.keyboard
    if key:
        keyboard.down(key)
    mouse.move(*corners[0])
    mouse.down()
    for corner in [*corners[1:], corners[0]]:
        mouse.move(*corner, steps=6)
    mouse.up()
    if key:
        keyboard.up(key)
    opened.settle()


LEFT = [(300, 130), (640, 130), (700, 480), (420, 620), (300, 560)]
MIDDLE = [(520, 160), (830, 260), (760, 640), (560, 560)]


def test_explorer_lasso_takes_what_is_inside(opened: ExplorerPage) -> None:
    """The lasso selects the rows inside it, no others, mutes the rest and hides none."""
    opened.page.keyboard.press("l")
    expected = _inside(opened.places(), LEFT)
    assert 20 < len(expected) < 200
    _draw(opened, LEFT)
    assert opened.selected() == expected
    assert opened.muted() == sorted(set(range(240)) - set(expected))
    assert len(opened.shown()) == 240
    assert f"{len(expected)} of 240 selected" in opened.page.locator("#chosen").inner_text()


def test_explorer_shift_adds_and_alt_takes_away(opened: ExplorerPage) -> None:
    """With the pan tool, Shift draws a lasso that adds and Alt one that takes away."""
    places = opened.places()
    first, second = set(_inside(places, LEFT)), set(_inside(places, MIDDLE))
    assert first & second
    assert second - first
    _draw(opened, LEFT, "Shift")
    assert opened.selected() == sorted(first)
    _draw(opened, MIDDLE, "Shift")
    assert opened.selected() == sorted(first | second)
    _draw(opened, MIDDLE, "Alt")
    assert opened.selected() == sorted(first - second)
    np.testing.assert_allclose(opened.places(), places)


def test_explorer_rectangle_and_buttons_combine_without_keys(opened: ExplorerPage) -> None:
    """The rectangle takes what is inside; Add and Take away do what Shift and Alt do."""
    places = opened.places()

    def drag(left: float, top: float, right: float, bottom: float) -> set[int]:
        opened.page.mouse.move(left, top)
        opened.page.mouse.down()
        opened.page.mouse.move(right, bottom, steps=5)
        opened.page.mouse.up()
        opened.settle()
        (x, y) = places.T
        return set(np.flatnonzero((x > left) & (x < right) & (y > top) & (y < bottom)).tolist())

    opened.page.click("[data-tool=rectangle]")
    first = drag(300, 120, 640, 700)
    assert opened.selected() == sorted(first)
    opened.page.click("[data-how=union]")
    second = drag(600, 200, 900, 500)
    assert opened.selected() == sorted(first | second)
    opened.page.click("[data-how=difference]")
    third = drag(400, 300, 700, 640)
    assert opened.selected() == sorted((first | second) - third)
    opened.page.click("#invert")
    opened.settle()
    assert opened.selected() == sorted(set(range(240)) - ((first | second) - third))
    opened.page.click("#clear")
    opened.settle()
    assert opened.selected() == []


def test_explorer_escape_ends_a_lasso_that_is_being_drawn(opened: ExplorerPage) -> None:
    """Esc while drawing leaves the selection as it was."""
    opened.ask("a.state.select([4, 5])")
    opened.page.keyboard.press("l")
    opened.page.mouse.move(*LEFT[0])
    opened.page.mouse.down()
    for corner in LEFT[1:]:
        opened.page.mouse.move(*corner)
    opened.page.keyboard.press("Escape")
    opened.page.mouse.up()
    opened.settle()
    assert opened.selected() == [4, 5]


def test_explorer_selection_downloads_as_csv(opened: ExplorerPage, digits: Path) -> None:
    """The file has the rows of the selection with every column, quoted so that a CSV reader gives them back."""
    rows = [0, 1, 2, 3, 4, 5, 6, 9, 17, 239]
    opened.ask("a.state.select(v)", rows)
    with opened.page.expect_download() as waiting:
        opened.page.click("#download")
    assert waiting.value.suggested_filename == "digits-selection.csv"
    text = Path(waiting.value.path()).read_bytes().decode()
    found = list(csv.DictReader(io.StringIO(text, newline="")))
    table = parquet.read_table(digits / "digits.parquet").take(rows).to_pylist()
    assert [each["id"] for each in found] == [row["id"] for row in table]
    assert [each["note"] for each in found] == [
        row["note"].replace("\0", "\ufffd").replace("\x01", "\ufffd") for row in table
    ]
    assert [each["ink"] and float(each["ink"]) for each in found] == [
        "" if row["ink"] is None else row["ink"] for row in table
    ]
    assert [each["loops"] for each in found] == [str(row["loops"]).lower() for row in table]
    assert [each["written"] for each in found] == [row["written"].isoformat() for row in table]


def test_explorer_ids_are_copied(pages: Pages, digits: Path) -> None:
    """The clipboard has the selected ids, one a line; without a selection those that are shown."""
    opened = ExplorerPage(pages, digits / "page.html", permissions=["clipboard-read", "clipboard-write"])
    ids = parquet.read_table(digits / "digits.parquet")["id"].to_pylist()
    opened.ask("a.state.select(v)", [3, 7])
    opened.page.click("#copy")
    opened.page.wait_for_selector("#status:has-text('2 ids copied')")
    assert opened.page.evaluate("() => navigator.clipboard.readText()") == "\n".join([ids[3], ids[7]])


def test_explorer_gallery_shows_what_is_selected_and_makes_few_elements(opened: ExplorerPage) -> None:
    """The gallery has a tile for each selected row in view, with its picture; a click pins; scrolling brings more."""
    opened.ask("a.state.selectShown()")
    tiles = opened.page.locator("#gallery .tile")
    opened.page.wait_for_selector("#gallery .tile[data-row='0'] canvas:not(.missing)")
    first = tiles.count()
    assert 20 < first < 100
    opened.page.locator("#gallery").evaluate("(box) => { box.scrollTop = box.scrollHeight; }")
    opened.page.wait_for_selector("#gallery .tile[data-row='239']")
    assert tiles.count() < 100
    opened.page.click("#gallery .tile[data-row='239']")
    assert opened.ask("a.state.pinned") == 239


def test_explorer_picture_is_that_of_its_row(opened: ExplorerPage, digits: Path) -> None:
    """A picture of the page is its file's, within what WebP loses."""
    from PIL import Image

    ids = parquet.read_table(digits / "digits.parquet")["id"].to_pylist()
    for row in (0, 101, 239):
        found = opened.page.evaluate(
            """async (row) => {
                const picture = await window.lookalike.pictures.get(row);
                const canvas = new OffscreenCanvas(picture.width, picture.height), pen = canvas.getContext("2d");
                pen.drawImage(picture, 0, 0);
                const { width, height } = picture;
                return [width, height, Array.from(pen.getImageData(0, 0, width, height).data)];
            }""",
            row,
        )
        original = np.asarray(Image.open(digits / "images" / ids[row]).convert("RGB"), float)
        pixels = np.array(found[2], float).reshape(found[1], found[0], 4)[..., :3]
        assert pixels.shape == original.shape
        assert np.abs(pixels - original).mean() < 8
