"""The answer to a request for an inference: the model found, the request checked against it, its outputs as told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from artifact.arrays import AnyArray
from serving.embedded.models.store import ModelStore
from serving.embedded.requests.caller import Caller, Presence
from serving.embedded.requests.parameters import class_counts
from serving.embedded.requests.request import Request
from serving.embedded.requests.signature import Signature, request_label
from serving.embedded.requests.tensors import largest
from serving.protocol import BYTES, join_strings


@dataclass(frozen=True)
class Output:
    """One output of an answer.

    Attributes:
        data: the array, or framed BYTES.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: AnyArray | bytes


@dataclass(frozen=True)
class Answer:
    """Outputs of one version; `digest` is that of the artifact whose vectors they are, or empty."""

    version: int
    digest: str
    outputs: tuple[Output, ...]


def answer(
    store: ModelStore,
    model: str,
    version: str,
    read: Callable[[Signature], Request],
    *,
    num_bytes: int,
    presence: Presence,
) -> Answer:
    """Run a request.

    Args:
        model, version: what the request names.
        read: gives the request itself to a model of that signature, its parameters checked; called once the model was
            found and there is room.
        num_bytes: its size, which counts until it is answered.
        presence: whether its client is still there.

    Raises:
        LookalikeError, ImageError: whatever refuses it.
    """
    with store.running(model, version, num_bytes=num_bytes) as servable:
        request = read(servable.signature)
        classes = class_counts(request.outputs)
        specs = servable.signature.read_outputs([output.name for output in request.outputs])
        num_rows, inputs = servable.signature.read_inputs(request.inputs, label=request_label(request.id))
        arrays = servable.infer(inputs, num_rows, caller=_caller(request, presence))
        outputs = []
        for spec in specs:
            array = arrays[spec.name]
            if spec.name in classes:
                rows = largest(array, classes[spec.name])
                framed = join_strings(text for row in rows for text in row)
                outputs.append(Output(spec.name, BYTES, (len(rows), len(rows[0])), framed))
            else:
                data = _framed(array) if spec.datatype == BYTES else array
                outputs.append(Output(spec.name, spec.datatype, array.shape, data))
        return Answer(servable.version, servable.digest, tuple(outputs))


def _caller(request: Request, presence: Presence) -> Caller:
    """What a request asks of the queue; `check_parameters` has seen that these are whole numbers."""
    priority, timeout = (request.parameters.get(name) for name in ("priority", "timeout"))
    return Caller(presence, int(priority.value) if priority else 0, max(0, int(timeout.value)) if timeout else 0)


def _framed(array: AnyArray) -> bytes:
    """An array of bytes objects or texts, which onnxruntime gives, as BYTES."""
    return join_strings(one if isinstance(one, bytes) else str(one).encode() for one in array.flat)
