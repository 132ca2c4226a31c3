"""Branch to ONNX graph: a single branch, or every stream with the distances between their vectors.

The streams of a full graph are concatenated on the batch axis, the branch runs once, and the result is reshaped to
[streams, N, n] and indexed. Not split or chunk: the torch exporter silently fixes N there. Nodes are stripped of the
exporter's notes, which hold stack traces with absolute paths of the machine that exported.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

import onnx
import torch
from torch import Tensor, nn

from artifact.distances import COSINE_EPSILON, DISTANCES
from artifact.errors import ArtifactError
from artifact.kinds import FULL, KINDS, Kind, input_names, output_widths
from artifact.model.notes import strip_notes
from artifact.preprocessing import Preprocessing
from export.folding import fold_constants
from export.merged import merge_training_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

OPSET = 20


def _squared_euclidean(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().sum(dim=1, keepdim=True)


def _euclidean(a: Tensor, b: Tensor) -> Tensor:
    return _squared_euclidean(a, b).sqrt()


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    norms = [x.square().sum(dim=1, keepdim=True).sqrt().clamp_min(COSINE_EPSILON) for x in (a, b)]
    return 1.0 - (a * b).sum(dim=1, keepdim=True) / (norms[0] * norms[1])


GRAPH_DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "euclidean": _euclidean,
    "squared_euclidean": _squared_euclidean,
    "cosine": _cosine,
}
if GRAPH_DISTANCES.keys() != DISTANCES.keys():
    raise ValueError("every distance of artifact/distances.py needs its graph form here, and no other")


class MultiStream(nn.Module):
    """Every stream in, uint8 [N, H, W, 3] each; one vector [N, n] a stream and one distance [N, 1] a pair out."""

    def __init__(self, branch: nn.Module, *, kind: str, distance: str) -> None:
        super().__init__()
        self.branch = branch
        self.kind = KINDS[kind]
        self.distance = GRAPH_DISTANCES[distance]

    def forward(self, *images: Tensor) -> tuple[Tensor, ...]:
        return _heads(self.branch(torch.cat(images)), self.kind, self.distance)


class Heads(nn.Module):
    """What a full graph adds behind the branch: vectors of all streams [streams * N, n] in, the same outputs."""

    def __init__(self, *, kind: str, distance: str) -> None:
        super().__init__()
        self.kind = KINDS[kind]
        self.distance = GRAPH_DISTANCES[distance]

    def forward(self, together: Tensor) -> tuple[Tensor, ...]:
        return _heads(together, self.kind, self.distance)


def _heads(together: Tensor, kind: Kind, distance: Callable[[Tensor, Tensor], Tensor]) -> tuple[Tensor, ...]:
    stacked = together.reshape(len(kind.streams), -1, together.shape[1])
    vectors = {stream: stacked[i] for i, stream in enumerate(kind.streams)}
    return (*vectors.values(), *(distance(vectors[a], vectors[b]) for a, b in kind.pairs))


def export_graph(
    branch: nn.Module, *, kind: str, mode: str, distance: str, embedding_dim: int, preprocessing: Preprocessing
) -> onnx.ModelProto:
    """Export a trained branch, in eval mode, as an ONNX model of opset 20 with a dynamic batch.

    Args:
        branch: uint8 [N, H, W, 3] -> float32 [N, embedding_dim].
        mode: `branch` or `full`.

    Raises:
        ArtifactError: the network cannot be exported, with the exporter's reason.
    """
    inputs = list(input_names(kind, mode))
    outputs = list(output_widths(kind, mode, embedding_dim))
    branch = merge_training_parts(branch.eval())
    module = MultiStream(branch, kind=kind, distance=distance) if mode == FULL else branch
    shape = (2, preprocessing.height, preprocessing.width, 3)
    example = tuple(torch.zeros(shape, dtype=torch.uint8) for _ in inputs)
    batch = torch.export.Dim("N", min=1)
    dynamic = (tuple({0: batch} for _ in inputs),) if mode == FULL else ({0: batch},)
    return _export(module, example, inputs, outputs, dynamic, where=f"mode {mode}")


def export_heads(*, kind: str, distance: str, embedding_dim: int) -> onnx.ModelProto:
    """Export what a full graph adds behind the branch: input `vectors` [streams * N, n], outputs of the full mode."""
    num_streams = len(KINDS[kind].streams)
    example = (torch.zeros(num_streams * 2, embedding_dim),)
    outputs = list(output_widths(kind, FULL, embedding_dim))
    # not "N": the exporter parses what it multiplies as a formula, in which N is a function
    dynamic = ({0: num_streams * torch.export.Dim("rows", min=1)},)
    heads = Heads(kind=kind, distance=distance)
    return _export(heads, example, ["vectors"], outputs, dynamic, where=f"distances of a {kind}")


def _export(
    module: nn.Module, example: tuple[Tensor, ...], inputs: list[str], outputs: list[str], dynamic: Any, *, where: str
) -> onnx.ModelProto:
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                module.eval(),
                example,
                input_names=inputs,
                output_names=outputs,
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=dynamic,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # the exporter raises whatever the network's code leads to
        raise ArtifactError("the network cannot be exported to ONNX", got=_reason(error), where=where) from None
    if program is None:
        raise ArtifactError("the network cannot be exported to ONNX", where=where)
    model = program.model_proto
    strip_notes(model)
    fold_constants(model, inputs)
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
