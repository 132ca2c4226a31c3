"""Tabs of findings and several sets in the explorer's page."""

from pathlib import Path

import numpy as np
import pytest

from pages.explorer.data import Categories, ExplorerData, Finding, FindingTab, Measures, texts
from pages.explorer.writer import write_explorer
from tests.shared.browser import Pages
from tests.shared.explored_digits import HOSTILE, ExplorerPage

NUM_ROWS = 60


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two sets with a tab of findings and one of a comparison."""
    rng = np.random.default_rng(0)
    copies = FindingTab(
        name="duplicates",
        note="Copies.",
        headings=["", "apart"],
        findings=[
            Finding(rows=[row, row + 1], cells=[HOSTILE[row % len(HOSTILE)], f"{row / 7:.4g}"])
            for row in range(0, NUM_ROWS - 1, 2)
        ],
        num_found=1234,
        facts=[("threshold", "0.5"), (HOSTILE[0], HOSTILE[1])],
    )
    compared = FindingTab(
        name="comparison",
        note="The sets differ: p = 0.001.",
        headings=["region", "share"],
        findings=[Finding(rows=list(range(40, 60)), cells=["3", "12 % of a, 0 % of b"])],
        num_found=1,
    )
    nothing = FindingTab(name="outliers", note="", headings=[], findings=[], num_found=0)
    sets = Categories(
        name="set", codes=np.repeat([0, 1], NUM_ROWS // 2).astype(np.uint8), names=["train", "test"], is_set=True
    )
    page = tmp_path_factory.mktemp("found") / "page.html"
    data = ExplorerData(
        title="two sets",
        about="60 rows",
        file_stem="two",
        ids=texts([f"row {row}" for row in range(NUM_ROWS)])[0],
        places=rng.uniform(-1, 1, (NUM_ROWS, 2)).astype(np.float32),
        digest="ab" * 32,
        columns=[sets, Measures(name="n", values=np.arange(NUM_ROWS, dtype=np.float64))],
        colour=0,
        findings=[copies, nothing, compared],
        no_pictures="There are no pictures in this page.",
    )
    write_explorer(page, data)
    return page


def test_explorer_finding_selects_its_rows_and_goes_there(pages: Pages, found: Path) -> None:
    """A click on a finding selects its rows and brings them into view; the tab says how many there are in all."""
    opened = ExplorerPage(pages, found)
    assert opened.page.locator("#tab-duplicates").inner_text().split() == ["Duplicates", "1,234"]
    opened.page.click("#tab-duplicates")
    opened.page.wait_for_selector(".finding")
    panel = opened.page.locator("#panel-duplicates").inner_text()
    assert "The first 30 of 1,234." in panel
    assert "threshold" in panel
    opened.page.click("[data-finding='2']")
    opened.settle()
    assert opened.selected() == [4, 5]
    box = opened.page.locator("#overlay").bounding_box()
    for row in (4, 5):
        x, y = opened.at(row)
        assert box["x"] < x < box["x"] + box["width"]
        assert box["y"] < y < box["y"] + box["height"]
    opened.page.click("#panel-duplicates >> text=Select all of these")
    assert len(opened.selected()) == NUM_ROWS


def test_explorer_tab_without_findings_says_so(pages: Pages, found: Path) -> None:
    """Nothing found is said, and the keys go from tab to tab."""
    opened = ExplorerPage(pages, found)
    opened.page.focus("#tab-selection")
    for _ in range(3):
        opened.page.keyboard.press("ArrowRight")
    opened.page.wait_for_selector("#panel-outliers >> text=Nothing found.")
    assert opened.page.locator("#tab-outliers").get_attribute("aria-selected") == "true"
    assert opened.page.locator("[role=tab][aria-selected=true]").count() == 1


def test_explorer_comparison_of_two_sets(pages: Pages, found: Path) -> None:
    """A region of the comparison selects its rows, whatever set is muted; sets are colours, filters and symbols."""
    opened = ExplorerPage(pages, found)
    assert opened.page.locator("#legend .swatch").all_inner_texts() == ["●", "■"]
    assert opened.ask("Array.from(a.scatter.looks)") == [6] * 30 + [7] * 30
    opened.page.locator("#legend .label:has(.cell:text-is('train'))").click()
    opened.settle()
    assert opened.muted() == list(range(30))
    opened.page.click("#tab-comparison")
    opened.page.click("#panel-comparison .finding")
    opened.settle()
    assert opened.selected() == list(range(40, 60))
    assert "p = 0.001" in opened.page.locator("#panel-comparison").inner_text()


def test_explorer_symbols_have_their_shape(pages: Pages, found: Path) -> None:
    """A square fills its corners, a circle does not."""
    opened = ExplorerPage(pages, found)
    covered = opened.ask(
        """[0, 30].map((row) => {
            document.getElementById("point-size").value = "16";
            a.camera.set({ x: a.places[row * 2], y: a.places[row * 2 + 1], zoom: 400 });
            a.draw();
            const { gl, ratio } = a.scatter, side = 64, read = new Uint8Array(side * side * 4);
            const [x, y] = [(a.camera.width / 2) * ratio - side / 2, (a.camera.height / 2) * ratio - side / 2];
            gl.readPixels(x, y, side, side, gl.RGBA, gl.UNSIGNED_BYTE, read);
            const inked = [];
            for (let i = 0; i < side * side; i++) if (read[i * 4 + 3] > 100) inked.push(i % side);
            const width = Math.max(...inked) - Math.min(...inked) + 1;
            return inked.length / (width * width);
        })"""
    )
    assert covered[0] == pytest.approx(np.pi / 4, abs=0.05)
    assert covered[1] > 0.93
