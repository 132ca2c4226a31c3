"""Packing and windows under the Scorer, alone."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from artifact.kinds import KINDS, embedding_name
from artifact.modes import image_names
from rows.images import ImageRef
from serving.client.batches.packing import pack, place_of, unpack
from serving.client.windows import Seen, Window

INPUTS = [image_names(kind, mode) for kind in KINDS for mode in ("branch", "full")]


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


@pytest.mark.parametrize("held", ["bytes", "pixels"])
def test_a_part_knows_an_image_again_without_keeping_it(held: str) -> None:
    """What a table holds is known by its content, so that memory has a window of it and not a part."""

    def image(value: int) -> ImageRef:
        if held == "bytes":
            return ImageRef(data=bytes([value]) * 1000)
        return ImageRef.of_pixels(np.full((10, 10, 3), value, np.uint8))

    seen = Seen(dim=2)
    first = Window({"left": [image(1), image(2)], "right": [image(2), image(1)]}, seen)
    kept = [weakref.ref(each.pixels) for each in first.fresh if each.pixels is not None]
    assert (len(first.fresh), len(kept)) == (2, 2 if held == "pixels" else 0)
    again = Window({"left": [image(2), image(3)], "right": [image(1), image(3)]}, seen)
    assert [each.read() for each in again.fresh] == [image(3).read()]
    del first, again
    assert all(reference() is None for reference in kept)
    assert all(isinstance(key, bytes) and len(key) == 32 for key in seen.numbers)
