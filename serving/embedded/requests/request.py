"""A request for an inference as any transport brings it: what it names and carries, nothing checked against a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from serving.embedded.requests.tensors import Tensor


class Parameter(NamedTuple):
    """A parameter: the field of Triton's InferParameter that holds it (`int64_param`, ...), and its value."""

    kind: str
    value: bool | int | float | str


Parameters = Mapping[str, Parameter]


@dataclass(frozen=True)
class Asked:
    """A requested output."""

    name: str
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        model, version, id: as it says; version "" is the newest served.
        inputs: as they came.
        outputs: those asked for; none stands for all.
        parameters: its own; each tensor has its own too.
    """

    model: str
    version: str
    id: str
    inputs: Sequence[Tensor]
    outputs: Sequence[Asked] = ()
    parameters: Parameters = field(default_factory=dict)
