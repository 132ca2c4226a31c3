"""Packing under the Scorer, alone."""

from __future__ import annotations

import numpy as np
import pytest

from artifact.kinds import KINDS, embedding_name, input_names
from serving.packing import pack, place_of, unpack

INPUTS = [input_names(kind, mode) for kind in KINDS for mode in ("branch", "full")]


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("num_items", range(1, 14))
def test_unpack_undoes_pack(inputs: tuple[str, ...], num_items: int) -> None:
    """Every item comes back once, in order, whatever fills the last slots."""
    items = np.arange(num_items * 3, dtype=np.float32).reshape(num_items, 3)
    packed = pack(list(items), inputs)
    assert list(packed) == list(inputs)
    assert {len(rows) for rows in packed.values()} == {-(-num_items // len(inputs))}
    outputs = {
        "embedding" if name == "image" else embedding_name(name): np.stack(rows) for name, rows in packed.items()
    }
    np.testing.assert_array_equal(unpack(outputs, inputs, num_items), items)


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("num_items", range(1, 14))
def test_place_of_finds_the_item_in_every_slot(inputs: tuple[str, ...], num_items: int) -> None:
    """Repeated items too: a bad image that fills a slot is still that image."""
    packed = pack(list(range(num_items)), inputs)
    for name, rows in packed.items():
        for row, item in enumerate(rows):
            assert place_of(row, name, inputs, num_items) == item
