"""Rows through a cache: the same answers as without one, from fewer runs; faults told to whom they concern."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.errors import UnavailableError
from artifact.images.image_batch import BadImagesError
from serving.embedded.cache.cache import Lookup, RowCache
from serving.embedded.cache.kept_rows import entry_bytes
from serving.embedded.cache.layout import Layout
from tests.shared.cached_sums import UNLUCKY, UNREADABLE, Sums

ENTRY = entry_bytes(bytes(8))


@given(
    st.integers(0, 6),
    st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 9), min_size=1, max_size=6)), max_size=25),
)
def test_answers_and_runs_are_those_of_a_plain_dict(num_kept: int, requests: list[tuple[bool, list[int]]]) -> None:
    """Any requests to two models that share a cache of few entries: right answers, and a run of just what is unknown.

    The reference is a dict in order of use, cut to so many entries.
    """
    cache = RowCache(num_kept * ENTRY)
    models = {which: Sums(facts=str(which), factor=1 + which, cache=cache) for which in (False, True)}
    known: dict[tuple[bool, int], None] = {}
    for which, values in requests:
        model, lookup = models[which], Lookup()
        model.runs.clear()
        distinct = list(dict.fromkeys(values))
        unknown = [value for value in distinct if (which, value) not in known]
        assert model(values, lookup=lookup) == model.plain(values)
        assert model.runs == ([unknown] if unknown else [])
        assert lookup.num_run == len(unknown)
        for value in [value for value in distinct if value not in unknown] + unknown:
            known.pop((which, value), None)
            known[which, value] = None
        known = dict(list(known.items())[len(known) - num_kept if len(known) > num_kept else 0 :])
        assert cache.state.num_entries == len(known)
        assert cache.state.num_bytes == len(known) * ENTRY <= cache.state.max_bytes


def test_layout_gives_every_bit_back() -> None:
    """Outputs of different widths, with NaN, infinities and negative zero, come back bit by bit."""
    bits = np.random.default_rng(0).integers(0, 2**32, 40, np.uint32)
    bits[:5] = 0x7FC00001, 0x7F800000, 0xFF800000, 0x80000000, 0x00000001
    a, b = bits[:32].view(np.float32).reshape(8, 4), bits[32:].view(np.float32).reshape(8, 1)
    layout = Layout({"a": 4, "b": 1})
    rows = layout.rows({"b": b, "a": a}, 8)
    assert [len(row) for row in rows] == [20] * 8
    back = layout.arrays([rows[i] for i in (7, 0, 0)])
    assert list(back) == ["a", "b"]
    for name, array in (("a", a), ("b", b)):
        assert back[name].dtype == np.float32
        assert back[name].tobytes() == array[[7, 0, 0]].tobytes()


def test_known_rows_leave_a_smaller_run() -> None:
    """A request of known, new and repeated rows runs each new one once."""
    sums, lookup = Sums(), Lookup()
    sums([1, 2])
    assert sums([3, 1, 3, 2, 4], lookup=lookup) == sums.plain([3, 1, 3, 2, 4])
    assert sums.runs == [[1, 2], [3, 4]]
    assert lookup.num_run == 2
    assert lookup.ns > 0


def test_failed_rows_are_not_kept() -> None:
    """A run that fails leaves nothing, also of the rows beside the one at fault; these can be had later."""
    sums = Sums()
    for _ in range(2):
        with pytest.raises(ValueError, match="13 is unlucky"):
            sums([1, UNLUCKY])
    assert sums([1]) == sums.plain([1])
    assert sums.runs == [[1, UNLUCKY], [1, UNLUCKY], [1]]


def test_bad_images_are_named_as_without_a_cache() -> None:
    """Known rows and repeated ones change neither the row numbers nor the counts of the line about bad images."""
    sums = Sums()
    sums([1, 2])
    with pytest.raises(BadImagesError) as refused:
        sums([1, UNREADABLE, 3, 2, UNREADABLE])
    expected = BadImagesError([(1, "x", "no image"), (4, "x", "no image")], 5)
    assert str(refused.value) == str(expected)
    assert refused.value.bad == expected.bad
    assert sums.runs[1:] == [[UNREADABLE, 3]]


def test_row_larger_than_the_cache_is_answered() -> None:
    """A cache too small for a single row keeps none and disturbs nothing."""
    sums = Sums(ENTRY - 1)
    assert [sums([5, 5]), sums([5])] == [sums.plain([5, 5]), sums.plain([5])]
    assert sums.runs == [[5], [5]]
    assert sums.cache.state == (0, 0, ENTRY - 1, 0)


def test_refused_request_leaves_nothing_behind() -> None:
    """A run that finds the queue full is no outcome of the row: the next request runs it."""
    sums = Sums()
    run, sums._run = sums._run, _full  # type: ignore[method-assign]
    with pytest.raises(UnavailableError):
        sums([1])
    sums._run = run  # type: ignore[method-assign]
    assert sums([1]) == sums.plain([1])
    assert not sums.cache._flights


def _full(*_: object) -> dict[str, np.ndarray]:
    raise UnavailableError("Exceeds maximum queue size")
