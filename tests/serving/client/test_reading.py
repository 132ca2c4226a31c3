"""Reading the files of batches: ahead of their turn on a core, many at a time from object storage, bounded."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from upath import UPath

from artifact.images.image_error import ImageError
from rows.images import ImageRef
from serving.client import reading
from serving.client.reading import Reader
from serving.client.scorer import Scorer
from tests.shared.scored_images import BAD, expected_vectors, publish_models, write_images


@pytest.fixture
def reader() -> Iterator[Reader]:
    made = Reader()
    yield made
    made.close()


def test_files_become_their_bytes_and_reasons_stay(reader: Reader, tmp_path: Path) -> None:
    """In order; what holds its bytes is left alone, and a file that is not there is no end."""
    (path,) = write_images(tmp_path, 1)
    held, pixels = ImageRef(data=BAD), ImageRef.of_pixels(np.zeros((2, 2, 3), np.uint8))
    first, missing, *rest = reader.fetch([ImageRef(path=path), ImageRef(path=tmp_path / "x.png"), held, pixels])
    assert first == ImageRef(data=path.read_bytes())
    assert isinstance(missing, ImageError)
    assert "no such file" in str(missing)
    assert rest == [held, pixels]


def test_only_so_much_is_read_ahead(reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the bound the files stay where they are until it is their turn."""
    paths = write_images(tmp_path, 3)
    monkeypatch.setattr(reading, "MAX_BYTES_AHEAD", paths[0].stat().st_size)
    refs = [ImageRef(path=path) for path in paths]
    assert reader.fetch(refs) == [ImageRef(data=paths[0].read_bytes()), *refs[1:]]


def test_objects_are_read_at_the_same_time(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each read waits until all have begun: one after the other they would never end."""
    together = threading.Barrier(8, timeout=20)
    with fsspec.open_files([f"memory://bucket/{number}" for number in range(8)], "wb") as files:
        for number, file in enumerate(files):
            file.write(b"%d" % number)
    whole = ImageRef.read

    def wait(self: ImageRef, max_bytes: int, **options: Any) -> bytes:
        together.wait()
        return whole(self, max_bytes, **options)

    monkeypatch.setattr(ImageRef, "read", wait)
    refs = [ImageRef(path=UPath(f"memory://bucket/{number}")) for number in range(8)]
    assert [ref.data for ref in reader.fetch(refs) if isinstance(ref, ImageRef)] == [b"%d" % n for n in range(8)]


def test_a_batch_reads_while_others_have_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one core, every batch of a window is being read at a time, and the vectors come in order."""
    repository = publish_models(tmp_path / "models", tmp_path / "files", models=["siamese_branch"])
    paths = write_images(tmp_path / "images", 16)
    together, fetch = threading.Barrier(4, timeout=20), Reader.fetch

    def wait(self: Reader, pictures: list[ImageRef]) -> list[reading.Fetched]:
        together.wait()
        return fetch(self, pictures)

    monkeypatch.setattr(Reader, "fetch", wait)
    with Scorer("siamese_branch", repository=repository, threads=1, batch_size=4) as scorer:
        np.testing.assert_allclose(scorer.embed(paths), expected_vectors(paths), atol=1e-5)
