"""A detector and a U-Net trained on drawn scenes within a minute, once a session, with scenes that they never saw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from artifact.locks import FileLock
from benchmarks.scene_networks import (
    Detector,
    UNet,
    export_detector,
    export_unet,
    train_detector,
    train_unet,
)
from tests.shared.drawn_scenes import write_drawn_scenes

SIZE = (144, 192)
"""Height and width that the networks take."""
_STEPS = 90


@dataclass(frozen=True)
class SceneFiles:
    """Files in a folder, and the networks that they were made of."""

    scenes: Path
    detector: Detector
    detector_file: Path
    unet: UNet
    unet_file: Path


def scene_files_in(folder: Path) -> SceneFiles:
    """Those of a folder that several processes share; whoever comes first makes them, and the others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "networks.pt"
    with FileLock(folder / "lock", wait=True, create=True):
        if not kept.exists():
            _write(folder, kept)
    detector, unet = torch.load(kept, weights_only=False)
    return SceneFiles(
        scenes=folder / "unseen",
        detector=detector,
        detector_file=folder / "detector.onnx",
        unet=unet,
        unet_file=folder / "unet.onnx",
    )


def _write(folder: Path, networks: Path) -> None:
    """Train both, and write `detector.onnx`, `unet.onnx`, the folder `unseen` of scenes, and at last the networks."""
    train = write_drawn_scenes(folder / "train", 60)
    write_drawn_scenes(folder / "unseen", 12, seed=5)
    detector = train_detector(train, size=SIZE, steps=_STEPS)
    unet = train_unet(train, size=SIZE, steps=_STEPS)
    export_detector(detector, folder / "detector.onnx", size=SIZE)
    export_unet(unet, folder / "unet.onnx", size=SIZE)
    torch.save((detector, unet), networks)
