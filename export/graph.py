"""Branch to ONNX graph, by torch's exporter; a full graph is joined around it (export/join.py).

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
from artifact.kinds import BRANCH_INPUT, BRANCH_OUTPUT
from artifact.model.manifest import OPSET
from artifact.model.notes import strip_notes
from export.folding import fold_constants
from export.merged import merge_training_parts

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
    module = merge_training_parts(branch.eval())
    example = torch.zeros((2, preprocessing.height, preprocessing.width, 3), dtype=torch.uint8)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                module.eval(),
                (example,),
                input_names=[BRANCH_INPUT],
                output_names=[BRANCH_OUTPUT],
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
    fold_constants(model, [BRANCH_INPUT])
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
