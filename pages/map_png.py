"""A map as a PNG, on light or dark paper.

Decision a reader would question: drawn by Pillow, not taken from a browser or by matplotlib: neither is part of the
installation. Its letters are Pillow's own, so that equal maps are equal bytes on every machine; they are Latin ones.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from artifact.atomic import write_atomically
from artifact.errors import printable
from pages.colouring import shorten
from pages.drawn_map import AROUND, HEAD, HEIGHT, LEGEND, PNG_SCALE, WIDTH, Map
from pages.mosaic import EDGE, SIDE
from pages.palette import DARK, LIGHT, STEPS, rgb
from pages.raster import paint
from pages.scatter import radius_px


def write_png(path: Path, drawn: Map, *, is_dark: bool = False) -> None:
    """The whole, with its legend; raises OutputError."""
    from PIL import Image, ImageDraw

    scheme = DARK if is_dark else LIGHT
    scale = PNG_SCALE
    wide, high = WIDTH * scale, HEIGHT * scale
    where = drawn.where * scale
    below = None if drawn.before is None else drawn.inside(drawn.before) * scale
    radius = radius_px(len(drawn.places), scale)
    points = paint(where, drawn.colouring, scheme, width=wide, height=high, radius=radius, before=below)
    image = Image.new("RGB", (wide + (LEGEND + AROUND) * scale, high + (HEAD + AROUND) * scale), rgb(scheme["paper"]))
    image.paste(Image.fromarray(points), (0, HEAD * scale), Image.fromarray(points[..., 3]))
    ink = _Ink(ImageDraw.Draw(image), scheme, scale)
    ink.text(AROUND, 10, drawn.heading, size=20)
    ink.text(AROUND, 36, drawn.about, colour="quiet")
    for row, left, top in drawn.shown:
        assert drawn.pictures is not None
        ink.box(left + 1, top + HEAD + 1, SIDE - 2, SIDE - 2, drawn.colour_of(row))
        picture = Image.fromarray(drawn.pictures[row])
        size = (SIDE - 2 * EDGE) * scale / max(picture.size)
        picture = picture.resize((max(1, round(size * picture.width)), max(1, round(size * picture.height))))
        corner = (left * scale, (top + HEAD) * scale)
        centred = [round(at + (SIDE * scale - px) / 2) for at, px in zip(corner, picture.size, strict=True)]
        image.paste(picture, (centred[0], centred[1]))
    for code, word in drawn.colouring.words if drawn.pictures is None else ():
        middle = np.median(where[drawn.colouring.codes == code], axis=0) / scale
        ink.text(float(middle[0]), float(middle[1]) + HEAD, word, size=16, is_halo=True)
    _png_legend(ink, drawn)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=7)
    write_atomically(path, buffer.getvalue())


@dataclass(frozen=True)
class _Ink:
    """Pillow's pen, in units of the SVG."""

    draw: Any
    scheme: dict[str, str]
    scale: int

    def text(
        self, x: float, y: float, text: str, *, size: int = 14, colour: str = "ink", is_halo: bool = False
    ) -> float:
        """Write a line; returns where it ends."""
        from PIL import ImageFont

        font = ImageFont.load_default(size * self.scale)
        options: dict[str, Any] = {"font": font, "fill": self.scheme[colour]}
        if is_halo:
            options |= {"anchor": "mm", "stroke_width": 2 * self.scale, "stroke_fill": self.scheme["paper"]}
        self.draw.text((x * self.scale, y * self.scale), printable(text), **options)
        return x + float(self.draw.textlength(printable(text), font=font)) / self.scale

    def dot(self, x: float, y: float, radius: float, colour: str) -> None:
        ends = [value * self.scale for value in (x - radius, y - radius, x + radius, y + radius)]
        self.draw.ellipse(ends, fill=self.scheme[colour])

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        ends = [round(value * self.scale) for value in (x, y, x + width, y + height)]
        self.draw.rectangle(ends, fill=self.scheme[colour])


def _png_legend(ink: _Ink, drawn: Map) -> None:
    left, y = WIDTH + AROUND, float(HEAD)
    if drawn.colouring.about:
        ink.text(left, y, shorten(drawn.colouring.about, 28), colour="quiet")
        y += 24
    if drawn.colouring.ends:
        step = (LEGEND - 2 * AROUND) / len(STEPS)
        for number, name in enumerate(STEPS):
            ink.box(left + number * step, y + 2, step, 12, name)
        ink.text(left, y + 18, drawn.colouring.ends[0])
        high = drawn.colouring.ends[1]
        ink.text(left + LEGEND - 2 * AROUND - 7.5 * len(high), y + 18, high)
        y += 44
    for colour, name, count in drawn.legend:
        ink.dot(left + 6, y + 8, 6, colour)
        ink.text(ink.text(left + 20, y, name) + 5, y, count, colour="quiet")
        y += 22
