"""Classes of two sets: shares, which have moved and how far, and labels of any type."""

from typing import Any

import numpy as np
import pytest

from analysis.datasets.comparison.class_shifts import ClassShift, class_shifts, read_labels
from analysis.datasets.comparison.two_sets import join_sets
from artifact.errors import DataError
from rows.vectors.table import VectorTable


def labelled(vectors: np.ndarray, labels: list[Any]) -> VectorTable:
    return VectorTable.from_arrays(vectors.astype(np.float32), {"label": labels})


def shifts_of(a: VectorTable, b: VectorTable) -> dict[str, ClassShift]:
    sets = join_sets(a, b, distance="euclidean")
    found = class_shifts(sets, *read_labels(a, b, "label"), alpha=0.05, count=199, seed=0)
    return {each.name: each for each in found}


def test_the_class_that_moved_comes_first_with_how_far() -> None:
    """Four classes of eight dims; one has moved by 2, which over its own spread of sqrt(8) is .71; one is new in B."""
    rng = np.random.default_rng(0)
    of_a, of_b = np.repeat(list("wxyz"), [50, 60, 80, 10]), np.repeat(list("wxyzn"), [50, 60, 20, 3, 67])
    a, b = rng.normal(size=(200, 8)), rng.normal(size=(200, 8))
    b[of_b == "x", 0] += 2
    found = shifts_of(labelled(a, of_a.tolist()), labelled(b, of_b.tolist()))
    assert next(iter(found)) == "x"
    moved = found["x"]
    assert moved.shift == pytest.approx(2 / np.sqrt(8), abs=0.1)
    assert moved.p_value == pytest.approx(3 / 200)  # three were tested
    assert found["w"].p_value is not None
    assert found["w"].p_value > 0.05
    assert found["w"].shift is not None
    assert found["w"].shift < 0.25
    assert (found["z"].p_value, found["n"].p_value, found["n"].count_a, found["n"].count_b) == (None, None, 0, 67)
    assert (found["y"].share_a, found["y"].share_b, found["y"].difference) == (0.4, 0.1, pytest.approx(-0.3))
    assert found["y"].high < 0 < found["n"].low
    assert found["w"].low < 0 < found["w"].high


def test_classes_of_one_population_rarely_differ() -> None:
    """Of 30 pairs of ten classes at most 4 have one that is called moved: p-values are corrected for all ten."""
    called = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        labels = np.repeat(np.arange(10), 12).tolist()
        found = shifts_of(*(labelled(rng.normal(size=(120, 3)), labels) for _ in range(2)))
        called += min(each.p_value for each in found.values() if each.p_value is not None) <= 0.05
    assert called <= 4


def test_labels_are_compared_as_text_and_none_is_no_class() -> None:
    """7 and "7" and 7.0 are one class; null, NaN and "" are none; other characters are."""
    a = labelled(np.eye(4), [7, None, 8, 7])
    b = labelled(np.eye(4), ["7", "", "ß", "ß"])
    codes, names = read_labels(a, b, "label")
    assert names == ["7", "8", "ß"]
    assert codes.tolist() == [0, -1, 1, 0, 0, -1, 2, 2]
    codes, names = read_labels(labelled(np.eye(2), [7.0, float("nan")]), a, "label")
    assert (codes.tolist(), names) == ([0, -1, 0, -1, 1, 0], ["7", "8"])


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([None, None], 'label column "label": expected a label in some rows, got none (vectors in memory)'),
        ([[1], [2]], "labels: expected one word or number a row, got lists or structs"),
    ],
)
def test_a_column_that_holds_no_classes_is_refused(labels: list[Any], text: str) -> None:
    """One line each."""
    with pytest.raises(DataError) as caught:
        read_labels(labelled(np.eye(2), ["a", "b"]), labelled(np.eye(2), labels), "label")
    assert str(caught.value) == text
