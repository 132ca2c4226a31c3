"""The three kinds of embedding model: their streams, and the pairs of streams whose distance a full artifact gives.

A new kind is one line in KINDS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BRANCH_INPUT = "image"
BRANCH_OUTPUT = "embedding"
ATTRIBUTES = "attributes"
"""The input of an attribute tower, and the mode of its artifact."""


@dataclass(frozen=True)
class Kind:
    """Name, streams in order, and the stream pairs whose distance a full artifact gives."""

    name: str
    streams: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]


KINDS: dict[str, Kind] = {
    "siamese": Kind("siamese", ("left", "right"), (("left", "right"),)),
    "triplet": Kind("triplet", ("anchor", "positive", "negative"), (("anchor", "positive"), ("anchor", "negative"))),
    "quartet": Kind(
        "quartet",
        ("anchor", "positive", "negative", "negative2"),
        (("anchor", "positive"), ("anchor", "negative"), ("anchor", "negative2"), ("negative", "negative2")),
    ),
}


def embedding_name(stream: str) -> str:
    """Output name of one stream's vector in a full artifact."""
    return f"embedding_{stream}"


def distance_name(pair: Sequence[str]) -> str:
    """Output name of the distance between two streams."""
    return f"distance_{pair[0]}_{pair[1]}"
