"""Labels to judge: each once for each vector that carries it."""

from __future__ import annotations

import numpy as np

from analysis.datasets.mislabelled.cases import label_cases


def test_different_vectors_are_one_case_a_row() -> None:
    """Nothing is merged, nothing is copied."""
    vectors = np.arange(8, dtype=np.float32).reshape(4, 2)
    cases = label_cases(vectors, np.array([0, 1, 0, 1]))
    assert cases.vectors is vectors
    assert cases.of_row.tolist() == [0, 1, 2, 3]
    assert not cases.disagreeing.any()


def test_copies_are_one_vector_that_stands_for_most_of_them() -> None:
    """Two of three say 1, so it votes 1, and 0 is judged too; where one says 0 and one 1, it votes for nothing."""
    vectors = np.float32([[1, 0], [2, 2], [1, -0.0], [1, 0], [3, 3], [3, 3], [2, 2]])
    cases = label_cases(vectors, np.array([1, 0, 1, 0, 0, 1, 0]))
    assert cases.vectors.tolist() == [[1, 0], [2, 2], [3, 3]]
    assert cases.voted.tolist() == [1, 0, -1]
    assert list(zip(cases.vector_of.tolist(), cases.given.tolist(), strict=True)) == [
        (0, 0),
        (0, 1),
        (1, 0),
        (2, 0),
        (2, 1),
    ]
    assert cases.of_row.tolist() == [1, 2, 1, 0, 3, 4, 2]
    assert cases.disagreeing.tolist() == [True, True, False, True, True]
