"""The networks that are served, as a repository for each contender, and the images that are sent to them.

Random weights: the time of a graph does not depend on their values. Images: eight blown-up pictures, each with its
real pixels; noise of floats holds NaN and denormals, on which networks take half as long again.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from artifact.images.cores import available_cores
from artifact.images.preprocessing import Preprocessing, load_pixels
from artifact.repository.triton_config import read_config, write_config
from benchmarks.preprocessing import photographs
from benchmarks.scoring_contenders import MEAN, STD
from benchmarks.scoring_data import MODEL, SIZE_PX, export_plain, publish_network
from tests.shared.perf_analyzer import write_data
from tests.shared.tiny_artifact import publish_tiny

Array = np.ndarray[Any, Any]
PLAIN = "plain"
_PLAIN_CONFIG = """name: "plain"
backend: "onnxruntime"
max_batch_size: 64
input {{ name: "image" data_type: TYPE_FP32 dims: [3, {size}, {size}] }}
output {{ name: "embedding" data_type: TYPE_FP32 dims: [{dim}] }}
instance_group {{ count: {instances} }}
dynamic_batching {{ }}
parameters {{ key: "intra_op_thread_count" value {{ string_value: "{threads}" }} }}
"""


def shares() -> dict[str, tuple[int, int]]:
    """(instances, threads of each) that use every core: one after the other, and one for each core."""
    cores = available_cores()
    return {"whole": (1, cores), "apart": (cores, 1)} if cores > 1 else {"whole": (1, 1)}


class Network:
    """A network in a folder: built there the first time, found there the next.

    Attributes:
        name: of timm.
        repository: what Lookalike publishes and serves: `photographs` and `photographs_encoded`.
        plain: ONNX file with float32 input, [N, 3, 224, 224].
        data: files for perf_analyzer: "pixels" (UINT8), "floats" (FP32), "jpegs" (BYTES).
    """

    def __init__(self, name: str, home: Path) -> None:
        self.name, self._home = name, home / name
        self.plain = self._home / "plain.onnx"
        self.repository = self._home / "models"
        self.data = {kind: self._home / f"{kind}.json" for kind in ("pixels", "floats", "jpegs")}
        if not (self._home / ".done").is_file():
            shutil.rmtree(self._home, ignore_errors=True)
            self._home.mkdir(parents=True)
            self._build()
            (self._home / ".done").touch()

    @property
    def model(self) -> Path:
        """The artifact's file."""
        return self.repository / MODEL / "1" / "model.onnx"

    def for_triton(self, share: str) -> Path:
        """The same repository, told how many instances and threads: with what it says nothing about, one thread."""
        folder = self._home / f"triton-{share}"
        if not folder.is_dir():
            shutil.copytree(self.repository, folder)
            path = folder / MODEL / "config.pbtxt"
            config = read_config(path)
            instances, threads = shares()[share]
            config.instance_group[0].count = instances
            config.parameters["intra_op_thread_count"].string_value = str(threads)
            write_config(path, config)
        return folder

    def plain_for_triton(self, share: str) -> Path:
        """A repository of the plain file."""
        folder = self._home / f"plain-{share}"
        if not folder.is_dir():
            (folder / PLAIN / "1").mkdir(parents=True)
            shutil.copyfile(self.plain, folder / PLAIN / "1" / "model.onnx")
            instances, threads = shares()[share]
            told = _PLAIN_CONFIG.format(size=SIZE_PX, dim=128, instances=instances, threads=threads)
            (folder / PLAIN / "config.pbtxt").write_text(told)
        return folder

    def _build(self) -> None:
        run, repository = publish_network(self._home, base=self.name)
        for folder in repository.glob(f"{MODEL}_full*"):
            shutil.rmtree(folder)
        export_plain(run, self.plain)
        pixels, jpegs = pixels_of_photographs(), photographs()
        floats = np.ascontiguousarray(((pixels / np.float32(255) - MEAN) / STD).transpose(0, 3, 1, 2), np.float32)
        write_data(self.data["pixels"], [{"image": row} for row in pixels])
        write_data(self.data["floats"], [{"image": row} for row in floats])
        write_data(self.data["jpegs"], [{"image": np.array([row], object)} for row in jpegs])
        np.save(self._home / "floats.npy", floats)
        np.save(self._home / "pixels.npy", pixels)

    @property
    def floats(self) -> Path:
        """float32 [8, 3, 224, 224], for clients of our own."""
        return self._home / "floats.npy"


def pixels_of_photographs(size: int = SIZE_PX) -> Array:
    """uint8 [8, size, size, 3]."""
    spec = Preprocessing(height=size, width=size)
    return np.stack([load_pixels(image, spec) for image in photographs()])


def publish_identity(home: Path, *, size: int = 16) -> tuple[Path, Path]:
    """(repository, file of data) of the cheapest model there is: [N, size, size, 3] (768 bytes at 16) to 4 floats."""
    home.mkdir(parents=True, exist_ok=True)
    repository = home / "models"
    publish_tiny(repository, size=size)
    rows: list[Mapping[str, Array]] = [{"image": row} for row in pixels_of_photographs(size)]
    return repository, write_data(home / "pixels.json", rows)
