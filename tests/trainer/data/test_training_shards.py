"""Training from formats that hold many images in a file: tar shards and NumPy arrays."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.shared.row_tables import write_members
from trainer.config.config import make_config
from trainer.loop.preparation import Prepared, prepare
from trainer.pixels import file_hashes


def prepared(images: Path, kind: str = "triplet", **options: Any) -> Prepared:
    config = make_config({"images": images, "kind": kind, "size": 16, "dim": 4} | options)
    return prepare(config, report=lambda event: None)


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


PIXELS = np.random.default_rng(4).integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
CLASSES = [("boot", "mule", "clog")[row % 3] for row in range(24)]


@pytest.mark.parametrize("form", ["tar", "tgz", "npz"])
def test_shard_of_classes_is_as_good_as_a_folder(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same data hash and classes as the files in class folders, read twice: images of one file are not one image."""
    monkeypatch.setattr(file_hashes, "_QUIET_NS", -(10**15))  # a file just written is remembered too
    for row, name in enumerate(CLASSES):
        (tmp_path / "folder" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name / f"{row}.png").write_bytes(png(PIXELS[row]))
    if form == "npz":
        np.savez(tmp_path / "t.npz", image=PIXELS, label=np.array(CLASSES))
    else:
        members = {f"{row:02d}.png": png(PIXELS[row]) for row in range(24)}
        members |= {f"{row:02d}.cls": name.encode() for row, name in enumerate(CLASSES)}
        write_members(tmp_path / f"t.{form}", dict(sorted(members.items())))
    expected = prepared(tmp_path / "folder")
    for _ in range(2):
        found = prepared(tmp_path / f"t.{form}", cache=tmp_path / "cache")
        assert found.data_sha256 == expected.data_sha256
        assert found.train.files.classes == ("boot", "clog", "mule")
        order = {hashlib.sha256(png(image)).hexdigest(): image for image in PIXELS}
        np.testing.assert_array_equal(
            found.train.pixels(np.arange(len(found.train))), np.stack([order[digest] for digest in found.train.hashes])
        )


def test_tuples_of_a_tar_are_its_rows(tmp_path: Path) -> None:
    """KEY.anchor.png, KEY.positive.png and KEY.negative.png; each row its own images."""
    streams = ("anchor", "positive", "negative")
    members = {
        f"{row}.{name}.png": png(PIXELS[row * 3 + place]) for row in range(8) for place, name in enumerate(streams)
    }
    found = prepared(write_members(tmp_path / "t.tar", members), validation="none")
    assert found.tuples is not None
    order = np.array([hashlib.sha256(png(image)).hexdigest() for image in PIXELS]).reshape(8, 3)
    hashes = np.array(found.train.hashes)
    assert hashes[found.tuples.images].tolist() == order[found.tuples.rows].tolist()
