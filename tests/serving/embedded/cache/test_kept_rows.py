"""What is kept: a bound in bytes with keys and bookkeeping, and the least recently used go first."""

from __future__ import annotations

import hashlib
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.embedded.cache.kept_rows import KeptRows, entry_bytes


def key_of(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(8, "little")).digest()


@given(
    st.integers(0, 2000),
    st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 700)), max_size=60),
)
def test_kept_rows_are_those_of_a_plain_list(max_bytes: int, steps: list[tuple[bool, int, int]]) -> None:
    """Puts and gets of any size and order do what a list, oldest use first, does when it is searched and cut."""
    kept, plain = KeptRows(max_bytes), list[tuple[bytes, bytes]]()
    num_evicted = 0
    for is_put, number, size in steps:
        key, row = key_of(number), bytes([number]) * size
        there = [entry for entry in plain if entry[0] == key]
        if is_put:
            kept.put(key, row)
            plain = [entry for entry in plain if entry[0] != key]
            if entry_bytes(row) <= max_bytes:
                plain.append((key, row))
                while sum(entry_bytes(each) for _, each in plain) > max_bytes:
                    plain.pop(0)
                    num_evicted += 1
        else:
            assert kept.get(key) == (there[0][1] if there else None)
            plain = [entry for entry in plain if entry[0] != key] + there
        assert (len(kept), kept.num_evicted) == (len(plain), num_evicted)
        assert kept.num_bytes == sum(entry_bytes(each) for _, each in plain) <= max_bytes
    assert [kept.get(key) for key, _ in plain] == [row for _, row in plain]


@pytest.mark.parametrize(("num_bytes", "max_bytes"), [(16, 4 * 10**5), (512, 10**6), (16, 1_500_000)])
def test_bound_holds_in_memory(num_bytes: int, max_bytes: int) -> None:
    """Filled three times over, the memory that Python takes is within the bound, and half of it at least is used."""
    rows = [(key_of(number), bytes(num_bytes)) for number in range(3 * max_bytes // entry_bytes(bytes(num_bytes)))]

    tracemalloc.start()
    try:
        kept = KeptRows(max_bytes)
        before = tracemalloc.get_traced_memory()[0]
        for key, row in rows:
            kept.put(bytes(bytearray(key)), bytes(bytearray(row)))
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0.5 * max_bytes < taken <= max_bytes
    assert kept.num_bytes > max_bytes - entry_bytes(bytes(num_bytes))
