"""The detector of spots, adopted and in a repository, and pictures for it, one of which is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from export.adoption.adopt_detector import adopt_detector
from export.adoption.adopted import Adopted
from export.adoption.detected import DetectorOutputs
from tests.shared.spot_detector import OPTIONS, several, write_examples, write_spot_detector

MODEL = "spots"
NUM_PICTURES = 9
BAD = "broken.png"
VALUES: dict[str, Any] = {"boxes": "boxes", "scores": "scores", "features": "colours"}


def adopt_spots(folder: Path, *, more: dict[str, Any] | None = None, **detector: Any) -> Adopted:
    """The detector of spots, adopted on pictures of spots; `more` are further facts of its outputs."""
    file = write_spot_detector(folder / "spots.onnx", **detector)
    examples = sorted(write_examples(folder / "examples").iterdir())
    return adopt_detector(file, DetectorOutputs(**VALUES | (more or {})), **OPTIONS, examples=examples)


def publish_spots(folder: Path) -> Path:
    """Adopt and publish it; gives the repository."""
    adopt_spots(folder, more={"limit": 8}).publish(folder / "models")
    return folder / "models"


def write_pictures(folder: Path) -> Path:
    """Nine pictures, the first without a spot, and BAD."""
    folder.mkdir()
    for number, pixels in enumerate(several(NUM_PICTURES)):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / BAD).write_bytes(b"\x89PNG\r\n\x1a\n and nothing")
    return folder
