"""A request as it comes off the wire: what is large in it is left where it is, tensors without number are refused.

Parsed, a tensor of two bytes takes a hundred, and raw contents are copied twice. So the fields of a large message and
of its tensors are looked at before protobuf sees it, which then gets it without the raw contents; a small message goes
there unseen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tritonclient.grpc import service_pb2 as messages

from artifact.errors import InvalidRequestError, LookalikeError
from serving.embedded.requests.bounds import MOST_NAMED, require_few

_SMALL_BYTES = 64 * 1024
_MOST_OTHERS = 16 * MOST_NAMED
"""Fields that are none of those counted by name."""
_FIELDS = messages.ModelInferRequest.DESCRIPTOR.fields_by_name
_NAMED = {_FIELDS[name].number: name for name in ("parameters", "inputs", "outputs", "raw_input_contents")}
_TENSORS = {
    _FIELDS[name].number: {_FIELDS[name].message_type.fields_by_name["parameters"].number: "parameters of tensors"}
    for name in ("inputs", "outputs")
}
_RAW = _FIELDS["raw_input_contents"].number
_Place = tuple[int, int, int, int]
"""Where a field is, its number, and where what it holds begins and ends."""


class ReceivedRequest(NamedTuple):
    """A request off the wire.

    Attributes:
        message: the ModelInferRequest; that of a large one lacks its raw contents. An empty one if there is an `error`.
        raw: its raw contents, bytes or views of the bytes that came.
        num_bytes: of all of it.
        error: why it was not parsed.
    """

    message: Any
    raw: Sequence[bytes | memoryview]
    num_bytes: int
    error: LookalikeError | None = None


def received_request(data: bytes) -> ReceivedRequest:
    """A ModelInferRequest; raises what protobuf raises for bytes that are no message."""
    if len(data) > _SMALL_BYTES:
        try:
            large = _large_fields(data)
        except InvalidRequestError as error:
            return ReceivedRequest(messages.ModelInferRequest(), (), len(data), error)
        except (IndexError, ValueError):
            pass  # protobuf says better what is wrong
        else:
            return _apart(data, large)
    message = messages.ModelInferRequest.FromString(data)
    return ReceivedRequest(message, message.raw_input_contents, len(data))


def _apart(data: bytes, large: Sequence[_Place]) -> ReceivedRequest:
    """A message parsed without its raw contents, which are views."""
    whole, place = memoryview(data), 0
    others, raw = [], []
    for at, _, start, end in large:
        others.append(whole[place:at])
        raw.append(whole[start:end])
        place = end
    message = messages.ModelInferRequest.FromString(b"".join([*others, whole[place:]]))
    return ReceivedRequest(message, raw, len(data))


def _large_fields(data: bytes) -> list[_Place]:
    """Where raw contents are; raises InvalidRequestError where fields are too many, IndexError or ValueError for what
    cannot be a message."""
    counts: Counter[str] = Counter()
    fields = list(_fields(data, 0, len(data), _NAMED, counts))
    tensors = [one for one in fields if one[1] in _TENSORS]
    if sum(end - start for _, _, start, end in tensors) > _SMALL_BYTES:
        for _, number, start, end in tensors:
            for _ in _fields(data, start, end, _TENSORS[number], counts):
                pass
    return [one for one in fields if one[1] == _RAW]


def _fields(data: bytes, place: int, end: int, named: Mapping[int, str], counts: Counter[str]) -> Iterator[_Place]:
    """The fields of a message that hold messages, texts or bytes; raises InvalidRequestError where fields are too many.

    Args:
        named: the fields that are counted by a name of their own.
        counts: of all that were seen in the request.
    """
    while place < end:
        tag, start = _varint(data, place)
        number, kind = tag >> 3, tag & 7
        if kind == 2:
            size, start = _varint(data, start)
            at, place = place, start + size
            yield at, number, start, place
        elif kind == 0:
            _, place = _varint(data, start)
        elif kind in (1, 5):
            place = start + (8 if kind == 1 else 4)
        else:
            raise ValueError("groups are not of this protocol")
        what = named.get(number, "fields")
        counts[what] += 1
        if what != "fields" or counts[what] > _MOST_OTHERS:
            require_few(counts[what], what)
    if place != end:
        raise ValueError("cut off")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("no varint")
