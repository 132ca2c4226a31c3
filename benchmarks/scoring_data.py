"""Data of the scoring benchmarks: photographs on disk, and a published network with random weights.

The photographs are eight pictures in as many files as asked for, each with a comment of its own: no two contents are
equal, so nothing is run once for two of them. Random weights cost the same time as trained ones.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.preprocessing import photographs

IMAGES_PER_FOLDER = 1000
MODEL, BASE, SIZE_PX, DIM = "photographs", "mobilenetv3_small_100", 224, 128


def write_photographs(folder: Path, num_images: int) -> list[Path]:
    """JPEGs of 640x480 in folders of IMAGES_PER_FOLDER; gives those folders."""
    files = photographs()
    folders = [folder / f"{number:03d}" for number in range(-(-num_images // IMAGES_PER_FOLDER))]
    for index in range(num_images):
        home = folders[index // IMAGES_PER_FOLDER]
        home.mkdir(parents=True, exist_ok=True)
        data, comment = files[index % len(files)], f"{index:08d}".encode()
        image = data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]
        (home / f"{index:06d}.jpg").write_bytes(image)
    return folders


def publish_network(folder: Path, *, base: str = BASE, size: int = SIZE_PX) -> tuple[Path, Path]:
    """(run, repository) of a model named MODEL, trained for one epoch on noise."""
    random = np.random.default_rng(0)
    for index in range(48):
        home = folder / "noise" / str(index % 4)
        home.mkdir(parents=True, exist_ok=True)
        noise = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8))
        noise.resize((160, 120)).save(home / f"{index}.png")
    run, repository = folder / "run", folder / "models"
    lookalike(
        "train",
        folder / "noise",
        "--kind",
        "triplet",
        "--base",
        base,
        "--size",
        size,
        "--dim",
        DIM,
        "--epochs",
        1,
        "--output",
        run,
        "--deploy",
        repository,
        "--name",
        MODEL,
    )
    return run, repository


def plain_network(run: Path) -> Any:
    """float32 [N, 3, H, W], normalised -> float32 [N, n]: the run's network as its trainer's own code would use it."""
    from torch import nn

    from trainer.run.saved_run import load_run

    branch = load_run(run).branch

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branch = branch

        def forward(self, image: Any) -> Any:
            return self.branch.head(self.branch.base(image))

    return Plain().eval()


def export_plain(run: Path, file: Path) -> None:
    """The same network with float32 input, as torch alone exports it: what people serve who have no Lookalike."""
    import torch

    torch.onnx.export(
        plain_network(run),
        (torch.zeros(2, 3, SIZE_PX, SIZE_PX),),
        file,
        dynamo=True,
        external_data=False,
        input_names=["image"],
        output_names=["embedding"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )


def lookalike(*arguments: object) -> None:
    """Run a command as a user does."""
    subprocess.run([sys.executable, "-m", "lookalike", *map(str, arguments)], check=True, capture_output=True)
