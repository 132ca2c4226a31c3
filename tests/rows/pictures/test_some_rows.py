"""Thumbnails of some rows: the same by whatever way, and never by reading a table again for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lookalike.results.maps import with_pictures
from pages.colouring import plain
from pages.gallery import pictures_of_rows
from pages.map import Map
from rows.pictures.joined import Pictures
from rows.pictures.some_rows import thumbnails_of
from rows.pictures.thumbnail import Thumbnail
from rows.tables import ImageTable, open_table
from tests.rows.pictures.test_joined import FILES, PX, write_base64, write_bytes, write_csv, write_packed_tar, write_tar

IDS = [*reversed(FILES), "nobody"]
ROWS = [3, 20, len(FILES), 0]

Write = Callable[[Path], Path]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where each reading of a table of images began."""
    starts: list[int] = []
    read = ImageTable.batches

    def counted(self: ImageTable, rows_per_batch: int, start_row: int = 0, **options: Any) -> Iterator[Any]:
        starts.append(start_row)
        return read(self, rows_per_batch, start_row, **options)

    monkeypatch.setattr(ImageTable, "batches", counted)
    return starts


@pytest.mark.parametrize("write", [write_csv, write_base64, write_bytes, write_tar, write_packed_tar])
def test_some_rows_are_those_of_all_rows(write: Write, tmp_path: Path, opened: list[int]) -> None:
    """With the reason of one that has none; of a table that is read from its start in one reading."""
    images = open_table(str(write(tmp_path)))
    every = dict(Pictures(IDS, images).thumbnails(PX))
    opened.clear()
    found = dict(thumbnails_of(Pictures(IDS, images), ROWS, PX))
    assert set(found) == set(ROWS)
    for row in ROWS:
        small = found[row]
        if row == len(FILES):
            assert small == f"not in {images.source}"
        else:
            assert isinstance(small, Thumbnail)
            np.testing.assert_array_equal(small.pixels, every[row].pixels)
    if images.num_rows is None:
        assert opened == [0]


def test_no_other_picture_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a packed tar the others are only passed by."""
    decoded: list[int] = []
    made = Thumbnail.of_bytes
    monkeypatch.setattr(Thumbnail, "of_bytes", lambda *given, **options: decoded.append(1) or made(*given, **options))
    pictures = Pictures(IDS, open_table(str(write_packed_tar(tmp_path))))
    assert len(pictures_of_rows(pictures, ROWS)) == len(decoded) == 3


@pytest.mark.parametrize("write", [write_base64, write_packed_tar])
def test_a_map_reads_such_a_table_once(write: Write, tmp_path: Path, opened: list[int]) -> None:
    """However many pictures are drawn on it."""
    pictures = Pictures(IDS, open_table(str(write(tmp_path))))
    places = np.random.default_rng(0).normal(size=(len(IDS), 2)).astype(np.float32) * 100
    drawn = Map(places=places, colouring=plain(len(IDS)), titles=None, heading="m", about="", before=None)
    said: list[str] = []
    found = with_pictures(drawn, pictures, say=said.append)
    assert len(found.pictures or {}) > 5
    assert opened == [0]
