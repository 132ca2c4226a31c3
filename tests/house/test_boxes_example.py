"""examples/python/boxes.py against a server with a region artifact."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from artifact.images.preprocessing import load_pixels
from serving.embedded.server import Server
from tests.shared.pictures import pictures
from tests.shared.places import ROOT
from tests.shared.region_artifact import NAME, SPEC, publish_regions, region_vectors


def test_the_example_prints_a_vector_for_each_box(tmp_path: Path) -> None:
    """Those of plain loops; a file that is none is one line on stderr."""
    repository = publish_regions(tmp_path / "repository")
    picture = tmp_path / "a.png"
    picture.write_bytes(pictures()["png"])
    boxes = ["0,0,1,1", "0.1,0.2,0.6,0.7"]
    with Server(repository, grpc_port=0) as server:
        command = [sys.executable, str(ROOT / "examples" / "python" / "boxes.py"), f"127.0.0.1:{server.port}", NAME]
        done = subprocess.run([*command, str(picture), *boxes], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        picture.write_bytes(b"no picture")
        bad = subprocess.run([*command, str(picture), *boxes], capture_output=True, text=True, check=False, timeout=60)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["box"] for line in lines] == boxes
    pixels = load_pixels(pictures()["png"], SPEC)[None]
    given = np.array([[[float(number) for number in box.split(",")] for box in boxes]], np.float32)
    np.testing.assert_allclose([line["embedding"] for line in lines], region_vectors(pixels, given)[0], atol=1e-5)
    assert bad.returncode == 1
    assert "[row 0, image]" in bad.stderr
