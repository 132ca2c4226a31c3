"""Re-ranking against the authors' dense way."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.evaluation.labelled_tables import evaluate
from analysis.evaluation.reranking import MAX_ROWS, require_rerankable, reranker
from analysis.search.index import Index
from analysis.search.reranked import RerankedSearch
from artifact.errors import UsageError
from rows.vectors.table import VectorTable
from tests.analysis.reranking.dense_reference import mean_largest, reranked, squares_between


def clustered(num_rows: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors around 8 centres that overlap, and their classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 8, num_rows)
    centres = rng.normal(size=(8, 6))
    return (centres[labels] + 0.8 * rng.normal(size=(num_rows, 6))).astype(np.float32), labels


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("distance", ["euclidean", "squared_euclidean", "cosine"])
@pytest.mark.parametrize("num_rows", [2, 9, 300])
def test_reranked_distances_are_those_of_the_dense_way(distance: str, num_rows: int) -> None:
    """Every pair of rows, with fewer rows than neighbours too."""
    vectors, _ = clustered(num_rows)
    squares = squares_between(unit(vectors) if distance == "cosine" else vectors)
    plain = {"euclidean": squares**0.5, "squared_euclidean": squares, "cosine": squares / 2}[distance]
    order = np.random.default_rng(1).permutation(num_rows)
    found = plain[:, order].astype(np.float32)
    reranker(vectors, distance=distance)(np.arange(num_rows), order, found)
    np.testing.assert_allclose(found, reranked(squares, mean_largest(squares))[:, order], atol=2e-5)


def test_reranked_ranks_differ_from_plain_ones() -> None:
    """The reference itself does something."""
    squares = squares_between(clustered(300)[0])
    again = reranked(squares, mean_largest(squares))
    assert (np.argsort(again, axis=1)[:, 1] != np.argsort(squares, axis=1)[:, 1]).mean() > 0.1


def test_evaluate_reranked_tells_the_figures_of_the_dense_way() -> None:
    """recall@1 and its gain, counted by hand from the dense distances."""
    vectors, labels = clustered(300)
    table = VectorTable.from_arrays(vectors, {"id": [str(row) for row in range(300)], "label": labels})
    found = evaluate(table, "label", distance="euclidean", bootstrap=0, rerank=True)
    squares = squares_between(vectors)
    again = reranked(squares, mean_largest(squares))
    for values, name in ((squares, "recall@1"), (again, "reranked")):
        np.fill_diagonal(values, np.inf)
        recall = float((labels[values.argmin(axis=1)] == labels).mean())
        told = found["recall@1"] if name == "recall@1" else found["reranked"]["recall@1"]
        assert told == pytest.approx(recall, abs=1e-9)
    gain = found["reranked"]["recall@1"] - found["recall@1"]
    assert found["reranked"]["recall@1_gain"] == pytest.approx(gain)
    assert found["reranked"]["mAP"] > found["mAP"]
    assert "reranked" not in evaluate(table, "label", distance="euclidean", bootstrap=0)


def test_evaluate_reranked_refuses_too_many_rows() -> None:
    """In one line that says how many."""
    require_rerankable(MAX_ROWS)
    with pytest.raises(UsageError, match="at most 100,000 rows with a label, got 100,001"):
        require_rerankable(MAX_ROWS + 1)


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_reranked_search_is_the_dense_way_among_the_rows_and_the_query(distance: str) -> None:
    """Each query stands among the rows by itself; the second asks what the first has left known."""
    vectors, _ = clustered(260)
    queries, rows = vectors[:3], vectors[3:]
    names = [f"r{row}" for row in range(len(rows))]
    table = VectorTable.from_arrays(rows, {"id": names})
    index = Index.build(table, distance=distance, kind="flat")
    answers = RerankedSearch(index).search(queries, 10)
    prepared = unit(vectors) if distance == "cosine" else vectors
    scale = mean_largest(squares_between(prepared[3:]))
    plain = index.search(queries, 50)
    for query, found, near in zip(prepared, answers, plain, strict=False):
        among = np.concatenate([prepared[3:], query[None]])
        expected = reranked(squares_between(among), scale)[-1, :-1]
        depth = [int(row["id"][1:]) for row in near]
        best = sorted(depth, key=lambda row: expected[row])[:10]
        assert [row["id"] for row in found] == [f"r{row}" for row in best]
        np.testing.assert_allclose([row["reranked_distance"] for row in found], expected[best], atol=1e-5)
        told = {row["id"]: row["distance"] for row in near}
        assert all(row["distance"] == told[row["id"]] for row in found)


def test_reranked_search_through_codes_finds_nearly_the_same() -> None:
    """Neighbours of neighbours come through an approximate index as well."""
    vectors, _ = clustered(300)
    table = VectorTable.from_arrays(vectors[20:], {"id": [str(row) for row in range(280)]})
    found = [
        RerankedSearch(Index.build(table, distance="euclidean", kind=kind)).search(vectors[:20], 10)
        for kind in ("flat", "rabitq")
    ]
    same = [len({row["id"] for row in a} & {row["id"] for row in b}) for a, b in zip(*found, strict=True)]
    assert np.mean(same) > 8.5


def test_reranked_search_of_few_rows_and_of_none() -> None:
    """One row has no neighbours to share, no row no answers; k may be more than there are."""
    rows = np.eye(3, dtype=np.float32)
    names = ["a", "b", "c"]
    whole = Index.build(VectorTable.from_arrays(rows, {"id": names}), distance="euclidean")
    assert RerankedSearch(whole).search(rows[:1], 9)[0][0]["id"] == "a"
    one = whole.where("id = 'b'")
    assert RerankedSearch(one).search(rows[:1], 2) == one.search(rows[:1], 2)
    assert RerankedSearch(whole.where("id = 'z'")).search(rows[:1], 2) == [[]]
    two = RerankedSearch(whole.where("id <> 'b'")).search(rows[:1], 5)[0]
    assert [row["id"] for row in two] == ["a", "c"]


def test_reranked_search_of_copies_gives_them_first() -> None:
    """All rows at one point, and one elsewhere."""
    rows = np.zeros((30, 4), np.float32)
    rows[29] = 1
    index = Index.build(VectorTable.from_arrays(rows, {"id": [str(row) for row in range(30)]}), distance="euclidean")
    assert [row["id"] for row in RerankedSearch(index).search(rows[29:], 1)[0]] == ["29"]
    assert RerankedSearch(index).search(rows[:1], 30)[0][-1]["id"] == "29"
