"""A detector that was trained on scenes: its vectors tell objects apart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from artifact.images.preprocessing import load_pixels
from benchmarks.scene_networks import MEAN, STD
from benchmarks.sets.scenes import annotations
from export.adoption.adopt_detector import adopt_detector
from export.adoption.detected import DetectorOutputs
from serving.engine import Engine
from tests.shared.scene_files import SceneFiles


@pytest.mark.slow
@pytest.mark.parametrize("features", ["features", "map"])
def test_a_trained_detector_finds_objects_and_its_vectors_tell_them_apart(
    features: str, scene_files: SceneFiles, tmp_path: Path
) -> None:
    """On scenes that it never saw: most objects, and an object's nearest in another scene is of its identity."""
    examples = sorted((scene_files.scenes / "images").iterdir())
    outputs = DetectorOutputs(boxes="boxes", scores="scores", features=features)
    adopted = adopt_detector(scene_files.detector_file, outputs, mean=MEAN, std=STD, examples=examples[:4])
    adopted.write(tmp_path / "a.onnx")
    engine = Engine(tmp_path / "a.onnx")
    pixels = np.stack([load_pixels(file.read_bytes(), engine.manifest.pixels) for file in examples])
    found = engine.run({"image": pixels})
    content = json.loads(annotations(scene_files.scenes).read_text())
    vectors, identities, scenes, num_objects = [], [], [], 0
    for one in content["annotations"]:
        x, y, width, height = one["bbox"]
        box = np.array([x / 640, y / 480, (x + width) / 640, (y + height) / 480])
        num_objects += 1
        there = found["boxes"][one["image_id"]]
        overlaps = [0.0 if np.isnan(other).any() else _overlap(box, other) for other in there]
        best = int(np.argmax(overlaps))
        if overlaps[best] >= 0.5:
            vectors.append(found["embedding"][one["image_id"], best])
            identities.append(one["category_id"])
            scenes.append(one["image_id"])
    assert len(vectors) >= 0.7 * num_objects
    unit = np.array(vectors) / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = unit @ unit.T
    near[np.equal.outer(scenes, scenes)] = -2
    right = np.array(identities)[near.argmax(axis=1)] == np.array(identities)
    assert right.mean() >= 0.6  # one of six by chance; a detector without classes .22


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
    inside = float(np.prod(sides))
    return inside / (float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - inside)
