"""The published NAME_decode run as Triton's python backend runs it: of its own folder alone, whatever is installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from artifact.image_batch import BadImagesError, load_batch
from artifact.preprocessing import Preprocessing
from artifact.repository.layout import find_problems
from artifact.repository.publishing import publish
from artifact.repository.reading import versions_in
from tests.shared.pictures import pictures
from tests.shared.tiny_artifact import write_tiny_artifact

RUN = """
import sys, types
import numpy as np

for name in ("artifact", "serving", "rows"):
    sys.modules[name] = None  # importing it is an error

class Tensor:
    def __init__(self, name, array): self.name, self.array = name, array
    def as_numpy(self): return self.array

class TritonError(Exception):
    INVALID_ARG = 3
    def __init__(self, message, code): super().__init__(message)

class InferenceResponse:
    def __init__(self, output_tensors=(), error=None): self.tensors, self.error = output_tensors, error

backend = types.ModuleType("triton_python_backend_utils")
backend.Tensor, backend.TritonError, backend.InferenceResponse = Tensor, TritonError, InferenceResponse
backend.TritonModelException = RuntimeError
backend.get_input_tensor_by_name = lambda request, name: request[name]
sys.modules[backend.__name__] = backend

model, version, encoded, output = sys.argv[1:]
code = {}
exec(open(f"{model}/{version}/model.py").read(), code)
loaded = code["TritonPythonModel"]()
loaded.initialize({"model_repository": model, "model_version": version})
rows = np.load(encoded, allow_pickle=True)
good, bad = loaded.execute([{"image": Tensor("image", rows)}, {"image": Tensor("image", np.array([[b"no"]], object))}])
np.save(output, good.tensors[0].array)
print(good.tensors[0].name, str(bad.error), sep="\\n")
"""


def run(model: Path, version: int, images: list[bytes], folder: Path) -> tuple[np.ndarray, list[str]]:
    """Pixels of the images, and what was printed."""
    rows = np.empty((len(images), 1), object)
    rows[:, 0] = images
    np.save(folder / "images.npy", rows, allow_pickle=True)
    command = [sys.executable, "-B", "-c", RUN, str(model), str(version), folder / "images.npy", folder / "pixels.npy"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.splitlines()[-1])
    return np.load(folder / "pixels.npy"), done.stdout.splitlines()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_tiny_artifact(tmp_path / "tiny.onnx")
    publish(tmp_path / "tiny.onnx", tmp_path / "models")
    return tmp_path / "models"


def test_published_decoder_gives_our_pixels_and_our_words(root: Path, tmp_path: Path) -> None:
    """Every sort of picture, with nothing of Lookalike importable: the files in the folder are all that it needs."""
    images = list(pictures().values())
    pixels, printed = run(root / "tiny_decode", 1, images, tmp_path)
    preprocessing = Preprocessing(height=8, width=8)
    np.testing.assert_array_equal(pixels, load_batch({"image": images}, preprocessing)["image"])
    with pytest.raises(BadImagesError) as error:
        load_batch({"image": [b"no"]}, preprocessing)
    assert printed == ["image_pixels", str(error.value)]


@pytest.mark.parametrize("name", ["preprocessing.py", "image_batch.py"])
def test_changed_source_is_refused(root: Path, tmp_path: Path, name: str) -> None:
    """A byte of either file, by the model itself and by the check of the repository."""
    path = root / "tiny_decode" / "1" / name
    path.write_text(path.read_text() + "#")
    with pytest.raises(RuntimeError, match=f"{name} is not the file that was published; publish the model again"):
        run(root / "tiny_decode", 1, [next(iter(pictures().values()))], tmp_path)
    assert [problem.where for problem in find_problems(root)] == [path]


def test_decoder_of_an_older_lookalike_is_sound(root: Path, tmp_path: Path) -> None:
    """With all in preprocessing.py and no other file it is as published; the next publishing adds a version to it."""
    folder = root / "tiny_decode" / "1"
    (folder / "image_batch.py").unlink()
    spec = json.loads((folder / "spec.json").read_bytes())
    del spec["image_batch_sha256"]
    (folder / "spec.json").write_text(json.dumps(spec))
    assert find_problems(root) == []
    write_tiny_artifact(tmp_path / "next.onnx", seed=1)
    publish(tmp_path / "next.onnx", root)
    assert versions_in(root / "tiny_decode") == [1, 2]
    assert find_problems(root) == []
    publish(tmp_path / "next.onnx", root)
    assert versions_in(root / "tiny_decode") == [1, 2], "the newest is this version's already"
