"""Sprite sheets: every thumbnail in its cell, whatever the order in which they come, and a bounded size of sheets."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from artifact.errors import UsageError
from rows.pictures import sprites
from rows.pictures.sprites import Sheet, Sprites
from rows.pictures.thumbnail import Thumbnail


def thumbnails(shapes: dict[int, tuple[int, int]]) -> Iterator[tuple[int, Thumbnail]]:
    """{row: (width, height)} as thumbnails of one colour each, in this order."""
    for row, (width, height) in shapes.items():
        colour = np.array([40 + 7 * (row % 20), 250 - 9 * (row % 20), 120], np.uint8)
        pixels = np.broadcast_to(colour, (height, width, 3)).copy()
        yield row, Thumbnail(width=width, height=height, sha256="", pixels=pixels)


def drawn(sheets: list[Sheet], made: Sprites, row: int) -> np.ndarray:
    """uint8 [h, w, 4]: a row's thumbnail, cut out of its sheet by the arithmetic that the class tells."""
    cell = int(made.cells[row])
    sheet, place = divmod(cell, made.cells_per_sheet)
    x, y = made.px * (place % made.columns), made.px * (place // made.columns)
    width, height = map(int, made.sizes[row])
    x, y = x + (made.px - width) // 2, y + (made.px - height) // 2
    with Image.open(io.BytesIO(sheets[sheet].data)) as image:
        return np.asarray(image.convert("RGBA"))[y : y + height, x : x + width]


def test_every_thumbnail_is_in_its_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows in any order, some without a picture, of three shapes, on three sheets; nothing is around them."""
    monkeypatch.setattr(sprites, "SHEET_PX", 3 * 32 + 5)
    rows = np.random.default_rng(0).permutation(30)[:25].tolist()
    shapes = {row: ((32, 32), (32, 16), (9, 30))[row % 3] for row in rows}
    made = Sprites(30, 32)
    sheets = list(made.sheets(thumbnails(shapes)))
    assert [(sheet.number, sheet.width, sheet.height) for sheet in sheets] == [(0, 96, 96), (1, 96, 96), (2, 96, 96)]
    assert sorted(made.cells[rows].tolist()) == list(range(25))
    assert (made.cells == -1).sum() == (made.sizes == 0).all(axis=1).sum() == 5
    for row, thumbnail in thumbnails(shapes):
        shown = drawn(sheets, made, row)
        assert shown.shape[:2] == thumbnail.pixels.shape[:2]
        inner = shown[2:-2, 2:-2].astype(int)
        assert (inner[..., 3] == 255).all()
        assert np.abs(inner[..., :3] - thumbnail.pixels[0, 0]).max() < 24  # colours of neighbours run a little
    with Image.open(io.BytesIO(sheets[0].data)) as image:
        alpha = np.asarray(image.convert("RGBA"))[..., 3]
    assert set(np.unique(alpha).tolist()) == {0, 255}


def test_the_last_sheet_is_as_high_as_it_needs() -> None:
    """Of 64 cells beside each other; square thumbnails need no alpha."""
    made = Sprites(70, 32)
    (sheet,) = made.sheets(thumbnails(dict.fromkeys(range(70), (32, 32))))
    assert (sheet.width, sheet.height) == (2048, 64)
    with Image.open(io.BytesIO(sheet.data)) as image:
        assert (image.format, image.size) == ("WEBP", (2048, 64))


def test_larger_thumbnails_are_shrunk_to_the_cell() -> None:
    """As those are that scoring wrote larger; the shape is kept."""
    made = Sprites(1, 32)
    list(made.sheets(thumbnails({0: (100, 50)})))
    assert made.sizes.tolist() == [[32, 16]]


def test_no_thumbnail_makes_no_sheet() -> None:
    """A table of which no picture is found."""
    made = Sprites(3, 64)
    assert list(made.sheets(iter(()))) == []
    assert made.cells.tolist() == [-1, -1, -1]


def test_the_same_pictures_make_the_same_bytes() -> None:
    """So that a page does."""
    shapes = dict.fromkeys(range(50), (40, 33))
    first, second = (list(Sprites(50).sheets(thumbnails(shapes))) for _ in range(2))
    assert first == second


def test_photographs_stay_within_their_share_of_a_page() -> None:
    """600 bytes a cell of 32 px, which makes 60 MB of 100,000: of pictures with the spectrum of photographs."""
    random = np.random.default_rng(3)
    frequency = np.hypot(np.fft.fftfreq(32)[:, None], np.fft.fftfreq(32)[None, :])
    frequency[0, 0] = 1 / 64

    def photographs() -> Iterator[tuple[int, Thumbnail]]:
        for row in range(1024):
            waves = np.fft.fft2(random.normal(size=(3, 32, 32))) / frequency  # amplitudes fall as 1 / frequency
            grey = np.real(np.fft.ifft2(waves))
            channels = grey[0] + 0.3 * grey[1:2] + 0 * grey
            scaled = 127 + 45 * channels / channels.std()
            pixels = np.moveaxis(scaled.clip(0, 255), 0, -1).astype(np.uint8)
            yield row, Thumbnail(width=32, height=32, sha256="", pixels=pixels)

    (sheet,) = Sprites(1024, 32).sheets(photographs())
    assert len(sheet.data) / 1024 < 600


@pytest.mark.parametrize("px", [31, 257])
def test_cells_have_a_least_and_a_most_side(px: int) -> None:
    """In one line."""
    with pytest.raises(UsageError, match="side of a picture on a sheet: expected 32 to 256 px"):
        Sprites(3, px)
