"""A stand-in for Triton's python backend, which runs a published NAME_decode of its own folder alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

_RUN = """
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

model, version, encoded, output, refused = sys.argv[1:]
code = {}
exec(open(f"{model}/{version}/model.py").read(), code)
loaded = code["TritonPythonModel"]()
loaded.initialize({"model_repository": model, "model_version": version})
rows = np.load(encoded, allow_pickle=True)
spoilt = np.array([[open(refused, "rb").read()]], object)
good, bad = loaded.execute([{"image": Tensor("image", rows)}, {"image": Tensor("image", spoilt)}])
np.save(output, good.tensors[0].array)
print(good.tensors[0].name, str(bad.error), sep="\\n")
"""


def run_decode_model(
    model: Path, version: int, images: list[bytes], folder: Path, *, bad: bytes = b"no"
) -> tuple[np.ndarray, list[str]]:
    """Load and run a published NAME_decode in a process that has nothing of Lookalike.

    Args:
        model: folder of NAME_decode, whose one input is `image`.
        images: encoded, N of them.
        folder: for files on the way.
        bad: an image that it refuses.

    Returns:
        uint8 [N, H, W, 3], and lines: the output's name, what is said of a bad image.

    Raises:
        RuntimeError: the last line of what the process wrote when it failed.
    """
    rows = np.empty((len(images), 1), object)
    rows[:, 0] = images
    np.save(folder / "images.npy", rows, allow_pickle=True)
    (folder / "bad").write_bytes(bad)
    files = [folder / name for name in ("images.npy", "pixels.npy", "bad")]
    command = [sys.executable, "-B", "-c", _RUN, str(model), str(version), *files]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.splitlines()[-1])
    return np.load(folder / "pixels.npy"), done.stdout.splitlines()
