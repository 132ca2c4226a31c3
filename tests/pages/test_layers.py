"""The page of layers: tiles in one scale, dead channels grey and counted, vectors as bars, in a real browser too."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pages.layers import MAX_CHANNELS, ShownLayer, write_layers_page
from pages.palette import ABSENT, LIGHT, STEPS, rgb
from tests.shared.browser import Pages

FACTS = {"network": "net <b>", "weights": "weights: random"}
PICTURES = [("a.png", np.zeros((8, 8, 3), np.uint8)), ("<b>.png", np.full((8, 8, 3), 200, np.uint8))]


def _layer(values: Any, **facts: Any) -> ShownLayer:
    values = np.asarray(values, np.float32)
    dead = (values == 0).all(axis=tuple(axis for axis in range(values.ndim) if axis != 1))
    named = {"number": 3, "name": "block.relu", "kind": "ReLU", "shape": values.shape[1:]}
    return ShownLayer(**(named | facts), values=values, dead=dead)


def _sheets(page: Path) -> list[Any]:
    """The pixels of every sheet on a page."""
    found = re.findall(r'class="maps" src="data:image/png;base64,([^"]+)"', page.read_text())
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(each)))) for each in found]


def test_tiles_have_the_colour_of_their_value_in_one_scale(tmp_path: Path) -> None:
    """Lowest and highest of all channels and pictures are the ends of the ramp; dead channels are grey."""
    values = np.zeros((2, 3, 2, 2))
    values[0, 0], values[1, 0], values[1, 2] = 1.0, 4.0, 2.0
    write_layers_page(tmp_path / "p.html", [_layer(values)], PICTURES, facts=FACTS)
    first, second = _sheets(tmp_path / "p.html")
    assert first.shape == (2, 8, 4)
    light, dark, grey = rgb(LIGHT[STEPS[0]]), rgb(LIGHT[STEPS[-1]]), rgb(LIGHT[ABSENT])
    assert tuple(second[0, 0, :3]) == dark
    assert tuple(first[0, 0, :3]) == rgb(LIGHT[STEPS[8]])
    assert tuple(first[0, 3, :3]) == tuple(second[1, 4, :3]) == grey
    assert tuple(first[0, 6, :3]) == light
    text = (tmp_path / "p.html").read_text()
    assert "one scale for the layer: 0 to 4" in text
    assert "1 of 3 channels are 0 everywhere in these 2 pictures" in text


def test_what_is_not_drawn_is_counted(tmp_path: Path) -> None:
    """The first channels of many; large maps by every second value; dead ones among all."""
    values = np.ones((1, 200, 100, 100))
    values[:, 150:] = 0
    write_layers_page(tmp_path / "p.html", [_layer(values)], PICTURES[:1], facts=FACTS)
    (sheet,) = _sheets(tmp_path / "p.html")
    assert sheet.shape[:2] == (4 * 51 - 1, 16 * 51 - 1)
    text = (tmp_path / "p.html").read_text()
    assert f"the first {MAX_CHANNELS} are drawn, 136 more are not" in text
    assert "50 of 200 channels are 0 everywhere in this picture" in text


def test_vectors_are_bars_from_zero(tmp_path: Path) -> None:
    """Upwards above it, downwards below it; what is no number has none."""
    layer = _layer([[2.0, -1.0, np.nan, 0.0]])
    write_layers_page(tmp_path / "p.html", [layer], PICTURES[:1], facts=FACTS)
    (path,) = re.findall(r'<path d="([^"]*)"', (tmp_path / "p.html").read_text())
    bars = [(int(at), float(length)) for at, length in re.findall(r"M(\d+) [\d.]+v(-?[\d.]+)h1", path)]
    assert [at for at, _ in bars] == [0, 1]
    np.testing.assert_allclose([length for _, length in bars], [-160 / 3, 80 / 3], atol=0.01)


def test_page_is_shown_whole(pages: Pages, tmp_path: Path) -> None:
    """No complaint, every picture loads, names are text and nothing is wider than a phone."""
    random = np.random.default_rng(0)
    layers = [_layer(random.normal(size=(2, 40, 9, 9))), _layer(random.normal(size=(2, 900)), name="embedding")]
    write_layers_page(tmp_path / "p.html", layers, PICTURES, facts=FACTS)
    opened = pages.open(tmp_path / "p.html")
    assert opened.evaluate("[...document.images].every(each => each.complete && each.naturalWidth > 0)")
    assert opened.evaluate("document.images.length") == 4
    assert opened.evaluate("document.querySelectorAll('svg.bars path').length") == 2
    assert opened.evaluate("document.querySelector('h1').textContent") == "Layers of net <b>"
    opened.set_viewport_size({"width": 390, "height": 800})
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390
