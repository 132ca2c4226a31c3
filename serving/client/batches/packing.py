"""Images into the inputs of a request and vectors out of its outputs; every stream of a full artifact is a slot.

K images fill S streams of N = ceil(K / S) rows, stream after stream: image i is row i % N of stream i // N. The last
image is repeated where the slots are more. A branch artifact is the case S = 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from artifact.arrays import Vectors
from artifact.modes import vector_names

Item = TypeVar("Item")


def pack(items: Sequence[Item], inputs: Sequence[str]) -> dict[str, list[Item]]:
    """Lay out K >= 1 items: {input: N items}."""
    rows = -(-len(items) // len(inputs))
    slots = [*items, *[items[-1]] * (rows * len(inputs) - len(items))]
    return {name: slots[place * rows : (place + 1) * rows] for place, name in enumerate(inputs)}


def unpack(outputs: Mapping[str, Vectors], inputs: Sequence[str], num_items: int) -> Vectors:
    """The vectors of the packed images in their order: float32 [K, n]."""
    return np.concatenate([outputs[name] for name in vector_names(inputs)])[:num_items]


def place_of(row: int, stream: str, inputs: Sequence[str], num_items: int) -> int:
    """Which of the K items lies in a row of a stream."""
    rows = -(-num_items // len(inputs))
    return min(inputs.index(stream) * rows + row, num_items - 1)
