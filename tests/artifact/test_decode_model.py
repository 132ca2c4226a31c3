"""The published NAME_decode run as Triton's python backend runs it: of its own folder alone, whatever is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact.images.image_batch import BadImagesError, load_batch
from artifact.images.limits import SERVER_LIMITS, Limits
from artifact.images.preprocessing import Preprocessing
from artifact.repository.companions import server_limits
from artifact.repository.layout import find_problems
from artifact.repository.publishing import publish
from artifact.repository.reading import versions_in
from tests.shared.decode_model import run_decode_model
from tests.shared.pictures import pictures, png
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


COPIED = [
    *("preprocessing", "decoding", "image_batch", "image_error", "image_parts", "jpeg", "jpeg_segments"),
    *("orientation", "pillow_pixels", "png_parts", "signatures", "tiff_parts"),
    *("limits", "pixel_budget"),
]


@pytest.mark.parametrize("name", [f"{name}.py" for name in COPIED])
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
    for name in COPIED[1:]:
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


def test_limits_of_publishing_are_those_of_the_published_decoder(root: Path, tmp_path: Path) -> None:
    """Each is kept until it is told otherwise, whoever publishes next; the refusal says where to raise it."""
    good = png(np.zeros((8, 8, 3), np.uint8))
    big = png(np.zeros((40, 50, 3), np.uint8))

    def spec(version: int) -> Any:
        return json.loads((root / "tiny_decode" / str(version) / "spec.json").read_bytes())["limits"]

    assert Limits.from_dict(spec(1)) == SERVER_LIMITS
    publish(tmp_path / "tiny.onnx", root, max_megapixels=0.001)
    publish(tmp_path / "tiny.onnx", root, max_image_mb=200)
    publish(tmp_path / "tiny.onnx", root)
    assert versions_in(root / "tiny_decode") == [1, 2, 3]
    assert versions_in(root / "tiny") == [1]
    assert Limits.from_dict(spec(3)) == Limits(max_pixels=1000, max_bytes=200 * 2**20, of_server=True)
    assert find_problems(root) == []
    _, printed = run_decode_model(root / "tiny_decode", 3, [good], tmp_path, bad=[big])
    assert printed[1] == (
        "cannot read 1 of 1 images: [row 0, image] 50x40 pixels (0.1 megapixels), over the server's limit of 0.001 "
        "megapixels; raise it with --max-megapixels where the model is published or served"
    )
    spec_file = root / "tiny_decode" / "3" / "spec.json"
    older = json.loads(spec_file.read_bytes())
    older["limits"] = {"max_bytes": 64, "max_pixels": 2**26, "max_frames": 1000, "min_side_px": 2, "formats": ["PNG"]}
    spec_file.write_text(json.dumps(older))
    assert server_limits(root / "tiny_decode") == SERVER_LIMITS, "an older Lookalike's, which nobody chose"
    assert server_limits(tmp_path / "nowhere", max_megapixels=3).max_pixels == 3_000_000
