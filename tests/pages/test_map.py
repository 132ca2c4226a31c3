"""Maps as files: picture, SVG, page; hostile names, many points, light and dark."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from artifact.errors import UsageError
from pages.colouring import by_column, plain
from pages.map import MAP_SUFFIXES, Map, picture_rows, write_map
from pages.palette import DARK, LIGHT, rgb
from pages.scatter import MAX_CIRCLES, axes, pixels_of

HOSTILE = "</svg><script>x</script>\x01\"'&"
SVG = "{http://www.w3.org/2000/svg}"


def _map(num_points: int = 60, **more: object) -> Map:
    places = np.random.default_rng(0).normal(size=(num_points, 2)).astype(np.float32)
    labels = pa.chunked_array([[("a", HOSTILE, None)[row % 3] for row in range(num_points)]])
    made = Map(
        places=places,
        colouring=by_column(labels, HOSTILE),
        titles=[f"{row} {HOSTILE}" for row in range(num_points)] if num_points <= MAX_CIRCLES else None,
        heading=f"Map of {HOSTILE}",
        about="facts",
    )
    return replace(made, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", MAP_SUFFIXES)
def test_equal_maps_are_equal_bytes(suffix: str, tmp_path: Path) -> None:
    """Of each format."""
    for name in ("a", "b"):
        write_map(tmp_path / f"{name}{suffix}", _map())
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_an_svg_is_sound_and_says_each_point(tmp_path: Path) -> None:
    """XML for a strict reader, whatever the names hold; a circle and a title a point, a legend, both schemes."""
    write_map(tmp_path / "m.svg", _map(before=np.zeros((4, 2), np.float32)))
    root = ElementTree.parse(tmp_path / "m.svg").getroot()
    titles = [element.text or "" for element in root.iter(f"{SVG}title")]
    assert len(titles) == 64
    assert titles.count("on the map before") == 4
    assert f"7 {HOSTILE}".replace("\x01", "\\x01") in titles
    assert not list(root.iter(f"{SVG}script"))
    text = (tmp_path / "m.svg").read_text()
    assert all(f"--c1: {scheme['c1']};" in text for scheme in (LIGHT, DARK))
    said = "".join("".join(element.itertext()) for element in root.iter(f"{SVG}text"))
    assert "no value 20" in said
    assert "on the map before 4" in said


def test_a_page_needs_nothing_else(tmp_path: Path) -> None:
    """No address but those in it, nothing that runs, the scale of numbers."""
    numbers = by_column(pa.chunked_array([np.linspace(0, 1, 60)]), "price")
    write_map(tmp_path / "m.html", _map(colouring=numbers))
    text = (tmp_path / "m.html").read_text()
    assert "<script" not in text
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    assert text.count("<circle class=") == 60
    assert "linear-gradient(90deg, var(--r0)" in text
    assert "price" in text


@pytest.mark.parametrize("is_dark", [False, True])
def test_a_png_has_its_points_where_they_are(is_dark: bool, tmp_path: Path) -> None:
    """Paper at the corner; the colour of a point at its place, computed by the drawing's own axes."""
    places = np.array([[0.0, 0.0], [1.0, 0.5]], np.float32)
    write_map(tmp_path / "m.png", _map(places=places, colouring=plain(2)), is_dark=is_dark)
    image = np.asarray(Image.open(tmp_path / "m.png").convert("RGB")).astype(int)
    scheme = DARK if is_dark else LIGHT
    assert image[-1, -1].tolist() == list(rgb(scheme["paper"]))
    x, y = axes(places, width=1800, height=1440, is_equal=True, margin=16)
    for column, row in pixels_of(places, x, y, width=1800, height=1440, margin=16):
        paper, ink = np.array(rgb(scheme["paper"])), np.array(rgb(scheme["c1"]))
        found = image[124 + int(row), int(column)]
        assert np.abs(found - ink).max() < np.abs(found - paper).max()


def test_more_points_than_circles_become_a_picture(tmp_path: Path) -> None:
    """One for light and one for dark paper inside the SVG, of bounded size."""
    write_map(tmp_path / "m.svg", _map(MAX_CIRCLES + 1))
    text = (tmp_path / "m.svg").read_text()
    assert text.count("<image") == 2
    assert text.count("<circle") == 3  # of the legend
    assert len(text) < 2_000_000
    root = ElementTree.fromstring(text)
    data = next(root.iter(f"{SVG}image")).get("href", "")
    picture = Image.open(io.BytesIO(base64.b64decode(data.split(",")[1])))
    assert picture.size == (1350, 1080)
    assert np.asarray(picture)[..., 3].max() > 100


def test_units_are_as_long_across_as_upwards() -> None:
    """A square of places is a square of pixels, in the middle of the wider side."""
    places = np.array([[0.0, 0.0], [1.0, 1.0]])
    found = pixels_of(places, *axes(places, width=300, height=200, is_equal=True), width=300, height=200, margin=8)
    np.testing.assert_allclose(found, [[58, 192], [242, 8]])


@pytest.mark.parametrize("suffix", MAP_SUFFIXES)
@pytest.mark.parametrize("num_points", [1, 2])
def test_one_point_and_equal_points_are_drawn(suffix: str, num_points: int, tmp_path: Path) -> None:
    """No division by an extent of zero."""
    write_map(tmp_path / f"m{suffix}", _map(num_points, places=np.full((num_points, 2), 3.0, np.float32)))
    assert (tmp_path / f"m{suffix}").stat().st_size > 500


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    """With those that there are; nothing is written."""
    with pytest.raises(UsageError, match=re.escape("expected a file that ends in .png, .svg, .html, got")):
        write_map(tmp_path / "m.jpg", _map())
    assert not list(tmp_path.iterdir())


def test_pictures_stand_where_they_have_room(tmp_path: Path) -> None:
    """One a square, of the row nearest to its middle, in the colour of its point; no words over them."""
    drawn = _map(300)
    rows = picture_rows(drawn)
    where = drawn.where
    squares: dict[tuple[int, ...], int] = {}
    for row in range(300):  # by a plain loop
        square = tuple(int(value // 40) for value in where[row])
        middle = 40 * (np.array(square) + 0.5)
        best = squares.get(square)
        if best is None or ((where[row] - middle) ** 2).sum() < ((where[best] - middle) ** 2).sum():
            squares[square] = row
    assert rows.tolist() == sorted(squares.values())
    green = np.zeros((30, 60, 3), np.uint8)
    green[..., 1] = 255
    with_pictures = replace(drawn, pictures={int(row): green for row in rows[1:]})
    for suffix in MAP_SUFFIXES:
        write_map(tmp_path / f"m{suffix}", with_pictures)
    root = ElementTree.parse(tmp_path / "m.svg").getroot()
    pictures = list(root.iter(f"{SVG}image"))
    assert len(pictures) == len(rows) - 1
    assert (pictures[0].findtext(f"{SVG}title") or "").startswith(f"{rows[1]} ")
    assert 'class="word"' not in (tmp_path / "m.svg").read_text()
    image = np.asarray(Image.open(tmp_path / "m.png").convert("RGB"))
    left, top = (40 * (where[rows[1]] // 40)).astype(int)
    assert image[(62 + top + 20) * 2, (left + 20) * 2].tolist() == [0, 255, 0]
    border = rgb(LIGHT[drawn.colouring.colours[drawn.colouring.codes[rows[1]]]])
    assert tuple(image[(62 + top + 4) * 2, (left + 20) * 2].tolist()) == border


def test_names_of_tiny_classes_are_not_written() -> None:
    """Of a class that holds two per cent of the points it is, of a smaller one it stands in the legend only."""
    labels = pa.chunked_array([["a"] * 97 + ["b"] * 2 + ["c"]])
    found = by_column(labels, "label")
    assert [name for _, name in found.words] == ["a", "b"]
    assert [name for _, name, _ in found.legend] == ["a", "b", "c"]
