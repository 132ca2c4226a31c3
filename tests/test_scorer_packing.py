"""Packing and the pipeline under the Scorer, alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from artifact.kinds import KINDS, embedding_name, input_names
from serving.packing import pack, place_of, unpack
from serving.pipeline import in_order

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


def test_in_order_keeps_the_order_and_the_bound() -> None:
    """The first task ends last; no more than `ahead` are taken meanwhile."""
    taken = 0
    others_done = threading.Event()

    def task(number: int) -> int:
        if number == 0:
            assert others_done.wait(10)
        if number == 3:
            others_done.set()
        return number

    def tasks() -> Iterator[Callable[[], int]]:
        nonlocal taken
        for number in range(20):
            taken += 1
            yield partial(task, number)

    with ThreadPoolExecutor(2) as pool:
        results = in_order(tasks(), pool, ahead=4)
        for number, result in enumerate(results):
            assert result == number
            assert taken <= number + 4


def test_in_order_raises_the_first_failure_and_cancels_what_has_not_begun() -> None:
    """Also what was submitted before the failure was seen."""
    ran: list[int] = []

    def task(number: int) -> None:
        ran.append(number)
        if number == 1:
            raise KeyError(number)

    with ThreadPoolExecutor(1) as pool:
        blocked = threading.Event()
        results = in_order((partial(task, number) for number in range(50)), pool, ahead=3)
        next(results)
        pool.submit(blocked.wait, 10)  # stands before task 3, which is submitted next
        with pytest.raises(KeyError, match="1"):
            next(results)
        blocked.set()
    assert set(ran) - {2} == {0, 1}  # task 2 may have begun before the failure was seen
