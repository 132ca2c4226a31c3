"""How good vectors are: retrieval (recall@k, mAP, mAP@R) and clustering (purity, NMI).

Decision a reader would question: at equal distance an image of another class ranks BEFORE one of the same class. So the
result does not depend on the order of the rows, and a collapsed network that maps every image to one point gets 0, not
the luck of the row order.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from analysis.labels import Codes, Labels, label_codes
from analysis.pairwise import CHUNK_BYTES, check_distance, check_vectors, distance_chunks
from artifact.distances import Vectors
from artifact.errors import DataError, UsageError

_LAST = np.uint32(0xFFFFFFFE)
"""Sort key above that of infinity, with the same-class bit off: where the query itself goes."""


def retrieval_metrics(
    vectors: Vectors,
    labels: Labels,
    *,
    distance: str,
    ks: Sequence[int] = (1, 5, 10),
    references: Vectors | None = None,
    reference_labels: Labels | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> dict[str, float]:
    """Rank all other images by distance from each image, and see where those of its class stand.

    Leave-one-out within `vectors`, or against `references` where those are given. Queries whose class has no other
    image are left out of the means and counted. Memory is bounded by `chunk_bytes`; time grows with Q x N.

    Args:
        vectors: float32 [Q, n], the queries.
        labels: [Q], any hashable.
        distance: a name in artifact.distances.DISTANCES.
        ks: depths of recall@k: the share of queries with one of their class among the first k.
        references: float32 [N, n], ranked instead of the other `vectors`.
        reference_labels: [N].

    Returns:
        {"recall@<k>" for each k, "mAP" over the full ranking, "mAP@R", "queries" (ranked), "skipped"}.
        mAP@R: Musgrave, Belongie, Lim, "A Metric Learning Reality Check" (2020), section 3.2: the mean over queries
        of 1/R * sum over ranks i <= R of (precision at i if rank i is of the class, else 0), R = images of the class.

    Raises:
        UsageError: an unknown distance, or a k below 1.
        DataError: shapes that do not fit, numbers that are not finite, or no class with another image.
    """
    check_distance(distance)
    if not ks or min(ks) < 1:
        raise UsageError("ks", expected="numbers of at least 1", got=str(list(ks)))
    queries = check_vectors(vectors)
    known: dict[Hashable, int] = {}
    codes = label_codes(labels, len(queries), known=known)
    if (references is None) != (reference_labels is None):
        raise UsageError("references", expected="vectors and labels together", got="one of the two")
    leave_one_out = references is None or reference_labels is None
    if references is None or reference_labels is None:
        targets, target_codes = queries, codes
    else:
        targets = check_vectors(references, "references")
        target_codes = label_codes(reference_labels, len(targets), known=known)
    # R: how many relevant images each query has
    relevant = np.bincount(target_codes, minlength=len(known))[codes] - int(leave_one_out)
    usable = np.flatnonzero(relevant > 0)
    if not usable.size:
        raise DataError("labels", expected="a class with another image", got=f"none among {len(queries)} images")

    sums = np.zeros(len(ks) + 2)
    used = queries if usable.size == len(queries) else queries[usable]
    for first, distances in distance_chunks(used, targets, distance=distance, chunk_bytes=chunk_bytes):
        rows = usable[first : first + len(distances)]
        same = codes[rows, None] == target_codes  # [rows, N]
        sums += _ranking_sums(_ranked(distances, same, rows if leave_one_out else None), relevant[rows], ks)
    means = sums / usable.size
    names = [*(f"recall@{k}" for k in ks), "mAP", "mAP@R"]
    counts = {"queries": float(usable.size), "skipped": float(len(queries) - usable.size)}
    return {name: float(mean) for name, mean in zip(names, means, strict=True)} | counts


def _ranked(
    distances: Vectors, same: npt.NDArray[np.bool_], itself: npt.NDArray[np.int64] | None
) -> npt.NDArray[np.bool_]:
    """Same-class flags [rows, N] in order of distance, wrong class first among equals, the query itself last.

    The bits of a float32 that is not negative rise with its value and leave the top bit free: shifted by one, with the
    flag as the lowest bit, one in-place sort of uint32 does it all, several times as fast as argsort and gather.
    """
    keys = (distances + np.float32(0)).view(np.uint32) << np.uint32(1)  # + 0 makes -0.0 into 0.0
    keys |= same
    if itself is not None:
        keys[np.arange(len(keys)), itself] = _LAST
    keys.sort(axis=1)
    return (keys & np.uint32(1)).astype(bool)


def _ranking_sums(
    ranked: npt.NDArray[np.bool_], relevant: npt.NDArray[np.int64], ks: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Sums over these queries of [recall@k for each k, average precision, average precision at R]."""
    query, rank = np.nonzero(ranked)  # rank from 0, rising within each query
    starts = np.cumsum(relevant) - relevant  # where each query's hits start in the two arrays
    hits = np.arange(len(query)) - starts[query] + 1  # 1, 2, ... R within each query
    shares = hits / (rank + 1.0) / relevant[query]  # precision at each hit, over R
    recalls = [float(ranked[:, :k].any(axis=1).sum()) for k in ks]
    return np.array([*recalls, shares.sum(), shares[rank < relevant[query]].sum()])


def clustering_metrics(assignments: Labels, labels: Labels) -> dict[str, float]:
    """How well clusters match classes.

    Args:
        assignments: [N], the cluster of each row.
        labels: [N], the class of each row.

    Returns:
        {"purity": share of rows that are of their cluster's most frequent class,
        "nmi": normalised mutual information, arithmetic mean of the entropies (scikit-learn's)}.

    Raises:
        DataError: no rows, or two lengths.
    """
    num_rows = len(labels)
    if not num_rows:
        raise DataError("labels", expected="at least one", got="none")
    clusters, classes = label_codes(assignments, num_rows), label_codes(labels, num_rows)
    from sklearn.metrics import normalized_mutual_info_score  # 4 s to import

    nmi = normalized_mutual_info_score(classes, clusters, average_method="arithmetic")
    return {"purity": _purity(clusters, classes), "nmi": float(nmi)}


def _purity(clusters: Codes, classes: Codes) -> float:
    num_classes = int(classes.max()) + 1
    cells, counts = np.unique(clusters * num_classes + classes, return_counts=True)
    largest = np.zeros(int(clusters.max()) + 1, np.int64)
    np.maximum.at(largest, cells // num_classes, counts)
    return float(largest.sum() / len(classes))
