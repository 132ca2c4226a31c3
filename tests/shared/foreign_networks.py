"""Foreign ONNX files for the tests of adoption: real networks as torch exports them, and graphs built by hand."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)
SIZE = 64
"""Side of the pictures that real networks are exported for, in pixels."""


def timm_classifier(name: str, **options: object) -> nn.Module:
    """A timm network with its classifier of 10, random weights."""
    from trainer.networks.torchvision_guard import guard_torchvision

    guard_torchvision()
    import timm

    torch.manual_seed(0)
    return settled(timm.create_model(name, num_classes=10, **options))


def torchvision_network(name: str, **options: object) -> nn.Module:
    """A torchvision network with a classifier of 10, random weights."""
    from trainer.networks.torchvision_guard import guard_torchvision

    guard_torchvision()
    import torchvision

    torch.manual_seed(0)
    return settled(getattr(torchvision.models, name)(num_classes=10, **options))


def settled(module: nn.Module) -> nn.Module:
    """In eval mode, with statistics and a last layer as after training: zeros would hide mistakes."""
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.running_mean.uniform_(-0.3, 0.3)
            each.running_var.uniform_(0.5, 2.0)
        if isinstance(each, nn.Linear) and not each.weight.any():
            nn.init.normal_(each.weight, std=0.1)
    return module.eval()


def export(
    module: nn.Module, path: Path, *, size: int, opset: int, dynamic: bool = False, dynamo: bool = False
) -> Path:
    """Export as users do: the old exporter names `input` and `logits`, and fixes the batch unless told not to."""
    example = torch.randn(2 if dynamic else 1, 3, size, size)
    options: dict[str, object] = {"dynamo": dynamo, "opset_version": opset}
    if dynamo:
        options["external_data"] = False
        options["dynamic_shapes"] = ({0: torch.export.Dim("b", min=1)},) if dynamic else None
    else:
        options["dynamic_axes"] = {"input": {0: "b"}, "logits": {0: "b"}} if dynamic else None
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(module, (example,), str(path), input_names=["input"], output_names=["logits"], **options)
    finally:
        logging.disable(level)
    return path


def by_torch(module: nn.Module, pixels: np.ndarray) -> np.ndarray:
    """What the module gives for uint8 [N, H, W, 3], normalised by torch."""
    planes = torch.from_numpy(pixels).permute(0, 3, 1, 2).double() / 255
    planes = (planes - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    with torch.no_grad():
        return module(planes.float()).numpy()


def small_graph(
    *,
    shape: tuple[object, ...] = ("N", 3, 8, 8),
    kind: int = TensorProto.FLOAT,
    weights: np.ndarray | None = None,
    extra: tuple[onnx.NodeProto, ...] = (),
    output: str = "vector",
    extra_inputs: tuple[str, ...] = (),
    opset: int = 17,
    output_kind: int | None = None,
) -> onnx.ModelProto:
    """image -> Flatten `flat` -> MatMul `vector` [N, 4], by hand; `extra` nodes go behind it."""
    if weights is None:
        weights = np.random.default_rng(0).standard_normal((192, 4)).astype(np.float32) / 8
    weights = weights.astype(np.float16 if kind == TensorProto.FLOAT16 else np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["flat"], name="flatten", axis=1),
            helper.make_node("MatMul", ["flat", "weights"], ["vector"], name="dense"),
            *extra,
        ],
        "by hand",
        [helper.make_tensor_value_info(name, kind, list(shape)) for name in ("image", *extra_inputs)],
        [helper.make_tensor_value_info(output, output_kind or kind, None)],
        [numpy_helper.from_array(weights, "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def bottlenecked() -> onnx.ModelProto:
    """image [N, 3, 32, 32] -> `bottleneck` [N, 8, 4, 4] -> `mask` [N, 1, 32, 32], as a network of masks has it."""
    random = np.random.default_rng(0)
    weights = {
        "down": random.standard_normal((8, 3, 8, 8)).astype(np.float32),
        "up": random.standard_normal((8, 1, 8, 8)).astype(np.float32),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "down"], ["bottleneck"], strides=[8, 8]),
            helper.make_node("ConvTranspose", ["bottleneck", "up"], ["mask"], strides=[8, 8]),
        ],
        "masks",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 32, 32])],
        [helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["N", 1, 32, 32])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def save(model: onnx.ModelProto, path: Path) -> Path:
    """Write a graph as it is."""
    path.write_bytes(model.SerializeToString())
    return path
