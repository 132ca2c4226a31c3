"""A CUDA device: steps of training, the predecessor's published case of scoring, and what both providers answer.

    python -m benchmarks gpu                         ten minutes of one device

Training: 2,560 photographs in 64 classes at 224 px, three epochs of `fit` in bf16, with and without torch.compile; the
last epoch's images a second, decoded pixels in memory, and what nvidia-smi says of the device meanwhile.

Scoring: 3,045 photographs of 640 x 480 from disk into vectors with ResNet-18, the command whole. The predecessor's
published figure for as many images is 10.1 s (a figure of 2019, its device is not said).

Parity: the same 64 photographs on both providers, in fp32 and in fp16, as the largest difference of a number of a unit
vector.

LOOKALIKE_GPU_DEVICE=cpu tries the script where there is no such device, with few images; its figures mean nothing.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.scoring_data import MODEL, lookalike, publish_network, write_photographs
from serving.client.scorer import Scorer
from trainer import fit, make_config

DEVICE = os.environ.get("LOOKALIKE_GPU_DEVICE", "cuda")
IS_TRIAL = DEVICE == "cpu"
BASES, COMPILED = (("resnet18",), (False,)) if IS_TRIAL else (("resnet18", "resnet50"), (False, True))
SIZE_PX, CLASSES, EPOCHS = (64, 4, 2) if IS_TRIAL else (224, 64, 3)
PER_CLASS, BATCH_CLASSES = (8, 4) if IS_TRIAL else (40, 32)
NUM_SCORED = 100 if IS_TRIAL else 3_045
PUBLISHED_S = 10.1


def run() -> dict[str, Any]:
    """{"device", "training": {case: images a second}, "scoring": seconds and ratio, "parity": largest differences}."""
    if not IS_TRIAL and not torch.cuda.is_available():
        raise SystemExit("gpu: expected a CUDA device, got none; LOOKALIKE_GPU_DEVICE=cpu tries the script")
    with tempfile.TemporaryDirectory(prefix="lookalike-gpu-") as name:
        home = Path(name)
        images = _classes(home)
        training = {
            f"{base}, compile={compiled}": _train(images, home / f"{base}-{compiled}", base, compiled)
            for base in BASES
            for compiled in COMPILED
        }
        photographs = home / "scored"
        write_photographs(photographs, NUM_SCORED)
        run_folder, repository = publish_network(home / "published", base="resnet18", size=SIZE_PX)
        return {
            "device": "cpu, a trial" if IS_TRIAL else torch.cuda.get_device_name(),
            "training": training,
            "scoring": _score(photographs, repository, home),
            "parity": _parity(photographs, repository, run_folder, home),
        }


def _classes(home: Path) -> Path:
    """Class folders of photographs; all contents differ."""
    files = sorted(
        path for folder in write_photographs(home / "photographs", CLASSES * PER_CLASS) for path in folder.iterdir()
    )
    for index, file in enumerate(files):
        target = home / "classes" / f"{index % CLASSES:03d}"
        target.mkdir(parents=True, exist_ok=True)
        file.rename(target / file.name)
    return home / "classes"


def _train(images: Path, output: Path, base: str, compiled: bool) -> dict[str, Any]:
    config = make_config(
        {
            "images": images,
            "kind": "triplet",
            "base": base,
            "size": SIZE_PX,
            "epochs": EPOCHS,
            "validation": "none",
            "head": "trained",
            "progressive": {"share": 0},
            "sampling": {"classes_per_batch": BATCH_CLASSES, "images_per_class": 4},
            "loop": {"device": DEVICE, "precision": "bf16", "compile": compiled},
        }
    )
    speeds: list[float] = []
    started = time.perf_counter()
    with _utilisation() as used:
        fit(
            config,
            output,
            report=lambda event: speeds.append(event["images_per_s"]) if event["event"] == "epoch" else None,
        )
    found = {"images_per_s": speeds[-1], "seconds": round(time.perf_counter() - started, 1)}
    return found | ({"utilisation_pct": round(statistics.median(used))} if used else {})


@contextmanager
def _utilisation() -> Iterator[list[float]]:
    """Per cent of the device in use, twice a second, of the time until now; empty where nvidia-smi is missing."""
    used: list[float] = []
    if shutil.which("nvidia-smi") is None:
        yield used
        return
    command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "500"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as asking:
        try:
            yield used
        finally:
            asking.terminate()
            assert asking.stdout is not None
            used.extend(float(line) for line in asking.stdout if line.strip().isdigit())


def _score(photographs: Path, repository: Path, home: Path) -> dict[str, Any]:
    seconds = []
    for number in range(3):
        started = time.perf_counter()
        lookalike(
            "score",
            photographs,
            "--model",
            MODEL,
            "--repository",
            repository,
            "--device",
            DEVICE,
            "--output",
            home / f"v{number}",
        )
        seconds.append(time.perf_counter() - started)
    best = min(seconds)
    return {
        "images": NUM_SCORED,
        "seconds": [round(each, 2) for each in seconds],
        "times_faster": round(PUBLISHED_S / best, 1),
    }


def _parity(photographs: Path, repository: Path, run_folder: Path, home: Path) -> dict[str, float]:
    """Largest difference of any number of 64 unit vectors from those of the CPU in fp32."""
    lookalike("export", run_folder, "--repository", home / "half", "--name", MODEL, "--precision", "fp16")
    images = sorted(photographs.rglob("*.jpg"))[:64]

    def vectors(models: Path, device: str) -> Any:
        with Scorer(MODEL, repository=models, device=device) as scorer:
            found = np.asarray(scorer.embed(images), np.float64)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    expected = vectors(repository, "cpu")
    others = {"fp32 on the device": (repository, DEVICE), "fp16 on the device": (home / "half", DEVICE)}
    return {name: float(np.abs(vectors(*how) - expected).max()) for name, how in others.items()}
