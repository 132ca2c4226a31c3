"""The completion of a config that leaves out what its ONNX file says: AutoCompleteConfig of Triton's backend."""

from __future__ import annotations

from typing import Any

from tritonclient.grpc import model_config_pb2

from artifact.errors import RepositoryError, UnsupportedError
from artifact.repository.tuning import ModelConfig

DEFAULT_MAX_BATCH_SIZE = 4
"""Of a model whose file allows batches and whose config says nothing: that of Triton's backends."""

_TYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float": "FP32",
    "double": "FP64",
    "string": "STRING",
    "bfloat16": "BF16",
}


def complete(config: ModelConfig, session: Any) -> None:
    """Fill in inputs, outputs, the largest batch and dynamic batching where inputs or outputs are left out.

    Args:
        session: of onnxruntime, over the file.

    Raises:
        RepositoryError: a largest batch for a model that takes no batches.
        UnsupportedError: a tensor of a type that the protocol does not have.
    """
    if config.input and config.output:
        return
    nodes = [*session.get_inputs(), *session.get_outputs()]
    if all(dims and dims[0] == -1 for dims in map(dims_of, nodes)):
        if not config.max_batch_size:
            config.max_batch_size = DEFAULT_MAX_BATCH_SIZE
        if config.max_batch_size > 1 and not config.HasField("dynamic_batching"):
            config.dynamic_batching.SetInParent()
    elif config.max_batch_size:
        raise RepositoryError(
            f"autofill failed for model '{config.name}': model does not support batching while non-zero max_batch_size"
            " is specified"
        )
    for tensors, found in ((config.input, session.get_inputs()), (config.output, session.get_outputs())):
        if not tensors:
            # Triton keeps them in the order of a sorted map
            for node in sorted(found, key=lambda node: node.name):
                _add(tensors, node, has_batch=config.max_batch_size > 0)


def _add(tensors: Any, node: Any, *, has_batch: bool) -> None:
    dims = dims_of(node)[1:] if has_batch else dims_of(node)
    tensor = tensors.add(name=node.name, data_type=type_of(node), dims=dims or [1])
    if not dims and has_batch:
        tensor.reshape.SetInParent()


def dims_of(node: Any) -> list[int]:
    """The shape of an input or output of a session, -1 for a length that is open."""
    return [dim if isinstance(dim, int) else -1 for dim in node.shape]


def type_of(node: Any) -> int:
    """The config's data type of an input or output of a session.

    Raises:
        UnsupportedError: no tensor, or one of a type that the protocol does not have.
    """
    kind = node.type.removeprefix("tensor(").removesuffix(")")
    if not node.type.startswith("tensor(") or kind not in _TYPES:
        raise UnsupportedError(f"tensor {node.name!r} is of type {node.type}, which the protocol does not have")
    return int(model_config_pb2.DataType.Value(f"TYPE_{_TYPES[kind]}"))
