"""examples/python/adopted_detector.py: as it stands, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from benchmarks.scene_networks import MEAN, STD
from tests.shared.places import ROOT
from tests.shared.scene_files import SceneFiles
from tests.shared.spot_detector import found_by_loops, several, spots, write_spot_detector


def run(*words: object) -> tuple[list[dict[str, Any]], str]:
    """The objects that it prints, and what it says on stderr."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "python" / "adopted_detector.py"), *map(str, words)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"object"')], done.stderr


def test_objects_have_boxes_scores_and_a_page_of_near_duplicates(tmp_path: Path) -> None:
    """What plain loops find; the same spot in two pictures is one group, and the page shows both parts."""
    photos = tmp_path / "photos"
    photos.mkdir()
    blue = (200, 10, 79)
    pictures = [*several(7), spots((0, 1, blue), seed=8), spots((3, 4, blue), seed=9)]
    for number, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(photos / f"{number}.png")
    (photos / "broken.png").write_bytes(b"no picture")
    detector = write_spot_detector(tmp_path / "spots.onnx", features="features")
    found, said = run(detector, photos, tmp_path / "out", "--share", 0.1)
    assert "broken.png: " in said
    want = [(f"{number}.png", each) for number, pixels in enumerate(pictures) for each in found_by_loops(pixels)]
    assert [row["image"] for row in found] == [image for image, _ in want]
    for row, (_, (box, score, _)) in zip(found, want, strict=True):
        np.testing.assert_allclose(row["box"], box, atol=1e-6)
        assert row["score"] == pytest.approx(score, abs=1e-6)
    groups = {
        row["id"]: row["group"] for row in parquet.read_table(tmp_path / "out" / "duplicates.parquet").to_pylist()
    }
    assert groups["7.png#0"] == groups["8.png#0"] is not None
    assert (tmp_path / "out" / "duplicates.html").read_text().count("data:image/") >= 2


@pytest.mark.slow
def test_a_trained_detector_is_shown_with_its_objects(scene_files: SceneFiles, tmp_path: Path) -> None:
    """On drawn scenes that it never saw."""
    of_scenes = [scene_files.detector_file, scene_files.scenes / "images"]
    found, _ = run(*of_scenes, tmp_path / "out", "--mean", MEAN[0], "--std", STD[0])
    assert len({row["image"] for row in found}) == 12
    assert all(0 <= side <= 1 for row in found for side in row["box"])
    assert (tmp_path / "out" / "duplicates.html").read_text().count("data:image/") >= 2
