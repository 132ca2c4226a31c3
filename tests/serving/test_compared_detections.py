"""Detectors checked and compared: boxes by their own scale, objects by where they are and not by their rank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from artifact.errors import ArtifactError
from artifact.model.golden import make_golden, read_boxes, read_golden, read_scores
from export.adoption.adopt_detector import adopt_detector
from export.adoption.adopted import Adopted
from export.adoption.detected import DetectorOutputs
from serving.difference import compare_artifacts
from serving.found_again import found_again
from tests.shared.foreign_networks import save
from tests.shared.spot_detector import OPTIONS, spot_detector, write_examples

NAN = float("nan")


def adopt_spots(folder: Path, *, limit: int = 8, std: float = 1.0, edit: Any = None, **detector: Any) -> Adopted:
    """The detector of spots; `edit` changes its graph."""
    model = spot_detector(**detector)
    if edit is not None:
        edit(model)
    examples = sorted(write_examples(folder / "examples").iterdir())
    outputs = DetectorOutputs(boxes="boxes", scores="scores", features="colours", limit=limit)
    given = OPTIONS | {"std": (std, std, std)}
    return adopt_detector(save(model, folder / "spots.onnx"), outputs, **given, examples=examples)


def turned_round(model: onnx.ModelProto) -> None:
    """The least sure first: scores are the other way round, the objects the same."""
    for node in model.graph.node:
        if node.output[0] == "scores":
            node.output[0] = "positive"
    model.graph.node.add(op_type="Neg", input=["positive"], output=["scores"])


def test_a_box_beside_long_vectors_is_checked_by_its_own_scale(tmp_path: Path) -> None:
    """Vectors of up to 1000, and golden boxes that are off by a twentieth of the picture: refused."""
    adopted = adopt_spots(tmp_path, std=0.001)
    golden = adopted.manifest.golden
    assert golden is not None
    images, vectors = read_golden(golden, 3)
    moved = make_golden(images, vectors, read_boxes(golden) + np.float32(0.05), read_scores(golden))
    changed = adopted.manifest.model_copy(update={"golden": moved})
    adopted.write(tmp_path / "sound.onnx")
    with pytest.raises(ArtifactError, match=r"golden images do not give .*: expected .* got 0\.05"):
        Adopted(adopted.model, changed, adopted.parity, adopted.batching, None).write(tmp_path / "moved.onnx")


def test_objects_are_compared_wherever_they_stand(tmp_path: Path) -> None:
    """Another order or another limit moves no vector; other scores are told all the same."""
    adopt_spots(tmp_path).write(tmp_path / "a.onnx")
    adopt_spots(tmp_path, edit=turned_round).write(tmp_path / "turned.onnx")
    adopt_spots(tmp_path, limit=30).write(tmp_path / "more.onnx")
    for name, within in (("a", True), ("turned", False), ("more", True)):
        movement = compare_artifacts(tmp_path / "a.onnx", tmp_path / f"{name}.onnx").movement
        assert movement is not None
        assert movement.max_distance < 1e-6
        assert movement.within_tolerance is within


def test_objects_that_are_not_found_again_are_told(tmp_path: Path) -> None:
    """Fewer of them than the first has: there is nothing to compare."""
    adopt_spots(tmp_path).write(tmp_path / "a.onnx")
    adopt_spots(tmp_path, limit=1).write(tmp_path / "one.onnx")
    found = compare_artifacts(tmp_path / "a.onnx", tmp_path / "one.onnx")
    assert found.movement is None
    assert "does not find" in str(found.reason)


def test_found_again_takes_the_box_that_overlaps_most() -> None:
    """By hand: one moved a little, one that is gone, none, and two that overlap."""
    boxes = [[0.0, 0.0, 0.4, 0.4], [0.6, 0.6, 1.0, 1.0], [NAN] * 4, [0.0, 0.0, 0.4, 0.3]]
    others = [[0.0, 0.0, 0.4, 0.32], [NAN] * 4, [0.02, 0.0, 0.4, 0.4]]
    places = found_again(np.array([boxes], np.float32), np.array([others], np.float32))
    assert places.tolist() == [[2, -1, -1, 0]]
