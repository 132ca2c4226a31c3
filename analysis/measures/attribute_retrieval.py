"""Retrieval by attributes: what rows of attributes find among images, by how many attributes they ask for.

Decisions a reader would question:
- An image is relevant if it has ALL attributes asked for; one whose value is missing does not have it.
- Rows that ask for the same count once, however often they are given: it is combinations that are measured, and a
  table that was scored row by row asks for the frequent ones again and again. Intervals draw combinations, too.
- P@k is of k, also where fewer images are relevant, and an image that is not relevant ranks before one that is at equal
  distance: both as in retrieval.py. `chance` is what a random order gives as P@k.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.measures.attribute_rows import AttributeRows, has_all
from analysis.measures.attribute_triplets import TRIPLETS, attribute_triplets
from analysis.measures.intervals import class_intervals
from analysis.measures.ranks import rank_values, wrong_before
from analysis.measures.support import Support, as_facts, support_of_share
from analysis.neighbours.checks import check_dims, check_vectors
from analysis.neighbours.pairwise import distance_chunks
from analysis.neighbours.samples import check_sampling, sample_rows
from artifact.arrays import Indices, Numbers, Vectors
from artifact.distances import check_distance
from artifact.errors import DataError, UsageError

KS = (1, 5, 10, 100)

MAX_DISTANCES = 2 * 10**9
"""Some minutes of one core."""


def queries_within(num_queries: int, num_images: int, *, distances: int = MAX_DISTANCES) -> int | None:
    """`max_queries` for so many distances between queries and images at most; None where all are within."""
    return None if num_queries * num_images <= distances else max(1, distances // num_images)


def attribute_retrieval(
    queries: AttributeRows,
    image_vectors: Vectors,
    image_values: Numbers,
    *,
    distance: str,
    tolerances: Numbers | None = None,
    flipped: AttributeRows | None = None,
    ks: Sequence[int] = KS,
    max_queries: int | None = None,
    bootstrap: int = 200,
    seed: int = 0,
) -> dict[str, Any]:
    """Rank all images by distance from each row of attributes, and see where those stand that have what it asks for.

    Memory is that of a float64 copy of the vectors and of CHUNK_BYTES (analysis/neighbours/pairwise.py); time grows
    with the number of distinct rows x images.

    Args:
        queries: rows of attributes, of any number of attributes asked for.
        image_vectors: float32 [N, n].
        image_values: float64 [N, A], NaN where a value is missing.
        distance: a name in artifact.distances.DISTANCES.
        tolerances: float64 [A], how far a value may be from the one asked for; None: equal. See `number_tolerances`.
        flipped: rows with one attribute changed, for the hard triplets besides those among `queries`; they are no
            queries and no easy negatives.
        ks: depths of P@k.
        max_queries: take a uniform sample of that many distinct rows, and of that many images for triplets.
        bootstrap: resamples of the combinations of attributes; 0 for no intervals.
        seed: of the samples and the bootstrap.

    Returns:
        {"by_number": [{"asked": how many attributes, "queries", "skipped" (no image has them all), "P@<k>", "mAP",
        "chance": mean share of images that are relevant; with a bootstrap "<metric>_low" and "<metric>_high", None with
        fewer than five queries; None for all figures where all were skipped}, ascending]; "all": the same of all
        queries together, its "asked" None; what analysis.measures.attribute_triplets gives; "images": N;
        "rests_on": {figure of "all" and of triplets: its counts, see analysis.measures.support}}.

    Raises:
        UsageError: an unknown distance, a k or a number of queries below 1, a negative bootstrap or seed.
        DataError: shapes that do not fit, vectors that are not finite, no rows, or a row that asks for nothing.
    """
    check_distance(distance)
    if not ks or min(ks) < 1:
        raise UsageError("ks", expected="numbers of at least 1", got=str(list(ks)))
    check_sampling(bootstrap=bootstrap, seed=seed, max_queries=max_queries)
    images, values = check_vectors(image_vectors, "image vectors"), np.asarray(image_values, np.float64)
    slack = _checked(queries, flipped, images, values, tolerances)
    rng = np.random.default_rng(seed)
    resampling = {"bootstrap": bootstrap, "seed": seed}

    distinct = queries.distinct()
    asked = distinct
    rows = np.arange(len(images))
    if max_queries is not None:
        asked = distinct.taken(np.sort(sample_rows(len(distinct), max_queries, rng)))
        rows = np.sort(sample_rows(len(images), max_queries, rng))
    found, relevant = _ranked(asked, images, values, slack, distance=distance, ks=ks)
    numbers = (~np.isnan(asked.values)).sum(axis=1)
    groups = []
    for number in np.unique(numbers).tolist():
        own = numbers == number
        groups.append({"asked": number} | _group(found[own], relevant[own], len(images), ks, **resampling))
    together = {"asked": None} | _group(found, relevant, len(images), ks, **resampling)
    triplets = attribute_triplets(
        distinct.whole(),
        images[rows],
        values[rows],
        slack,
        distance=distance,
        flipped=None if flipped is None else flipped.whole(),
        **resampling,
    )
    supports = as_facts(_supports(together, triplets, ks))
    return {"by_number": groups, "all": together, **triplets, "images": len(images), "rests_on": supports}


def _checked(
    queries: AttributeRows,
    flipped: AttributeRows | None,
    images: Vectors,
    values: Numbers,
    tolerances: Numbers | None,
) -> Numbers:
    """The tolerances; raises DataError for shapes that do not fit."""
    if values.ndim != 2 or len(values) != len(images) or not len(images):
        raise DataError(
            "attributes of images",
            expected=f"an array of shape [{len(images)}, A], of at least one image",
            got=f"shape {list(values.shape)}",
        )
    for name, rows in (("queries", queries), ("flipped rows", flipped)):
        if rows is None:
            continue
        check_dims(check_vectors(rows.vectors, name), images)
        if rows.values.shape != (len(rows.vectors), values.shape[1]):
            expected = f"an array of shape [{len(rows.vectors)}, {values.shape[1]}]"
            raise DataError(f"attributes of {name}", expected=expected, got=f"shape {list(rows.values.shape)}")
    if not len(queries):
        raise DataError("queries", expected="at least one row of attributes", got="none")
    nothing = np.flatnonzero(np.isnan(queries.values).all(axis=1))
    if nothing.size:
        raise DataError(f"query {nothing[0]}", expected="a value of at least one attribute", got="none")
    slack = np.zeros(values.shape[1]) if tolerances is None else np.asarray(tolerances, np.float64)
    if slack.shape != (values.shape[1],):
        raise DataError("tolerances", expected=f"{values.shape[1]} numbers", got=f"shape {list(slack.shape)}")
    return slack


def _ranked(
    queries: AttributeRows, images: Vectors, values: Numbers, tolerances: Numbers, *, distance: str, ks: Sequence[int]
) -> tuple[Numbers, Indices]:
    """(float64 [Q, P@k of each k, AP], NaN where no image is relevant; int64 [Q]: how many are)."""
    found = np.full((len(queries), len(ks) + 1), np.nan)
    relevant = np.zeros(len(queries), np.int64)
    near = np.empty(len(images), bool)
    for first, distances in distance_chunks(queries.vectors, images, distance=distance):
        for query, row in enumerate(distances, start=first):
            right = has_all(queries.values[query], values, tolerances)
            relevant[query] = np.count_nonzero(right)
            if not relevant[query]:
                continue
            same = np.sort(row[right])
            row[right] = np.nan  # at most as far as nothing
            ranks = wrong_before(row, same, near) + np.arange(len(same))
            ranked = rank_values(ranks[None], ks)[0]  # recall@k, P@k, AP at R, AP
            found[query] = [*ranked[len(ks) : 2 * len(ks)], ranked[-1]]
    return found, relevant


def _group(
    found: Numbers, relevant: Indices, num_images: int, ks: Sequence[int], *, bootstrap: int, seed: int
) -> dict[str, Any]:
    """The figures of some queries; the first two arguments as `_ranked` gave them."""
    names = [*(f"P@{k}" for k in ks), "mAP"]
    measured = found[relevant > 0]
    num_queries = len(measured)
    facts: dict[str, Any] = {"queries": num_queries, "skipped": len(found) - num_queries}
    means = measured.mean(axis=0).tolist() if num_queries else [None] * len(names)
    facts |= dict(zip(names, means, strict=True))
    facts["chance"] = float(relevant[relevant > 0].mean() / num_images) if num_queries else None
    if bootstrap:
        codes = np.arange(num_queries)
        ends = class_intervals(measured, codes, resamples=bootstrap, seed=seed) if num_queries else None
        for at, name in enumerate(names):
            facts[f"{name}_low"], facts[f"{name}_high"] = ends[at] if ends else (None, None)
    return facts


def _supports(together: dict[str, Any], triplets: dict[str, Any], ks: Sequence[int]) -> dict[str, Support]:
    """What each figure rests on, where there is one."""
    counts = {}
    for name in (*(f"P@{k}" for k in ks), "mAP"):
        if together[name] is not None:
            counts[name] = support_of_share(together[name], together["queries"], "queries")
    for name in TRIPLETS:
        if triplets[name] is not None:
            counts[name] = support_of_share(triplets[name], triplets[f"{name}_images"], "images")
    return counts
