"""Networks that are left behind an inner layer, exported: torch and onnxruntime agree at batches of 1, 2 and 7."""

from pathlib import Path

import pytest
import torch

from artifact.images.preprocessing import Preprocessing
from artifact.modes import BRANCH, FULL
from export.build import build
from export.graph import export_branch
from export.parity import check_parity
from tests.shared.shapes_run import fit_small, write_shapes
from trainer.config.config import make_config
from trainer.loop.fit import fit
from trainer.networks.base_networks import branch_of, build_base

CUTS = [
    ("conv4", 28, "blocks.4"),
    ("test_resnet", 32, "layer2.0.bn1"),
    ("test_convnext", 32, "stages.1.blocks.0.mlp.fc1"),
    ("test_vit", 160, "blocks.0.attn.q_norm"),
    pytest.param("vit_tiny_patch16_224", 48, "blocks.3", marks=pytest.mark.slow),
    pytest.param("swin_tiny_patch4_window7_224", 56, "layers.1.blocks.0", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "size", "layer"), CUTS)
def test_graph_ends_behind_the_layer(name: str, size: int, layer: str) -> None:
    """The exporter traces the network as far as it runs; nothing of what stands behind is in the file."""
    torch.manual_seed(0)
    base = build_base(name, size=size, cut=layer)
    branch = branch_of(base, embedding_dim=5, normalize=False).eval()
    pixels = Preprocessing(height=size, width=size, mean=base.mean, std=base.std)
    graph = export_branch(branch, preprocessing=pixels)
    model = graph.SerializeToString()
    facts = {"kind": "triplet", "mode": BRANCH, "distance": "euclidean", "preprocessing": pixels}
    assert check_parity(branch, model, **facts).max_abs < 1e-4  # type: ignore[arg-type]
    weights = sum(torch.Size(tensor.dims).numel() for tensor in graph.graph.initializer)
    own = sum(parameter.numel() for parameter in branch.parameters())
    assert weights <= 1.1 * own + 1000  # tables of positions are folded


def test_trained_run_is_exported_in_both_modes(tmp_path: Path) -> None:
    """With an embedding layer behind an inner layer."""
    run = fit_small(write_shapes(tmp_path / "shapes"), tmp_path / "run", cut="blocks.6", epochs=1)
    for mode in (BRANCH, FULL):
        built = build(run, mode)
        assert built.manifest.base["cut"] == "blocks.6"
        assert built.parity.max_abs < 1e-4


def test_features_are_exported_without_a_layer(tmp_path: Path) -> None:
    """Pixels: no weight is in the graph; a full artifact too."""
    run = fit(make_config({"epochs": 0, "base": "pixels", "size": 12}), tmp_path / "run")
    graph = export_branch(run.branch, preprocessing=run.preprocessing).graph
    assert sum(torch.Size(tensor.dims).numel() for tensor in graph.initializer if tensor.data_type == 1) <= 6
    assert not {node.op_type for node in graph.node} & {"Gemm", "MatMul"}
    for mode in (BRANCH, FULL):
        assert build(run, mode).manifest.embedding_dim == 12 * 12 * 3
