"""docs/region-artifacts.md: its commands and its snippet, run as a reader would."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from lookalike.cli import main
from tests.shared.object_tables import coco_facts, make_scenes, write_coco
from tests.shared.places import ROOT
from tests.shared.shapes_run import small_run

TEXT = (ROOT / "docs" / "region-artifacts.md").read_text()
COMMANDS = [shlex.split(line) for line in re.findall(r"^    lookalike (.*)$", TEXT, re.MULTILINE)]


def write_network(path: Path) -> None:
    """A convolution with a map of the name on the page, pooled to a vector."""
    weights = np.random.default_rng(0).standard_normal((6, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["input", "weights"], ["conv"], strides=[4, 4]),
            helper.make_node("Relu", ["conv"], ["/layer4/Relu_output_0"]),
            helper.make_node("GlobalAveragePool", ["/layer4/Relu_output_0"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["vector"]),
        ],
        "net",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, 32, 48])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["N", 6])],
        [numpy_helper.from_array(weights, "weights")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)


@pytest.mark.slow
def test_every_command_and_the_snippet_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Conv4 of drawn shapes, scenes of noise, and a network of one convolution."""
    monkeypatch.chdir(tmp_path)
    small_run(tmp_path / "run", epochs=1)
    for name in ("train", "unseen"):
        scenes = make_scenes(tmp_path / name, num_objects=(4, 3, 5))
        write_coco(tmp_path / name / "instances.json", coco_facts(scenes))
    write_network(tmp_path / "net.onnx")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (100, 120, 3), np.uint8)).save("photo.jpg")
    assert len(COMMANDS) == 4
    for words in COMMANDS:
        assert main(words) == 0, words
    assert {"run_regions", "net_regions"} <= {path.name for path in Path("model_repository").iterdir()}
    for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(code, {})
