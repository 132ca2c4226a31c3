"""Retrieval figures of labelled vectors: recall@k, P@k, mAP and mAP@R, with their intervals, over all and by class.

Decisions a reader would question:
- At equal distance an image of another class ranks BEFORE one of the same class (see analysis/measures/ranking.py).
- recall@k, P@k and mAP@R are of all queries. mAP needs the rank of every image of the class, however far; beyond
  MAP_COMPARISONS it is taken from a seeded sample of queries, and "mAP_queries" and its interval say so.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from analysis.measures.intervals import class_intervals, mean_interval
from analysis.measures.ranking import Adjusted, Ranking, class_means, rank_queries
from analysis.neighbours.checks import check_vectors
from analysis.neighbours.labels import Labels, label_codes
from analysis.neighbours.samples import check_sampling, sample_rows
from artifact.arrays import Indices, Numbers, Vectors
from artifact.distances import check_distance
from artifact.errors import DataError, UsageError

MAP_COMPARISONS = 10**11
"""A minute of one core: 100,000 queries against 100,000 in classes of ten, or 25,000 against 25,000 in large ones."""

_MOST_COMPARISONS = 160
"""What sorting a row costs, in comparisons of it with one number."""


def retrieval_metrics(
    vectors: Vectors,
    labels: Labels,
    *,
    distance: str,
    ks: Sequence[int] = (1, 5, 10),
    max_queries: int | None = None,
    per_class: bool = False,
    bootstrap: int = 0,
    seed: int = 0,
    adjusted: Adjusted | None = None,
) -> dict[str, Any]:
    """Rank all other images by distance from each image, and see where those of its class stand.

    Leave-one-out: no image finds itself. Queries whose class has no other image are left out of the means and counted.
    Memory is that of a float64 copy of the vectors and of CHUNK_BYTES (analysis/neighbours/pairwise.py) for each core;
    time grows with queries x N.

    Args:
        vectors: float32 [N, n].
        labels: [N], any hashable.
        distance: a name in artifact.distances.DISTANCES.
        ks: depths of recall@k, the share of queries with one of their class among the first k, and of P@k, the mean
            share of the first k that is of the class (of k, also where there are fewer images).
        max_queries: rank a uniform sample of that many queries only (against all images).
        per_class: add "per_class".
        bootstrap: resamples of the classes (see analysis.measures.intervals.class_intervals); 0 for none.
        seed: of the samples and of the bootstrap.
        adjusted: what to rank by in place of the distances, see analysis.measures.ranking.

    Returns:
        {"recall@<k>" and "P@<k>" for each k, "mAP" over the full ranking, "mAP@R", "queries" (ranked), "skipped",
        "mAP_queries"}.
        mAP@R: Musgrave, Belongie, Lim, "A Metric Learning Reality Check" (2020), section 3.2: the mean over queries
        of 1/R * sum over ranks i <= R of (precision at i if rank i is of the class, else 0), R = images of the class.
        With `bootstrap` also "<metric>_low" and "<metric>_high" of each, None with fewer than five classes; without it
        only for metrics of a sample, and then they tell how far the sample may be from all queries, no more.
        With `per_class` also "per_class": a list of {"class", "queries", "recall@<k>", "P@<k>", "mAP@R", "mAP" (None
        where no query of it is in the sample)}, in order of first appearance.

    Raises:
        UsageError: an unknown distance, a k or a number of queries below 1, a negative bootstrap or seed.
        DataError: shapes that do not fit, numbers that are not finite, or no class with another image.
    """
    check_distance(distance)
    if not ks or min(ks) < 1:
        raise UsageError("ks", expected="numbers of at least 1", got=str(list(ks)))
    check_sampling(bootstrap=bootstrap, seed=seed, max_queries=max_queries)
    array = check_vectors(vectors)
    known: dict[Hashable, int] = {}
    codes = label_codes(labels, len(array), known=known)
    relevant = np.bincount(codes)[codes] - 1  # R: how many right images each query has
    usable = np.flatnonzero(relevant > 0)
    if not usable.size:
        raise DataError("labels", expected="a class with another image", got=f"none among {len(array)} images")

    rng = np.random.default_rng(seed)
    rows = usable if max_queries is None else usable[sample_rows(len(usable), max_queries, rng)]
    whole = np.zeros(len(rows), bool)
    whole[sample_rows(len(rows), _affordable(relevant[rows], len(array)), rng)] = True
    ranking = rank_queries(array, codes, distance=distance, ks=ks, rows=rows, whole=whole, adjusted=adjusted)
    found: dict[str, Any] = {name: float(np.nanmean(values)) for name, values in ranking.values.items()}
    intervals: dict[str, Any] = {}
    for names in ([name for name in ranking.values if name != "mAP"], ["mAP"]):  # mAP may have fewer queries
        values = np.stack([ranking.values[name] for name in names], axis=1)
        measured = ~np.isnan(values).any(axis=1)
        for name, interval in zip(
            names,
            _intervals(values[measured], ranking.codes[measured], usable.size, bootstrap, seed),
            strict=False,
        ):
            intervals |= {f"{name}_low": interval[0], f"{name}_high": interval[1]}
    found |= {
        "queries": float(len(rows)),
        "skipped": float(len(array) - usable.size),
        "mAP_queries": float(whole.sum()),
    }
    if per_class:
        intervals["per_class"] = _per_class(ranking, list(known))
    return found | intervals


def _intervals(
    values: Numbers, codes: Indices, population: int, bootstrap: int, seed: int
) -> Sequence[tuple[float | None, float | None]]:
    """One for each column; none where all queries are measured and no bootstrap is asked for."""
    if bootstrap:
        found = class_intervals(values, codes, resamples=bootstrap, seed=seed)
        return found or [(None, None)] * values.shape[1]
    if len(values) == population:
        return []
    return [mean_interval(column, population=population) for column in values.T]


def _affordable(relevant: Indices, num_images: int) -> int:
    """Number of these queries that can be ranked to the last image of their class within MAP_COMPARISONS."""
    costs = np.minimum(relevant, _MOST_COMPARISONS) * float(num_images)
    return max(1, min(len(relevant), int(MAP_COMPARISONS / costs.mean())))


def _per_class(ranking: Ranking, labels: list[Hashable]) -> list[dict[str, Any]]:
    """One row a class that has queries, in order of its code."""
    sizes = np.bincount(ranking.codes, minlength=len(labels))
    columns = {name: class_means(values, ranking.codes, len(labels)) for name, values in ranking.values.items()}
    return [
        {"class": labels[code], "queries": int(sizes[code])}
        | {name: None if np.isnan(column[code]) else float(column[code]) for name, column in columns.items()}
        for code in np.flatnonzero(sizes)
    ]
