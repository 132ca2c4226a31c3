"""The page of `lookalike why`: each of two pictures, and over it in grey what hiding its parts does to their distance.

Decision a reader would question: both pictures share one scale, that of the largest change in either, so that a pale
map beside a strong one says that little of that picture matters.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.arrays import Numbers
from artifact.images.decoding import Pixels
from pages.page import write_page
from pages.palette import ALIKE, LIGHT, UNLIKE, rgb
from pages.pictures import data_url

_STRONGEST = 0.85
"""Opacity of the largest change."""


@dataclass(frozen=True)
class MarkedRegion:
    """A part of a picture: left, top, right and bottom in pixels, and by how much the distance grows without it."""

    box: tuple[int, int, int, int]
    growth: float


@dataclass(frozen=True)
class HiddenPicture:
    """One of the two pictures.

    Attributes:
        name: of it.
        pixels: uint8 [height, width, 3], as the network is given them.
        growth: float64 [height, width], by how much the distance grows where it is hidden; NaN is no value.
        hidden_whole: the distance when all of it is hidden, or None.
        regions: those that matter most, first.
        note: what is odd about it, or None.
    """

    name: str
    pixels: Pixels
    growth: Numbers
    hidden_whole: float | None
    regions: Sequence[MarkedRegion]
    note: str | None = None


def write_why_page(page: Path, pictures: Sequence[HiddenPicture], *, facts: dict[str, Any]) -> None:
    """Write the page.

    Args:
        pictures: the two.
        facts: "model", "measure" (name of the distance), "distance", "verdict" (text or None), "num_runs" and "scales"
            (how many parts each scale has, as text).

    Raises:
        OutputError: the page cannot be written.
    """
    largest = max(_largest(each.growth) for each in pictures)
    drawn = [
        {
            "name": each.name,
            "height": each.pixels.shape[0],
            "width": each.pixels.shape[1],
            "picture": data_url(_png(each.pixels), "png"),
            "map": data_url(_png(overlay(each.growth, largest)), "png"),
            "most": _largest(np.maximum(each.growth, 0)),
            "least": -_largest(np.minimum(each.growth, 0)),
            "hidden_whole": each.hidden_whole,
            "regions": each.regions,
            "note": each.note,
        }
        for each in pictures
    ]
    write_page(page, "why.html.jinja", pictures=drawn, largest=largest, strongest=_STRONGEST, **facts)


def overlay(growth: Numbers, largest: float) -> npt.NDArray[np.uint8]:
    """What lies over a picture: uint8 [height, width, 4], orange where the distance grows and purple where it shrinks.

    Args:
        growth: float64 [height, width]; NaN is drawn as 0, which is nothing.
        largest: the change that is drawn strongest.
    """
    share = np.nan_to_num(growth) / largest if largest > 0 else np.zeros_like(growth)
    painted = np.empty((*growth.shape, 4), np.uint8)
    painted[..., :3] = np.where(share[..., None] > 0, rgb(LIGHT[ALIKE]), rgb(LIGHT[UNLIKE]))
    painted[..., 3] = (np.abs(share).clip(0, 1) * _STRONGEST * 255).round()
    return painted


def _largest(growth: Numbers) -> float:
    finite = np.abs(growth[np.isfinite(growth)])
    return float(finite.max()) if finite.size else 0.0


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
