"""A detector and a U-Net trained on drawn scenes within seconds, once a session, with scenes that they never saw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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


def write_scene_files(folder: Path) -> SceneFiles:
    """Train both, and write `detector.onnx`, `unet.onnx` and the folder `unseen` of scenes."""
    train = write_drawn_scenes(folder / "train", 60)
    unseen = write_drawn_scenes(folder / "unseen", 12, seed=5)
    detector, unet = (train_(train, size=SIZE, steps=_STEPS) for train_ in (train_detector, train_unet))
    return SceneFiles(
        scenes=unseen,
        detector=detector,
        detector_file=export_detector(detector, folder / "detector.onnx", size=SIZE),
        unet=unet,
        unet_file=export_unet(unet, folder / "unet.onnx", size=SIZE),
    )
