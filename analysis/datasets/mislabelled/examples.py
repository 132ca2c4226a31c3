"""Examples beside a doubtful label: the nearest rows that carry it, and the nearest of the class proposed instead."""

from __future__ import annotations

import numpy as np

from analysis.neighbours.batches import checked_rows
from analysis.neighbours.nearest import nearest
from analysis.neighbours.samples import sample_rows
from artifact.arrays import Indices, Vectors
from rows.vectors.table import VectorTable

_MOST_OF_CLASS = 10_000

Found = list[tuple[int, float]]
"""(row, distance), nearest first."""


def nearest_of_classes(
    table: VectorTable, rows: Indices, wanted: Indices, members: dict[int, Indices], k: int, *, distance: str
) -> list[Found]:
    """The k nearest members of a class to each row, but for the row itself.

    Args:
        rows: int64 [m], of the table.
        wanted: int64 [m], the class for each.
        members: {class: int64, its rows, rising}; of a class of more than 10,000 a sample is looked at.
        k: fewer where there are fewer members.
    """
    order = np.argsort(rows, kind="stable")
    queries = np.empty((len(rows), table.dim), np.float32)
    queries[order] = checked_rows(table, rows[order])
    found: list[Found] = [[] for _ in rows]
    for code, among in members.items():
        asking = np.flatnonzero(wanted == code)
        sample = among[sample_rows(len(among), _MOST_OF_CLASS, np.random.default_rng(0))]
        for place, near in zip(asking.tolist(), _nearest(table, queries[asking], sample, k + 1, distance), strict=True):
            found[place] = [each for each in near if each[0] != rows[place]][:k]
    return found


def _nearest(table: VectorTable, queries: Vectors, among: Indices, k: int, distance: str) -> list[Found]:
    if not len(among):
        return [[] for _ in queries]
    distances, places = nearest(checked_rows(table, among), queries, min(k, len(among)), distance=distance)
    return [
        [(int(among[place]), float(apart)) for place, apart in zip(*each, strict=True)]
        for each in zip(places, distances, strict=True)
    ]
