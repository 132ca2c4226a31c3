"""Numbers in the explorer's page: one ramp with every other map, and one rule of what is a number."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lookalike.exploring.columns import page_column
from pages.colouring import by_number
from pages.explorer.data import Measures
from pages.palette import NUM_STEPS
from tests.shared.browser import Pages
from tests.shared.explored_digits import ExplorerPage
from tests.shared.small_explorer import small_page


def test_explorer_ramp_has_the_ends_of_every_map(pages: Pages, tmp_path: Path) -> None:
    """The ends are those of `map`: least and most of few numbers, the first and the last percentile of many."""
    rng = np.random.default_rng(0)
    columns = []
    for count in (1, 2, 99, 100, 149, 150, 250, 251, 1000):
        values = np.full(1000, np.nan)
        values[:count] = rng.lognormal(sigma=3, size=count)
        columns.append(Measures(name=f"of {count}", values=values))
    values = np.full(1000, 7.0)
    values[:5] = [1, 2, 3, 9, np.inf]
    columns.append(Measures(name="nearly equal", values=values))
    opened = ExplorerPage(pages, small_page(tmp_path, [str(row) for row in range(1000)], columns))
    for column in columns:
        opened.page.select_option("#colour", label=column.name)
        opened.page.wait_for_selector(f"#legend .histogram[aria-label='histogram of {column.name}']")
        ends = opened.ask("[a.legend.look.ends.low, a.legend.look.ends.high]")
        codes = by_number(column.values).codes
        known = np.isfinite(column.values)
        assert ends == sorted(ends)
        if ends[0] < ends[1]:
            shares = np.clip((column.values[known] - ends[0]) / (ends[1] - ends[0]), 0, 1)
            assert codes[known].tolist() == ((shares * (NUM_STEPS - 1)).round() + 1).tolist()


def test_explorer_takes_infinity_for_no_number(pages: Pages, tmp_path: Path) -> None:
    """It is grey as the legend says, outside every range, and changes neither ramp nor histogram."""
    values = np.array([np.inf, -np.inf, np.nan, 1.0, 2.0, 4.0])
    opened = ExplorerPage(pages, small_page(tmp_path, list("abcdef"), [Measures(name="wild", values=values)]))
    assert "3 rows without a number: grey" in opened.page.locator("#legend").inner_text()
    colours = np.array(opened.ask("Array.from(a.scatter.colours)")).reshape(-1, 4)[:, :3]
    grey = (colours == opened.ask("a.palette.absent")).all(axis=1)
    assert grey.tolist() == [True, True, True, False, False, False]
    opened.page.fill("#legend input[aria-label=from]", "2")
    opened.page.keyboard.press("Enter")
    assert opened.shown() == [4, 5]
    opened.page.fill("#legend input[aria-label=from]", "1e999")
    opened.page.keyboard.press("Enter")
    assert len(opened.shown()) == 6


def test_explorer_ramp_is_as_wide_as_numbers_are(pages: Pages, tmp_path: Path) -> None:
    """Ends whose distance is no number any more: every row has a colour of the ramp, in order."""
    values = np.array([-1.7e308, -0.9e308, 0.0, 0.9e308, 1.7e308])
    opened = ExplorerPage(pages, small_page(tmp_path, list("abcde"), [Measures(name="wide", values=values)]))
    colours = np.array(opened.ask("Array.from(a.scatter.colours)")).reshape(-1, 4)
    assert (colours[:, 3] == 255).all()
    assert (np.diff(colours[:, :3] @ (0.2126, 0.7152, 0.0722)) < 0).all()
    bins = opened.ask("Array.from(a.legend.look.bins)")
    assert np.flatnonzero(bins).tolist() == [0, 11, 24, 36, 47]


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32()])
def test_explorer_shows_narrow_numbers_as_short_as_they_are(pages: Pages, tmp_path: Path, kind: pa.DataType) -> None:
    """A cell is the shortest number that is its float, in the page, its CSV and its search."""
    cells = pa.array([0.1, 0.26095828, None, -3.0, 1e-3], pa.float64()).cast(pa.float32()).cast(kind)
    dtype = kind.to_pandas_dtype()
    column, _ = page_column("x", pa.chunked_array([cells]))
    opened = ExplorerPage(pages, small_page(tmp_path, list("abcde"), [column]), accept_downloads=True)
    opened.ask("(a.go(1), true)")
    opened.page.wait_for_selector("#panel-point .fact")
    shown = str(dtype(0.26095828))
    assert opened.page.locator("#panel-point .fact .cell").text_content() == shown
    opened.page.fill("#search", "x:=0.1")
    opened.page.wait_for_selector("#found:has-text('1 match')")
    with opened.page.expect_download() as waiting:
        opened.page.click("#tab-selection")
        opened.page.click("#download")
    assert Path(waiting.value.path()).read_text().split() == ["id,x", "a,0.1"]
