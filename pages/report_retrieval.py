"""Which held-out images find their class and which do not: ranks, the queries worth looking at, and every class.

Decision a reader would question: at equal distance another class ranks first, as in analysis/measures/metrics.py, so vectors
that all lie on one point look as bad as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.neighbours.nearest import nearest
from analysis.neighbours.pairwise import distance_chunks
from artifact.arrays import Indices, Vectors

MAX_QUERIES, MAX_REFERENCES = 2_000, 20_000


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """How queries rank the other images; all arrays are [Q].

    Attributes:
        references: int64 [R], the rows that were ranked; the queries are among them.
        queries: int64, rows that have another image of their class.
        ranks: int64, place of the first image of the query's class; 1 is the nearest.
        wrong: int64, row of the nearest image of another class; -1: there is none.
        wrong_distance: float32, to that image; infinite where there is none.
    """

    references: Indices
    queries: Indices
    ranks: Indices
    wrong: Indices
    wrong_distance: Vectors


def rank_queries(vectors: Vectors, codes: Indices, *, distance: str, seed: int = 0) -> Ranking:
    """Rank the images by distance from each; seeded samples above MAX_REFERENCES images and MAX_QUERIES queries.

    Args:
        vectors: float32 [N, n].
        codes: int64 [N], classes.
        distance: a name in artifact.distances.DISTANCES.
        seed: of the samples.
    """
    rng = np.random.default_rng(seed)
    references = sample(np.arange(len(codes)), MAX_REFERENCES, rng)
    of = codes[references]
    queries = sample(references[np.bincount(of)[of] > 1], MAX_QUERIES, rng)
    ranks, wrong = np.zeros(len(queries), np.int64), np.full(len(queries), -1, np.int64)
    wrong_distance = np.full(len(queries), np.inf, np.float32)
    for first, distances in distance_chunks(vectors[queries], vectors[references], distance=distance):
        rows = queries[first : first + len(distances)]
        part = slice(first, first + len(distances))
        same = codes[rows, None] == of  # [rows, R]
        right = np.where(same & (rows[:, None] != references), distances, np.inf).min(axis=1)
        others = np.where(same, np.inf, distances)
        ranks[part] = 1 + (others <= right[:, None]).sum(axis=1)
        column = others.argmin(axis=1)
        wrong_distance[part] = others[np.arange(len(rows)), column]
        wrong[part] = np.where(np.isfinite(wrong_distance[part]), references[column], -1)
    return Ranking(references=references, queries=queries, ranks=ranks, wrong=wrong, wrong_distance=wrong_distance)


def sample(rows: Indices, count: int, rng: np.random.Generator) -> Indices:
    """Up to `count` of the rows, uniformly, in their order."""
    return rows if len(rows) <= count else np.sort(rng.choice(rows, count, replace=False))


def at_random(ranking: Ranking, codes: Indices, count: int, *, seed: int = 0) -> Indices:
    """Up to `count` queries, drawn from the classes in turn, the classes in random order."""
    order = np.random.default_rng(seed).permutation(ranking.queries)
    _, inverse = np.unique(codes[order], return_inverse=True)
    turns = np.zeros(len(order), np.int64)
    by_class = np.argsort(inverse, kind="stable")
    sizes = np.bincount(inverse)
    turns[by_class] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order[np.argsort(turns, kind="stable")][:count]


def worst(ranking: Ranking, count: int) -> Indices:
    """Up to `count` queries whose first right image comes last; only those where it is not the nearest."""
    order = np.argsort(-ranking.ranks, kind="stable")
    return ranking.queries[order[ranking.ranks[order] > 1]][:count]


def confident(ranking: Ranking, count: int, *, besides: Indices) -> Indices:
    """Up to `count` queries whose nearest image is of another class, the nearest such pairs first, each pair once."""
    left_out: set[int] = set(besides.tolist())
    chosen: list[int] = []
    for at in np.argsort(ranking.wrong_distance, kind="stable"):
        if ranking.ranks[at] == 1 or len(chosen) == count:
            continue
        query, other = int(ranking.queries[at]), int(ranking.wrong[at])
        if query not in left_out:
            chosen.append(query)
            left_out |= {query, other}
    return np.array(chosen, np.int64)


def neighbours(
    vectors: Vectors, ranking: Ranking, chosen: Indices, k: int, *, distance: str
) -> tuple[Vectors, Indices]:
    """The k nearest others of the chosen rows: float32 [chosen, k], rows int64 [chosen, k]."""
    k = min(k, len(ranking.references) - 1)
    found, at = nearest(vectors[ranking.references], vectors[chosen], k + 1, distance=distance)
    rows = ranking.references[at]
    own = rows == chosen[:, None]
    own[~own.any(axis=1), -1] = True  # as many others lie on the same point: the last one gives way
    return found[~own].reshape(len(chosen), k), rows[~own].reshape(len(chosen), k)


@dataclass(frozen=True, kw_only=True)
class ClassRecall:
    """One class: its code, how many queries it had, the share of them answered right, and what they are taken for."""

    code: int
    queries: int
    recall: float
    confused_with: int | None


def recall_by_class(ranking: Ranking, codes: Indices) -> list[ClassRecall]:
    """recall@1 of every class, the worst first, larger classes first among equals."""
    of, right = codes[ranking.queries], ranking.ranks == 1
    found = []
    order = np.argsort(of, kind="stable")
    present, starts = np.unique(of[order], return_index=True)
    for code, rows in zip(present.tolist(), np.split(order, starts[1:]), strict=True):
        missed = rows[~right[rows]]
        taken_for = np.bincount(codes[ranking.wrong[missed]]).argmax() if len(missed) else None
        found.append(
            ClassRecall(
                code=code,
                queries=len(rows),
                recall=float(right[rows].mean()),
                confused_with=None if taken_for is None else int(taken_for),
            )
        )
    return sorted(found, key=lambda each: (each.recall, -each.queries, each.code))
