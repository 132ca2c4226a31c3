"""Branch to ONNX graph, by torch's exporter; full and region graphs are joined around it (join.py, region_join.py).

Nodes are stripped of the exporter's notes, which hold stack traces with absolute paths of the machine that exported.
"""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

import onnx
import torch
from torch import nn

from artifact.errors import ArtifactError
from artifact.images.preprocessing import Preprocessing
from artifact.kinds import ATTRIBUTES, BRANCH_INPUT, BRANCH_OUTPUT
from artifact.model.manifest import OPSET
from artifact.model.notes import strip_notes
from export.folding import fold_constants
from export.merged import merge_training_parts
from trainer.networks.branch import without_towers

if TYPE_CHECKING:
    from collections.abc import Iterator


def export_branch(branch: nn.Module, *, preprocessing: Preprocessing) -> onnx.ModelProto:
    """Export a trained branch, in eval mode, as an ONNX model of opset 20 with a dynamic batch.

    Args:
        branch: uint8 [N, H, W, 3] -> float32 [N, n].
        preprocessing: of the images that it takes; says H and W.

    Returns:
        A graph with the input `image` and the output `embedding`.

    Raises:
        ArtifactError: the network cannot be exported, with the exporter's reason.
    """
    return export_module(without_towers(branch), black_pictures(preprocessing), BRANCH_INPUT, BRANCH_OUTPUT)


def export_tower(tower: nn.Module, *, num_columns: int) -> onnx.ModelProto:
    """Export an attribute tower as `export_branch` does a branch.

    Args:
        tower: float32 [N, A] -> float32 [N, n].
        num_columns: A.

    Returns:
        A graph with the input `attributes` and the output `embedding`.

    Raises:
        ArtifactError: as `export_branch`.
    """
    return export_module(tower, torch.zeros((2, num_columns)), ATTRIBUTES, BRANCH_OUTPUT)


def black_pictures(preprocessing: Preprocessing) -> torch.Tensor:
    """Two pictures to trace a network with: uint8 [2, H, W, 3]."""
    return torch.zeros((2, preprocessing.height, preprocessing.width, 3), dtype=torch.uint8)


def export_module(module: nn.Module, example: torch.Tensor, input_name: str, output_name: str) -> onnx.ModelProto:
    """Export a module of one tensor, in eval mode, as an ONNX model of opset 20 whose first axis is dynamic.

    Args:
        example: what it takes, [2, ...]; the other axes are fixed.

    Raises:
        ArtifactError: it cannot be exported, with the exporter's reason.
    """
    module = merge_training_parts(module.eval())
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                module.eval(),
                (example,),
                input_names=[input_name],
                output_names=[output_name],
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("N", min=1)},),
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # the exporter raises whatever the network's code leads to
        raise ArtifactError("the network cannot be exported to ONNX", got=_reason(error)) from None
    if program is None:
        raise ArtifactError("the network cannot be exported to ONNX")
    model = program.model_proto
    strip_notes(model)
    fold_constants(model, [input_name])
    _name_batch_axis(model)
    onnx.checker.check_model(model)
    return model


def _name_batch_axis(model: onnx.ModelProto) -> None:
    for value in (*model.graph.input, *model.graph.output):
        first = value.type.tensor_type.shape.dim[0]
        first.Clear()
        first.dim_param = "N"


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter prints progress and warns about its own internals; what matters it raises."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _reason(error: BaseException) -> str:
    text = str(error.__cause__ or error).strip()
    return f"{type(error.__cause__ or error).__name__}: {text.splitlines()[0] if text else ''}"[:300]
