"""Two tables of vectors compared: one answer with all figures. rows_of_both.py writes what is known of every row.

Decision a reader would question: nothing here reads the labels but the part on classes. Whether the sets differ, in
which pictures and where is asked of the vectors alone, so train and production can be compared before anybody labelled
the second.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from analysis.datasets.comparison.class_shifts import class_shifts, read_labels
from analysis.datasets.comparison.comparison import Comparison
from analysis.datasets.comparison.difference_test import difference_test
from analysis.datasets.comparison.domain_classifier import classify_domains
from analysis.datasets.comparison.landmarks import landmarks_of
from analysis.datasets.comparison.neighbour_shares import neighbour_shares
from analysis.datasets.comparison.regions import find_regions, region_shares
from analysis.datasets.comparison.two_sets import TwoSets, join_sets
from analysis.neighbours.samples import check_seed
from artifact.arrays import Indices, Numbers
from artifact.errors import UsageError
from rows.vectors.lineage import distance_of_two
from rows.vectors.table import VectorTable

RELABELLINGS = 999
ALPHA = 0.05
MOST_TYPICAL = 24
"""Rows of each set that are named as most unlike the other set."""


def compare_tables(
    a: VectorTable | str | Path,
    b: VectorTable | str | Path,
    *,
    label: str | None = None,
    distance: str | None = None,
    num_regions: int | None = None,
    every_row: bool = False,
    alpha: float = ALPHA,
    relabellings: int = RELABELLINGS,
    seed: int = 0,
) -> Comparison:
    """Compare two tables of vectors of one space.

    Args:
        a, b: tables, or paths of some.
        label: a column of both that holds the class; None: classes are not asked about.
        distance: for vectors without lineage.
        num_regions: None: by the number of rows.
        every_row: copies within a set count, each of them.
        alpha: level of the verdict and of the corrections, in (0, 1).
        relabellings: at least 19.
        seed: the same seed gives the same answer.

    Raises:
        UsageError: no distance known, or an option out of range.
        SpaceError: vectors of two spaces.
        DataError: numbers that are not finite, no such column, or fewer than two different vectors in a set.
    """
    if not 0.0 < alpha < 1.0:
        raise UsageError("alpha", expected="a level in (0, 1)", got=str(alpha))
    if relabellings < 19:
        raise UsageError("relabellings", expected="at least 19, for a p-value of .05", got=str(relabellings))
    check_seed(seed)
    a, b = VectorTable.of(a), VectorTable.of(b)
    distance = distance_of_two(a.lineage, b.lineage, distance, names=(a.source, b.source))
    labels = read_labels(a, b, label) if label is not None else None
    sets = join_sets(a, b, distance=distance, every_row=every_row)
    return _compare(
        sets,
        (a.source, b.source),
        a.ids + b.ids,
        labels=labels,
        label=label,
        num_regions=num_regions,
        every_row=every_row,
        alpha=alpha,
        relabellings=relabellings,
        seed=seed,
    )


def _compare(
    sets: TwoSets,
    sources: tuple[str, str],
    ids: list[str],
    *,
    labels: tuple[Indices, list[str]] | None,
    label: str | None,
    num_regions: int | None,
    every_row: bool,
    alpha: float,
    relabellings: int,
    seed: int,
) -> Comparison:
    regions = find_regions(sets, num_regions, seed=seed)
    landmarks = landmarks_of(sets, seed=seed)
    test = difference_test(
        sets.unit_vectors,
        sets.in_a,
        sets.in_b,
        landmarks=landmarks,
        regions=regions.of_units,
        count=relabellings,
        rng=np.random.default_rng([seed, 1]),
    )
    classifier = classify_domains(
        sets.unit_vectors,
        sets.in_a,
        sets.in_b,
        sets.groups,
        landmarks=landmarks,
        alpha=alpha,
        rng=np.random.default_rng([seed, 2]),
    )
    neighbours = neighbour_shares(sets, seed=seed)
    p_other = np.full(len(sets.is_b), np.nan)
    if classifier is not None:
        p_other = _of_other(classifier.probability_b, sets)
    neighbours_other = _of_other(neighbours.share_b, sets)
    return Comparison(
        sources=sources,
        num_rows=sets.num_rows,
        num_counted=sets.num_counted,
        most_copied=_most_copied(sets),
        num_shared=sets.num_shared,
        dim=sets.vectors.shape[1],
        distance=sets.distance,
        alpha=alpha,
        test=test,
        classifier=classifier,
        neighbours=neighbours,
        regions=region_shares(sets, regions, test.region_p_values, alpha=alpha),
        classes=class_shifts(sets, *labels, alpha=alpha, count=relabellings, seed=seed) if labels else None,
        p_other=p_other,
        neighbours_other=neighbours_other,
        region=regions.of_rows.astype(np.int64),
        most_unlike=_most_unlike(sets, p_other, neighbours_other),
        ids=ids,
        label=label,
        every_row=every_row,
        relabellings=relabellings,
        seed=seed,
    )


def _of_other(of_b: Numbers, sets: TwoSets) -> Numbers:
    """What is said of B, of each unit, as what is said of the other set, of each row."""
    said = of_b[sets.units]
    return np.where(sets.is_b, 1.0 - said, said)


def _most_copied(sets: TwoSets) -> tuple[int, int]:
    """Rows of the vector that most rows of a set have; 1 where copies were not looked for."""
    most = [int(np.bincount(sets.units[side]).max()) for side in (~sets.is_b, sets.is_b)]
    return most[0], most[1]


def _most_unlike(sets: TwoSets, p_other: Numbers, neighbours_other: Numbers) -> tuple[list[int], list[int]]:
    """Rows that count, by the classifier, and where there is none or it cannot decide by their neighbours."""
    found = []
    for side in (False, True):
        rows = np.flatnonzero(sets.counted & (sets.is_b == side))
        order = np.lexsort((rows, neighbours_other[rows], p_other[rows]))
        found.append(rows[order[:MOST_TYPICAL]].tolist())
    return found[0], found[1]
