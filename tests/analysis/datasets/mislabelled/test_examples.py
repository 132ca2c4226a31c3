"""The nearest of a class to some rows, beside all distances."""

from __future__ import annotations

import numpy as np

from analysis.datasets.mislabelled.examples import nearest_of_classes
from rows.vectors.table import VectorTable


def test_nearest_of_a_class_are_those_of_all_distances() -> None:
    """In the order asked for; a row is not its own example; a class of two has no third, an empty one none."""
    vectors = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    members = {0: np.arange(0, 40, 2), 1: np.array([5, 9]), 2: np.array([], np.int64)}
    rows, wanted = np.array([12, 3, 9, 7]), np.array([0, 0, 1, 2])
    found = nearest_of_classes(VectorTable.from_arrays(vectors), rows, wanted, members, 3, distance="euclidean")
    apart = np.linalg.norm(vectors[:, None].astype(np.float64) - vectors[None], axis=-1)
    for row, code, near in zip(rows.tolist(), wanted.tolist(), found, strict=True):
        others = [each for each in members[code].tolist() if each != row]
        expected = sorted(others, key=lambda each: apart[row, each])[:3]
        assert [each for each, _ in near] == expected
        np.testing.assert_allclose([distance for _, distance in near], apart[row, expected], rtol=1e-5)
    assert [len(each) for each in found] == [3, 3, 1, 0]
