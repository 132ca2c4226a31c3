"""examples/python/objects.py: as it stands, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.shared.object_tables import CLASSES, coco_facts, make_scenes, write_coco
from tests.shared.places import ROOT
from tests.shared.scored_images import publish_models


def test_objects_have_a_vector_and_one_of_another_picture_that_is_like_them(tmp_path: Path) -> None:
    """The same object pasted into two pictures finds itself; a box that is none is told."""
    repository = publish_models(tmp_path / "repository", tmp_path / "files", models=["triplet_branch"])
    scenes = make_scenes(tmp_path, (2, 3, 2))
    facts = coco_facts(scenes)
    facts["images"].append({**facts["images"][1], "id": 200, "file_name": "copy.png"})
    (tmp_path / "images" / "copy.png").write_bytes((tmp_path / "images" / scenes[1].name).read_bytes())
    facts["annotations"].append({**facts["annotations"][2], "id": 99, "image_id": 200})
    facts["annotations"].append({**facts["annotations"][0], "id": 100, "bbox": [999, 0, 5, 5]})
    table = write_coco(tmp_path / "instances.json", facts)
    words = [str(word) for word in (repository, "triplet_branch", table, tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "python" / "objects.py"), *words],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    rows = {row["object"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert len(rows) == 8
    assert rows["copy.png#0"]["like"] == "001.png#0"
    assert rows["001.png#0"]["like"] == "copy.png#0"
    assert rows["001.png#0"]["its_label"] == rows["001.png#0"]["label"] == CLASSES[scenes[1].objects[0][0]]
    assert done.stderr.startswith("000.png#2: a box outside the picture of ")
