"""Keys of rows: SHA-256 of the bytes and of all that the vectors depend on, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.embedded.cache.keys import KEY_BYTES, RowKeys

FACTS = {"digest": "d"}


def encoded(*rows: bytes) -> np.ndarray:
    array = np.empty((len(rows), 1), object)
    array[:, 0] = rows
    return array


def test_key_is_the_sha256_of_facts_and_streams() -> None:
    """The key of a row by hand: hash of the facts, then length and bytes of each stream."""
    pixels = np.arange(2 * 2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 2, 3)
    facts = hashlib.sha256(json.dumps(FACTS, separators=(",", ":")).encode()).digest()
    for array, parts in ((pixels, [row.tobytes() for row in pixels]), (encoded(b"ab", b""), [b"ab", b""])):
        expected = [hashlib.sha256(facts + len(part).to_bytes(8, "little") + part).digest() for part in parts]
        assert RowKeys(FACTS).of({"image": array}, 2) == expected
    assert KEY_BYTES == 32


def test_equal_rows_have_equal_keys_wherever_they_stand() -> None:
    """The key is the row's own: neither its place, nor its neighbours, nor how its array lies in memory."""
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), np.uint8)
    keys = RowKeys(FACTS).of({"image": pixels}, 6)
    assert len(set(keys)) == 6
    assert RowKeys(FACTS).of({"image": pixels[[4, 4, 1]]}, 3) == [keys[4], keys[4], keys[1]]
    assert RowKeys(FACTS).of({"image": np.asfortranarray(pixels)}, 6) == keys
    assert RowKeys(FACTS).of({"image": np.repeat(pixels, 2, axis=0)[::2]}, 6) == keys


@pytest.mark.parametrize("other", [{"digest": "e"}, {"digest": "d", "limits": 1}, {"digest": ["d"]}, {}])
def test_other_facts_give_other_keys(other: dict[str, Any]) -> None:
    """Another artifact, other limits or other outputs share no key."""
    image = {"image": encoded(b"picture")}
    assert RowKeys(FACTS).of(image, 1) != RowKeys(other).of(image, 1)


@given(st.lists(st.tuples(st.binary(max_size=4), st.binary(max_size=4)), min_size=2, max_size=20))
def test_streams_never_run_into_each_other(rows: list[tuple[bytes, bytes]]) -> None:
    """Two rows of two streams have one key only if both streams are equal, however their bytes are cut."""
    streams = {name: encoded(*(row[at] for row in rows)) for at, name in enumerate(("anchor", "positive"))}
    keys = RowKeys(FACTS).of(streams, len(rows))
    assert len(set(keys)) == len(set(rows))
    assert [keys.index(key) for key in keys] == [rows.index(row) for row in rows]
