"""The detector of spots in a repository, and pictures for it: with spots, without, and a file that is no picture."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from export.adoption.adopt_detector import adopt_detector
from export.adoption.detected import DetectorOutputs
from tests.shared.spot_detector import OPTIONS, several, write_examples, write_spot_detector

MODEL = "spots"
NUM_PICTURES = 9
BAD = "broken.png"


def publish_spots(folder: Path) -> Path:
    """Adopt and publish it; gives the repository."""
    file = write_spot_detector(folder / "spots.onnx")
    examples = sorted(write_examples(folder / "examples").iterdir())
    outputs = DetectorOutputs(boxes="boxes", scores="scores", features="colours", limit=8)
    adopt_detector(file, outputs, **OPTIONS, examples=examples).publish(folder / "models")
    return folder / "models"


def write_pictures(folder: Path) -> Path:
    """Nine pictures, the first without a spot, and BAD."""
    folder.mkdir()
    for number, pixels in enumerate(several(NUM_PICTURES)):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / BAD).write_bytes(b"\x89PNG\r\n\x1a\n and nothing")
    return folder
