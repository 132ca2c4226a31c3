"""The explorer's page in a browser without WebGL: a plain canvas draws the points."""

from pathlib import Path

import numpy as np

from tests.shared.browser import Pages
from tests.shared.explored_digits import ExplorerPage

NO_WEBGL = """
const withAll = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, options) {
    return kind.startsWith("webgl") ? null : withAll.call(this, kind, options);
};
"""
PIXEL = """(() => {
    a.draw();
    const at = a.overlay.at(v), { canvas, ratio, colours } = a.scatter;
    const read = canvas.getContext("2d").getImageData(Math.round(at.x * ratio), Math.round(at.y * ratio), 1, 1).data;
    return [Array.from(read), Array.from(colours.subarray(v * 4, v * 4 + 3))];
})()"""


def test_explorer_without_webgl_draws_points_on_a_plain_canvas(pages: Pages, digits: Path) -> None:
    """Each point has its colour and the opacity that is chosen; what is muted is faint and grey."""
    opened = ExplorerPage(pages, digits / "page.html", before=NO_WEBGL)
    row = opened.lone_row()
    for opacity in (1.0, 0.4):
        opened.page.locator("#opacity").fill(str(opacity))
        drawn, colour = opened.ask(PIXEL, row)
        np.testing.assert_allclose(drawn[3] / 255, opacity, atol=0.01)
        np.testing.assert_allclose(drawn[:3], colour, atol=3)
    opened.page.locator("#opacity").fill("1")
    opened.ask("(a.state.select([(v + 1) % 240]), true)", row)
    drawn, _ = opened.ask(PIXEL, row)
    np.testing.assert_allclose(drawn[3] / 255, 0.8 * 0.34, atol=0.01)
    np.testing.assert_allclose(drawn[:3], opened.ask("a.palette.rest"), atol=4)
    opened.page.mouse.click(*opened.at(row))
    assert opened.ask("a.state.pinned") == row
