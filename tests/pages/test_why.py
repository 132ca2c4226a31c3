"""The page of why: what it draws and says, in text and in a real browser."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pages.palette import LIGHT, rgb
from pages.why import HiddenPicture, MarkedRegion, overlay, write_why_page
from tests.shared.browser import Pages

NAME = "<i>ö & 'x'</i>.png"


def _facts() -> dict[str, object]:
    return {
        "model": "tiny version 1",
        "measure": "euclidean",
        "distance": 0.5,
        "verdict": "the same by the threshold 0.7",
        "num_runs": 666,
        "scales": "25 + 81",
    }


def _picture(growth: np.ndarray, *regions: MarkedRegion, note: str | None = None) -> HiddenPicture:
    pixels = np.random.default_rng(0).integers(0, 256, (*growth.shape, 3), dtype=np.uint8)
    return HiddenPicture(NAME, pixels, growth, 1.25, regions, note)


def test_overlay_is_orange_where_distance_grows_and_purple_where_it_shrinks() -> None:
    """Opacity is the share of the largest change; what has no value is not there."""
    painted = overlay(np.array([[2.0, -1.0, 0.0, np.nan]]), 2.0)
    assert painted[0, 0].tolist() == [*rgb(LIGHT["alike"]), round(0.85 * 255)]
    assert painted[0, 1].tolist() == [*rgb(LIGHT["unlike"]), round(0.85 * 255 / 2)]
    assert painted[0, 2, 3] == painted[0, 3, 3] == 0


def test_pictures_in_the_page_are_the_pixels_and_the_map(tmp_path: Path) -> None:
    """Read back from the page; both maps share the scale of the larger change."""
    growth = np.zeros((6, 9))
    growth[1:3, 2:4] = 0.5
    pictures = [_picture(growth), _picture(2 * growth)]
    write_why_page(tmp_path / "page.html", pictures, facts=_facts())
    text = (tmp_path / "page.html").read_text()
    files = re.findall(r'href="data:image/png;base64,([^"]+)"', text)
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(each)))) for each in files]
    assert len(shown) == 6
    np.testing.assert_array_equal(shown[0], pictures[0].pixels)
    np.testing.assert_array_equal(shown[2], overlay(growth, 1.0))
    np.testing.assert_array_equal(shown[5], overlay(2 * growth, 1.0))


def test_page_says_the_numbers_and_escapes_names(tmp_path: Path, pages: Pages) -> None:
    """In a browser: the distance, both regions with what the distance grows to, and marks where they are."""
    growth = np.linspace(-0.1, 0.4, 48 * 64).reshape(48, 64)
    marked = (MarkedRegion((8, 12, 24, 28), 0.25), MarkedRegion((40, 30, 60, 44), 0.125))
    pictures = [_picture(growth, *marked, note="Odd"), _picture(growth * 0)]
    write_why_page(tmp_path / "page.html", pictures, facts=_facts())
    opened = pages.open(tmp_path / "page.html")
    text = opened.inner_text("body")
    for words in (
        "0.5 apart",
        "the same by the threshold 0.7",
        "666 pictures",
        NAME,
        "+0.25",
        "0.75",
        "+0.125",
        "0.625",
    ):
        assert words in text
    assert "8, 12, 24, 28" in text
    assert "Odd." in text
    assert "No part of it makes them alike" in text
    place, box = (opened.locator(each).first.bounding_box() for each in ("svg.map", "svg.map rect"))
    assert box["x"] - place["x"] == pytest.approx(place["width"] * 8 / 64, abs=3)
    assert box["width"] == pytest.approx(place["width"] * 16 / 64, abs=5)
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_page_fits_a_narrow_window_and_says_where_nothing_changes(tmp_path: Path, pages: Pages) -> None:
    """On a phone, dark, with two pictures without a change."""
    write_why_page(tmp_path / "page.html", [_picture(np.zeros((8, 8)))] * 2, facts=_facts())
    opened = pages.open(tmp_path / "page.html", width=380, height=800, color_scheme="dark")
    assert "Hiding parts changes nothing" in opened.inner_text("body")
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
