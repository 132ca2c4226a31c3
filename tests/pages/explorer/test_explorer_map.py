"""The map of the explorer's page in a real browser: points, rings, cards, neighbours, gestures and keys."""

from pathlib import Path

import numpy as np
from pyarrow import parquet

from tests.shared.browser import Pages
from tests.shared.explored_digits import ExplorerPage


def _vectors(digits: Path) -> np.ndarray:
    cells = parquet.read_table(digits / "digits.parquet")["embedding"].combine_chunks()
    return cells.flatten().to_numpy().reshape(len(cells), -1)


def test_explorer_draws_points_where_rows_are(opened: ExplorerPage) -> None:
    """The picture has the colour of the label at the place of a lone row, and the page has marked its first picture."""
    row = opened.lone_row()
    pixel = opened.ask(
        """(() => {
            a.draw();
            const { gl, ratio, colours } = a.scatter, at = a.overlay.at(v), read = new Uint8Array(4);
            gl.readPixels(at.x * ratio, gl.canvas.height - at.y * ratio, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, read);
            return [Array.from(read), Array.from(colours.subarray(v * 4, v * 4 + 3))];
        })()""",
        row,
    )
    drawn, colour = np.array(pixel[0], float), np.array(pixel[1], float)
    assert drawn[3] > 150
    np.testing.assert_allclose(drawn[:3] * 255 / drawn[3], colour, atol=4)
    label = opened.ask("a.columns.text(a.state.colour, v)", row)
    slots = opened.ask("a.palette.slots")
    assert slots[int(label)] == colour.tolist()
    told = opened.ask("performance.getEntriesByName('lookalike-first-picture').map((mark) => mark.startTime)")
    assert len(told) == 1
    assert told[0] > 0


def test_explorer_hover_rings_at_once_and_shows_a_card_after_a_moment(opened: ExplorerPage) -> None:
    """The next frame rings the point; its card comes later, with picture, id and label, and goes with the pointer."""
    row = opened.lone_row()
    opened.page.mouse.move(*opened.at(row))
    hovered = opened.page.evaluate(
        """() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() =>
            resolve(window.lookalike.state.hovered))))"""
    )
    assert hovered == row
    opened.page.wait_for_selector("#card:not([hidden]) canvas.picture:not(.missing)")
    text = opened.page.locator("#card").inner_text()
    assert opened.ask("a.columns.idTexts.at(v)", row) in text
    assert "label" in text
    opened.page.mouse.move(10, 10)
    opened.page.wait_for_selector("#card", state="hidden")
    assert opened.ask("a.state.hovered") == -1


def test_explorer_card_waits_125_ms(opened: ExplorerPage) -> None:
    """The card is not there when the ring is: its timer runs for an eighth of a second."""
    waited = opened.page.evaluate(
        """() => new Promise((resolve) => {
            const { state } = window.lookalike, started = performance.now(), card = document.getElementById("card");
            const look = () => card.hidden || resolve(performance.now() - started);
            new MutationObserver(look).observe(card, { attributes: true });
            state.hover(3);
        })"""
    )
    assert waited >= 120


def test_explorer_click_pins_a_point_with_its_neighbours(opened: ExplorerPage, digits: Path) -> None:
    """A click lists the nearest by the vectors with their distances, as a plain loop does; a click there goes on."""
    row = opened.lone_row()
    opened.page.mouse.click(*opened.at(row))
    opened.page.wait_for_selector("#panel-point .neighbour")
    vectors = _vectors(digits).astype(np.float64)
    apart = np.linalg.norm(vectors - vectors[row], axis=1)
    apart[row] = np.inf
    nearest = np.argsort(apart, kind="stable")[:10]
    found = opened.page.locator("#panel-point .neighbour")
    assert [int(each.get_attribute("data-row")) for each in found.all()] == nearest.tolist()
    shown = [float(text) for text in opened.page.locator("#panel-point .distance").all_inner_texts()]
    np.testing.assert_allclose(shown, apart[nearest], rtol=1e-3)
    found.nth(2).click()
    assert opened.ask("a.state.pinned") == nearest[2]
    opened.page.wait_for_selector("#panel-point .neighbour >> nth=0")
    assert opened.page.locator("#panel-point .id").first.inner_text() == opened.ask(
        "a.columns.idTexts.at(v)", int(nearest[2])
    )


def test_explorer_drag_pans_and_wheel_zooms_at_the_pointer(opened: ExplorerPage) -> None:
    """A dragged point stays below the hand, and what is below the pointer stays there while the wheel turns."""
    row = opened.lone_row()
    x, y = opened.at(row)
    opened.page.mouse.move(x + 40, y + 40)
    opened.page.mouse.down()
    opened.page.mouse.move(x + 70, y + 60, steps=4)
    opened.page.mouse.move(x + 110, y + 5, steps=4)
    opened.page.mouse.up()
    moved = np.subtract(opened.at(row), (x, y))
    assert np.abs(moved - (70, -35)).max() <= 8  # the first pixels of a drag may still have been a click
    assert opened.ask("a.state.pinned") == -1
    x, y = opened.at(row)
    opened.page.mouse.move(x, y)
    before = opened.ask("a.camera.zoom")
    opened.page.mouse.wheel(0, -400)
    opened.settle()
    assert opened.ask("a.camera.zoom") > 1.5 * before
    np.testing.assert_allclose(opened.at(row), (x, y), atol=2)  # a mouse is at whole pixels


def test_explorer_two_fingers_pinch(pages: Pages, digits: Path) -> None:
    """Two touches that part zoom in and keep what is between them; one touch pins."""
    opened = ExplorerPage(pages, digits / "page.html", has_touch=True)
    row = opened.lone_row()
    x, y = opened.at(row)
    touch = opened.page.context.new_cdp_session(opened.page)

    def send(kind: str, *points: tuple[float, float]) -> None:
        told = [{"x": px, "y": py, "id": at} for at, (px, py) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": told})

    before = opened.ask("a.camera.zoom")
    send("touchStart", (x - 20, y), (x + 20, y))
    for apart in range(25, 65, 5):
        send("touchMove", (x - apart, y), (x + apart, y))
    send("touchEnd")
    opened.settle()
    assert opened.ask("a.camera.zoom") / before > 2
    np.testing.assert_allclose(opened.at(row), (x, y), atol=3)
    assert opened.ask("a.state.pinned") == -1
    opened.page.touchscreen.tap(*opened.at(row))
    assert opened.ask("a.state.pinned") == row


def test_explorer_pictures_stand_on_the_map_and_do_not_overlap(opened: ExplorerPage) -> None:
    """Every picture on the map is one of a shown row, and no two of them overlap."""
    opened.page.click("#show-pictures")
    opened.settle()
    rows = opened.ask("a.overlay.pickRows()")
    assert 10 < len(rows) < 240
    places = opened.places()[rows]
    apart = np.abs(places[:, None] - places[None]).max(axis=2) + np.eye(len(rows)) * 1e9
    assert apart.min() >= 39.9


def test_explorer_switches_between_light_and_dark(opened: ExplorerPage) -> None:
    """The switch changes paper and points, and back again."""
    paper = "getComputedStyle(document.body).backgroundColor"
    light, colours = opened.ask(paper), opened.ask("Array.from(a.scatter.colours.subarray(0, 3))")
    opened.page.click("#theme")
    opened.settle()
    assert opened.ask(paper) != light
    assert opened.ask("Array.from(a.scatter.colours.subarray(0, 3))") != colours
    opened.page.click("#theme")
    opened.settle()
    assert opened.ask(paper) == light
