"""docs/scoring.md: every snippet of it, run in order as a reader would."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from artifact.repository.publishing import publish
from serving.embedded.server import Server
from tests.shared.places import ROOT
from tests.shared.scored_images import write_images
from tests.shared.tiny_artifact import write_tiny_artifact
from tests.shared.tiny_attribute_tower import publish_attributes

TEXT = (ROOT / "docs" / "scoring.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_every_snippet_runs_after_the_journey(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a server on another port; what they print is what they say."""
    write_images(tmp_path / "demo-output" / "images" / "held_out" / "7", 36)  # the PNG files are 12
    for name, mode in (("digits", "branch"), ("digits_full", "full")):
        write_tiny_artifact(tmp_path / f"{name}.onnx", name=name, mode=mode, dim=128)
        publish(tmp_path / f"{name}.onnx", tmp_path / "models")
    publish_attributes(tmp_path / "models", name="shapes_attributes")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    with Server(tmp_path / "models", grpc_port=0) as server:
        for code in PYTHON:
            exec(code.replace("127.0.0.1:8001", server.url), names)
        printed = capsys.readouterr().out
        assert f"{{'{server.url}': 'answers'}}" in printed
    assert len(PYTHON) == 7
    assert names["found"].shape == (2, 4)
    assert names["vectors"].shape == (12, 128)
    assert names["distances"].shape == (4,)
    assert names["table"].num_rows == len(names["column"]) - 8 == 4
    assert "Latency(p50_s=" in printed
