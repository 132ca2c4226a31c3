"""Pictures of pages for the docs, by the browser of the tests: `python -m docs.images.make DEMO_OUTPUT`.

DEMO_OUTPUT is what `lookalike demo` wrote. explorer.png is its explorer.html, with pictures on the map and a digit
pinned whose neighbours are of two classes where there is one.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.shared.browser import Pages, running_chromium

WIDTH, HEIGHT = 1440, 900
_PIN = """async () => {
    const { state, columns, facts, places, go } = window.lookalike;
    const label = await columns.load(columns.numberOf("label"));
    let [best, most] = [0, -1];
    for (let row = 0; row < facts.num_rows; row++) {
        const near = await columns.source.neighbours(row);
        const others = near.filter((each) => label.codes[each.row] !== label.codes[row]).length;
        const apart = Math.max(...near.map((each) => Math.hypot(
            places[each.row * 2] - places[row * 2], places[each.row * 2 + 1] - places[row * 2 + 1])));
        if (others >= 3 && others <= 6 && apart > most) [best, most] = [row, apart];
    }
    go(best);
}"""


def main(demo_output: Path) -> None:
    """Write explorer.png beside this file."""
    with running_chromium() as browser:
        pages = Pages(browser)
        page = pages.open(demo_output / "explorer.html", width=WIDTH, height=HEIGHT)
        page.wait_for_selector("html[data-ready]")
        page.click("#show-pictures")
        page.evaluate(_PIN)
        page.wait_for_selector("#panel-point .neighbour canvas:not(.missing)")
        page.wait_for_timeout(2000)  # the pictures of the map
        page.screenshot(path=Path(__file__).parent / "explorer.png")
        pages.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
