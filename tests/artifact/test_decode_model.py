"""The published NAME_decode run as Triton's python backend runs it: of its own folder alone, whatever is installed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from artifact.image_batch import BadImagesError, load_batch
from artifact.preprocessing import Preprocessing
from artifact.repository.layout import find_problems
from artifact.repository.publishing import publish
from artifact.repository.reading import versions_in
from tests.shared.decode_model import run_decode_model
from tests.shared.pictures import pictures
from tests.shared.tiny_artifact import write_tiny_artifact


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_tiny_artifact(tmp_path / "tiny.onnx")
    publish(tmp_path / "tiny.onnx", tmp_path / "models")
    return tmp_path / "models"


def test_published_decoder_gives_our_pixels_and_our_words(root: Path, tmp_path: Path) -> None:
    """Every sort of picture, with nothing of Lookalike importable: the files in the folder are all that it needs."""
    images = list(pictures().values())
    pixels, printed = run_decode_model(root / "tiny_decode", 1, images, tmp_path)
    preprocessing = Preprocessing(height=8, width=8)
    np.testing.assert_array_equal(pixels, load_batch({"image": images}, preprocessing)["image"])
    with pytest.raises(BadImagesError) as error:
        load_batch({"image": [b"no"]}, preprocessing)
    assert printed == ["image_pixels", str(error.value)]


@pytest.mark.parametrize("name", ["preprocessing.py", "decoding.py", "image_batch.py", "limits.py", "pixel_budget.py"])
def test_changed_source_is_refused(root: Path, tmp_path: Path, name: str) -> None:
    """A byte of any file, by the model itself and by the check of the repository."""
    path = root / "tiny_decode" / "1" / name
    path.write_text(path.read_text() + "#")
    with pytest.raises(RuntimeError, match=f"{name} is not the file that was published; publish the model again"):
        run_decode_model(root / "tiny_decode", 1, [next(iter(pictures().values()))], tmp_path)
    assert [problem.where for problem in find_problems(root)] == [path]


def test_decoder_of_an_older_lookalike_is_sound(root: Path, tmp_path: Path) -> None:
    """With all in preprocessing.py and no other file it is as published; the next publishing adds a version to it."""
    folder = root / "tiny_decode" / "1"
    spec = json.loads((folder / "spec.json").read_bytes())
    for name in ("decoding", "image_batch", "limits", "pixel_budget"):
        (folder / f"{name}.py").unlink()
        del spec[f"{name}_sha256"]
    (folder / "spec.json").write_text(json.dumps(spec))
    assert find_problems(root) == []
    write_tiny_artifact(tmp_path / "next.onnx", seed=1)
    publish(tmp_path / "next.onnx", root)
    assert versions_in(root / "tiny_decode") == [1, 2]
    assert find_problems(root) == []
    publish(tmp_path / "next.onnx", root)
    assert versions_in(root / "tiny_decode") == [1, 2], "the newest is this version's already"
