"""Families of networks export: cheap members here, the rest in benchmarks/families.py with its committed table."""

import hashlib

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from artifact.images.preprocessing import Preprocessing
from benchmarks.families import FAMILIES, branch_digests, make_branch, measure
from export.folding import fold_constants
from export.graph import export_branch
from export.merged import merge_training_parts
from trainer.networks.conv4 import Conv4

pytestmark = pytest.mark.slow

CHEAP = {
    "repvgg": ("repvgg_a0", 32),
    "nfnet": ("test_nfnet", 32),
}


@pytest.mark.parametrize("family", ["repvgg", "nfnet"])
def test_family_exports_in_both_modes_with_batch_norm_folded(family: str) -> None:
    """Parity in batches of 1, 2 and 7; shortcuts of RepVGG and standardised weights of NFNet leave no BatchNorm."""
    row = measure(*CHEAP[family])
    assert "refused" not in row
    for mode in ("branch", "full"):
        assert 0 < row[mode]["max_abs"] <= row[mode]["limit"]
        assert row[mode]["batch_norms"] == 0


def test_another_process_exports_the_same_bytes() -> None:
    """Merged and folded weights are computed the same way each time."""
    name, size = CHEAP["nfnet"]
    graph = export_branch(make_branch(name, size), preprocessing=Preprocessing(height=size, width=size))
    here = hashlib.sha256(graph.SerializeToString(deterministic=True)).hexdigest()
    assert branch_digests({"nfnet": (name, size)}) == {name: here}


def test_merging_leaves_the_trained_network_alone() -> None:
    """The copy has fewer convolutions and the same vectors; the network keeps its branches, and Conv4 is not copied."""
    branch = make_branch("repvgg_a0", 32)
    before = {key: value.clone() for key, value in branch.state_dict().items()}
    merged = merge_training_parts(branch)
    assert branch.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in branch.state_dict().items())
    convolutions = [sum(isinstance(each, torch.nn.Conv2d) for each in one.modules()) for one in (branch, merged)]
    assert convolutions[1] < convolutions[0]
    images = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        want, got = branch(images), merged(images)
    assert float((want - got).abs().max()) <= 1e-5 * float(want.abs().max())
    network = Conv4()
    assert merge_training_parts(network) is network


def test_no_note_of_the_exporter_is_left() -> None:
    """A timm network's graph holds no path, no source line and no class name."""
    name, size = CHEAP["nfnet"]
    spec = Preprocessing(height=size, width=size)
    branch = make_branch(name, size)
    model = export_branch(branch, preprocessing=spec)
    data = model.SerializeToString()
    for secret in ("site-packages", "stack_trace", ".py", "pkg.torch", "timm"):
        assert secret.encode() not in data


def test_folding_keeps_what_the_image_decides_and_what_would_grow() -> None:
    """Constants become one weight with numpy's value; a constant that would blow the file up stays a node."""
    nodes = [
        helper.make_node("Mul", ["a", "a"], ["b"]),
        helper.make_node("Add", ["image", "b"], ["c"]),
        helper.make_node("Expand", ["a", "shape"], ["wide"]),
        helper.make_node("Add", ["c", "wide"], ["out"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in ("image", "out")]
    for rows, count in ((1, 2), (10**6, 4)):
        weights = {"a": np.array([1, 2, 3], np.float32), "shape": np.array([rows, 3])}
        weights = [numpy_helper.from_array(value, name) for name, value in weights.items()]
        graph = helper.make_graph(nodes, "g", values[:1], values[1:], weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
        fold_constants(model, ["image"])
        assert len(model.graph.node) == count
        if count == 2:
            folded = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
            assert folded.keys() == {"b", "wide"}
            np.testing.assert_array_equal(folded["b"], [1, 4, 9])


def test_table_has_twenty_families_and_more() -> None:
    """Each family once, each by another network."""
    assert len(FAMILIES) >= 20
    assert len({name for name, _ in FAMILIES.values()}) == len(FAMILIES)
