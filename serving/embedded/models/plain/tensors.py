"""The tensors of a plain model: its config compared with its file, in the words of Triton's onnxruntime backend.

A session of onnxruntime has the shapes that the file says; the config may narrow them, drop the batch, and reshape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tritonclient.grpc import model_config_pb2

from artifact.errors import RepositoryError
from artifact.repository.tuning import ModelConfig
from serving.embedded.models.plain.completion import dims_of, type_of


def require_tensors(config: ModelConfig, session: Any) -> None:
    """Raise RepositoryError unless a config's inputs and outputs are those of its file."""
    name = config.name
    inputs = {node.name: node for node in session.get_inputs()}
    required = sum(not one.optional for one in config.input)
    for one in (*config.input, *config.output):
        _require_shape(one, config.max_batch_size, name)
    if len(inputs) != required:
        raise RepositoryError(
            f"unable to load model '{name}', configuration expects {required} inputs, model provides {len(inputs)}"
        )
    inputs |= {node.name: node for node in session.get_overridable_initializers()}
    for one in config.input:
        if one.optional and config.max_batch_size:
            raise RepositoryError(
                f"unable to load model '{name}', optional input '{one.name}' is not supported for models that support "
                "batching"
            )
        _require(one, inputs, config, exact=False, what="input")
    outputs = {node.name: node for node in session.get_outputs()}
    for one in config.output:
        _require(one, outputs, config, exact=True, what="output")


def model_dims(one: Any) -> list[int]:
    """The dims that the file sees: those of `reshape` where the config has one."""
    return list(one.reshape.shape if one.HasField("reshape") else one.dims)


def _require(one: Any, nodes: dict[str, Any], config: ModelConfig, *, exact: bool, what: str) -> None:
    name = config.name
    if one.name not in nodes:
        raise RepositoryError(
            f"unexpected inference {what} '{one.name}', allowed {what}s are: {', '.join(sorted(nodes))}"
        )
    node = nodes[one.name]
    got, wanted = (model_config_pb2.DataType.Name(each) for each in (type_of(node), one.data_type))
    if got != wanted:
        provides = got.replace("STRING", "BYTES")
        raise RepositoryError(
            f"unable to load model '{name}', configuration expects datatype {wanted} for {what} '{one.name}', model "
            f"provides {provides}"
        )
    shape, dims = dims_of(node), model_dims(one)
    if not shape:
        if any(dim != 1 for dim in dims):
            raise RepositoryError(
                f"unable to load model '{name}', scalar tensor '{one.name}', should only provide 1 in the model "
                "configuration when the model doesn't support batching. Model configuration provided: "
                f"{_text(dims)}."
            )
        return
    _require_dims(one.name, shape, dims, config, exact=exact)


def _require_dims(tensor: str, shape: list[int], dims: list[int], config: ModelConfig, *, exact: bool) -> None:
    has_batch = config.max_batch_size > 0
    label = f"model '{config.name}', tensor '{tensor}': "
    if has_batch and shape[0] != -1:
        raise RepositoryError(
            f"{label}for the model to support batching the shape should have at least 1 dimension and the first "
            f"dimension must be -1; but shape expected by the model is {_text(shape)}"
        )
    full = [-1, *dims] if has_batch else dims
    fits = len(shape) == len(full) and all(
        own == said or (not exact and own == -1) for own, said in zip(shape, full, strict=True)
    )
    if not fits:
        batch = (
            "(an initial batch dimension because max_batch_size > 0 followed by the explicit tensor shape, making "
            f"complete shape {_text(full)})"
            if has_batch
            else f"(shape {_text(full)})"
        )
        raise RepositoryError(
            f"{label}the model expects {len(shape)} dimensions (shape {_text(shape)}) but the model configuration "
            f"specifies {len(full)} dimensions {batch}"
        )


def _require_shape(one: Any, max_batch_size: int, model: str) -> None:
    """What Triton's core asks of dims and reshape (ValidateIOShape)."""
    label = f"model {'input' if isinstance(one, model_config_pb2.ModelInput) else 'output'} "
    if not one.name:
        raise RepositoryError(f"{label}must specify 'name' for {model}")
    label += f"'{one.name}' "
    if not one.data_type:
        raise RepositoryError(f"{label}must specify 'data_type' for {model}")
    if not one.dims:
        raise RepositoryError(f"{label}must specify 'dims' for {model}")
    if any(dim < 1 and dim != -1 for dim in one.dims):
        raise RepositoryError(
            f"{label}dimension must be integer >= 1, or -1 to indicate a variable-size dimension for {model}"
        )
    if not one.HasField("reshape"):
        return
    shape = list(one.reshape.shape)
    if not shape and not max_batch_size:
        raise RepositoryError(
            f"{label}cannot have empty reshape for non-batching model as scalar tensors are not supported for {model}"
        )
    if any(dim < 1 and dim != -1 for dim in shape):
        raise RepositoryError(
            f"{label}reshape dimensions must be integer >= 1, or -1 to indicate a variable-size dimension for {model}"
        )
    if _counts(one.dims) != _counts(shape):
        raise RepositoryError(f"{label}has different size for dims and reshape for {model}")


def _counts(dims: Sequence[int]) -> list[int]:
    """The numbers of elements between open lengths."""
    counts: list[list[int]] = [[]]
    for dim in dims:
        if dim == -1:
            counts.append([])
        else:
            counts[-1].append(dim)
    return [math.prod(each) for each in counts]


def _text(shape: Sequence[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
