"""`lookalike train` as printed, a process of its own from its start to its end, judged on a folder it never saw."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmarks.plain_user import figures, read
from trainer import load_run


def train_and_judge(train: Path, unseen: Path, words: Sequence[str]) -> dict[str, Any]:
    """Figures, seconds of the whole command and what the run settled."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "lookalike", "train", str(train), *words, "--output", str(output)], check=True
        )
        seconds = time.perf_counter() - started
        return judged(output, unseen) | {"seconds": round(seconds, 1)}


def judged(output: Path, unseen: Path) -> dict[str, Any]:
    """Figures of a run on a folder that it never saw, and what it settled."""
    trained = load_run(output)
    pixels, labels = read(unseen, trained.preprocessing.height)
    head = trained.facts.get("head") or {}
    settled = {"steps": trained.config.steps, "size": trained.config.size, "dim": trained.config.dim}
    found = figures(in_batches(trained.branch, pixels), labels, distance=trained.distance)
    return found | settled | {"head": head.get("name"), "lambda": head.get("lambda")}


def in_batches(network: Callable[[Tensor], Tensor], pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """float32 [N, n] of uint8 [N, H, W, 3], 128 at a time."""
    with torch.inference_mode():
        parts = [network(torch.from_numpy(pixels[at : at + 128])).numpy() for at in range(0, len(pixels), 128)]
    return np.concatenate(parts)
