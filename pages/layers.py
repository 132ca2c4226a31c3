"""The page of `lookalike layers --image`: what layers give of some pictures, channels as tiles, vectors as bars.

Decisions a reader would question:
- A layer has one scale, of all its channels and all pictures, so a channel that gives little looks so. It is said.
- A channel that gives 0 everywhere is grey, not the colour of the lowest value, and is counted: of these pictures it
  says nothing. Of others it may.
- So many channels are drawn at most, the first of them; what is not drawn is counted too. A sheet of tiles is one
  picture.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from artifact.arrays import AnyArray
from artifact.images.decoding import Pixels
from pages.page import write_page
from pages.palette import ABSENT, LIGHT, NUM_STEPS, STEPS, rgb
from pages.pictures import data_url, small_picture
from pages.plot import number

MAX_CHANNELS = 64
"""Tiles of a layer, and of each picture."""
MAX_BARS = 512
MAX_SIDE = 64
"""Of a tile, in values; of larger maps every second, third, ... value is drawn."""
_TILES_A_ROW = 16
_GAP = 1
_BAR_HEIGHT = 80
_THUMBNAIL_PX = 96
_TILE_PX, _SHEET_PX = 28, 1180
"""Least width of a tile on the page, largest width of a sheet."""


@dataclass(frozen=True, kw_only=True)
class ShownLayer:
    """What one layer gives of the pictures.

    Attributes:
        number, name, kind: as `lookalike layers` lists them.
        shape: of one picture's output as the network has it.
        values: float32 [pictures, channels, height, width] of a map, or [pictures, features].
        dead: which channels are 0 everywhere, bool [channels].
    """

    number: int
    name: str
    kind: str
    shape: tuple[int, ...]
    values: AnyArray
    dead: AnyArray


def write_layers_page(
    page: Path, layers: Sequence[ShownLayer], pictures: Sequence[tuple[str, Pixels]], *, facts: dict[str, Any]
) -> None:
    """Write the page.

    Args:
        pictures: name and uint8 [h, w, 3] of each, as the network sees it.
        facts: "network" and "weights", texts.

    Raises:
        OutputError: the page cannot be written.
    """
    shown = [{"name": name, "data": small_picture(pixels, _THUMBNAIL_PX, exact=True)} for name, pixels in pictures]
    drawn = [_drawn(layer, [name for name, _ in pictures]) for layer in layers]
    write_page(page, "layers.html.jinja", layers=drawn, pictures=shown, **facts)


def _drawn(layer: ShownLayer, names: Sequence[str]) -> dict[str, Any]:
    """A layer's values of the template."""
    values, finite = layer.values, layer.values[np.isfinite(layer.values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    is_map = values.ndim == 4
    most = MAX_CHANNELS if is_map else MAX_BARS
    num_channels, num_dead = values.shape[1], int(layer.dead.sum())
    word = "channels" if is_map else "features"
    return {
        "title": f"@{layer.number} {layer.name}",
        "facts": f"{layer.kind}, {' x '.join(map(str, layer.shape))}",
        "dead": f"{num_dead:,} of {num_channels:,} {word} are 0 everywhere in {_counted(len(names))}",
        "num_dead": num_dead,
        "scale": f"one scale for the layer: {number(low)} to {number(high)}",
        "more": f"the first {most} are drawn, {num_channels - most:,} more are not" if num_channels > most else "",
        "is_map": is_map,
        "drawings": [
            _sheet(each, layer.dead, low, high, name=name) if is_map else _bars(each[:most], low, high, name=name)
            for name, each in zip(names, values, strict=True)
        ],
    }


def _counted(num_pictures: int) -> str:
    return "this picture" if num_pictures == 1 else f"these {num_pictures} pictures"


def _sheet(maps: AnyArray, dead: AnyArray, low: float, high: float, *, name: str) -> dict[str, Any]:
    """The tiles of one picture, float32 [channels, height, width], as one image."""
    step = -(-max(maps.shape[1:]) // MAX_SIDE)
    tiles = maps[:MAX_CHANNELS, ::step, ::step]
    height, width = tiles.shape[1] + _GAP, tiles.shape[2] + _GAP
    across = min(_TILES_A_ROW, len(tiles))
    down = -(-len(tiles) // across)
    sheet = np.zeros((down * height - _GAP, across * width - _GAP, 4), np.uint8)
    for place, tile in enumerate(_coloured(tiles, dead[: len(tiles)], low, high)):
        top, left = place // across * height, place % across * width
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    shown_px = min(_SHEET_PX, across * max(4 * width, _TILE_PX))
    return {"name": name, "data": _png(sheet), "across": across, "shown_px": shown_px}


def _coloured(tiles: AnyArray, dead: AnyArray, low: float, high: float) -> AnyArray:
    """uint8 [channels, height, width, 4]; what is dead, or no number, is grey."""
    ramp = np.array([(*rgb(LIGHT[step]), 255) for step in STEPS], np.uint8)
    grey = np.array((*rgb(LIGHT[ABSENT]), 255), np.uint8)
    shares = np.nan_to_num((tiles - low) / ((high - low) or 1.0), nan=0.0, posinf=1.0, neginf=0.0)
    painted = ramp[(shares * (NUM_STEPS - 1)).round().clip(0, NUM_STEPS - 1).astype(np.int64)]
    painted[~np.isfinite(tiles)] = grey
    painted[dead] = grey
    return painted


def _png(sheet: AnyArray) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "PNG", optimize=True)
    return data_url(buffer.getvalue(), "png")


def _bars(values: AnyArray, low: float, high: float, *, name: str) -> dict[str, Any]:
    """A bar a feature, from 0; what is no number has none."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = _BAR_HEIGHT / ((high - low) or 1.0)
    zero = high * scale
    path = "".join(
        f"M{place} {zero:.2f}v{-value * scale:.2f}h1V{zero:.2f}z"
        for place, value in enumerate(np.nan_to_num(values, nan=0.0, posinf=high, neginf=low).tolist())
        if value
    )
    return {"name": name, "path": path, "width": len(values), "height": _BAR_HEIGHT, "zero": f"{zero:.2f}"}
