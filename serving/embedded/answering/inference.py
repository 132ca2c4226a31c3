"""The answer to a request for an inference: the model found, the request checked against it, its outputs as told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from artifact.arrays import AnyArray
from serving.embedded.answering.refusals import refused_as
from serving.embedded.models.servables import Servable
from serving.embedded.models.store import ModelStore
from serving.embedded.operations.recorder import Recorder
from serving.embedded.requests.caller import Caller, Presence
from serving.embedded.requests.origin import UNKNOWN, Origin
from serving.embedded.requests.parameters import class_counts
from serving.embedded.requests.request import Request
from serving.embedded.requests.signature import Signature, request_label
from serving.embedded.requests.tensors import largest
from serving.embedded.requests.timings import Timings
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
    recorder: Recorder | None = None,
    origin: Origin = UNKNOWN,
) -> Answer:
    """Run a request.

    Args:
        model, version: what the request names.
        read: gives the request itself to a model of that signature, its parameters checked; called once the model was
            found and there is room.
        num_bytes: its size, which counts until it is answered.
        presence: whether its client is still there.
        recorder: is told how it ended.
        origin: the call that brought it.

    Raises:
        LookalikeError, ImageError: whatever refuses it.
    """
    timings, request = Timings(), None
    try:
        with store.running(model, version, num_bytes=num_bytes) as servable:
            request = read(servable.signature)
            answered = _answer(servable, request, presence, timings)
    except Exception as error:
        if recorder is not None:
            (code, text), request_id = refused_as(error), request.id if request else ""
            recorder.refused(model, version, request_id, num_bytes, origin, timings, code=code.value, text=text)
        raise
    if recorder is not None:
        recorder.answered(model, answered.version, request.id, num_bytes, origin, timings)
    return answered


def note_refused(
    recorder: Recorder | None, error: Exception, origin: Origin, model: str = "", version: str = "", num_bytes: int = 0
) -> None:
    """Have a request recorded that was refused before it could be read."""
    if recorder is not None:
        code, text = refused_as(error)
        recorder.refused(model, version, "", num_bytes, origin, Timings(), code=code.value, text=text)


def _answer(servable: Servable, request: Request, presence: Presence, timings: Timings) -> Answer:
    classes = class_counts(request.outputs)
    specs = servable.signature.read_outputs([output.name for output in request.outputs])
    num_rows, inputs = servable.signature.read_inputs(request.inputs, label=request_label(request.id))
    timings.num_rows = num_rows
    arrays = servable.infer(inputs, num_rows, caller=_caller(request, presence, timings))
    outputs = []
    for spec in specs:
        array = arrays[spec.name]
        if spec.name in classes:
            has_batch = servable.signature.max_rows > 0
            rows = largest(array, classes[spec.name], spec, has_batch=has_batch)
            framed = join_strings(text for row in rows for text in row)
            batch = (len(rows),) if has_batch else ()
            outputs.append(Output(spec.name, BYTES, (*batch, len(rows[0])), framed))
        else:
            data = _framed(array) if spec.datatype == BYTES else array
            outputs.append(Output(spec.name, spec.datatype, array.shape, data))
    return Answer(servable.version, servable.digest, tuple(outputs))


def _caller(request: Request, presence: Presence, timings: Timings) -> Caller:
    """What a request asks of the queue; `check_parameters` has seen that these are whole numbers."""
    priority, timeout = (request.parameters.get(name) for name in ("priority", "timeout"))
    hurry = int(priority.value) if priority else 0
    return Caller(presence, hurry, max(0, int(timeout.value)) if timeout else 0, timings)


def _framed(array: AnyArray) -> bytes:
    """An array of bytes objects or texts, which onnxruntime gives, as BYTES."""
    return join_strings(one if isinstance(one, bytes) else str(one).encode() for one in array.flat)
