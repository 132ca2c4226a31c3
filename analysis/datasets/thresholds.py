"""The threshold of duplicates: asked for, a share of the rows, or the artifact's own; else a proposal."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analysis.measures.index_recall import ExactDistances
from analysis.neighbours.batches import checked_batches, checked_rows
from analysis.neighbours.nearest import centre_of
from analysis.neighbours.samples import sample_rows
from artifact.arrays import Vectors
from artifact.errors import UsageError
from rows.vectors.table import VectorTable

ASKED, SHARE, LINEAGE = "asked for", "a share of the rows", "the artifact's"
_SAMPLE = 1000
_PROPOSED = (0.5, 0.1, 0.01)


QUANTILES = (0.001, 0.01, 0.1, 0.5)


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """The largest distance between two rows that count as the same.

    Attributes:
        value: NaN until it is resolved where it is a share.
        origin: ASKED, SHARE or LINEAGE.
        share: of the rows, where it was given so.
    """

    value: float
    origin: str
    share: float | None = None

    def resolved(self, nearest: Vectors) -> Threshold:
        """With its value, where that is a share of these rows.

        Args:
            nearest: float32 [N], the distance of each row to its nearest other; infinite where it is not known.
        """
        if self.share is None:
            return self
        known = nearest[np.isfinite(nearest)]
        value = float(np.quantile(known, self.share, method="higher")) if known.size else 0.0
        return replace(self, value=value)


def choose_threshold(
    table: VectorTable, queries: VectorTable, *, threshold: float | None, share: float | None, distance: str, seed: int
) -> Threshold:
    """What the user asked for, or the artifact's.

    Args:
        table: rows to be near to.
        queries: the rows whose nearest are looked for: the table itself, or another.

    Raises:
        UsageError: both, one out of range, or neither and none in the lineage: then it tells how near rows are.
    """
    if threshold is not None and share is not None:
        raise UsageError("threshold", expected="--threshold or --share", got="both")
    if threshold is not None:
        if not 0 <= threshold < np.inf:
            raise UsageError("threshold", expected="a distance of at least 0", got=str(threshold))
        return Threshold(value=float(threshold), origin=ASKED)
    if share is not None:
        if not 0 < share <= 1:
            raise UsageError("share", expected="a share of the rows, in (0, 1]", got=str(share))
        return Threshold(value=float("nan"), origin=SHARE, share=float(share))
    lineage = table.lineage or queries.lineage
    if lineage is not None and lineage.threshold is not None:
        return Threshold(value=float(lineage.threshold), origin=LINEAGE)
    found = nearest_of_sample(table, queries, distance=distance, seed=seed)
    found = found[found > 0] if found.any() else found  # copies need no threshold
    told = ", ".join(f"{share:.0%} of the rows within {np.quantile(found, share):.4g}" for share in _PROPOSED)
    raise UsageError(
        "threshold",
        expected="--threshold or --share, where the vectors' artifact tells none",
        got="neither",
        where=table.source,
        mend=f"{told} have their nearest other: try --share 0.01, or --threshold {np.quantile(found, 0.01):.4g}",
    )


def nearest_of_sample(table: VectorTable, queries: VectorTable, *, distance: str, seed: int) -> Vectors:
    """float32 [m], exact distances of a sample of queries to their nearest in the table; never to themselves."""
    rows = sample_rows(queries.num_rows, _SAMPLE, np.random.default_rng(seed))
    asked = checked_rows(queries, rows)
    own = rows if queries is table else np.full(len(rows), -1)
    exact = ExactDistances(asked, own, 1, distance=distance, centre=centre_of(asked, distance))
    for batch in checked_batches(table):
        exact.add(batch.first_row, batch.vectors)
    found: Vectors = exact.nearest[:, 0]
    return found[np.isfinite(found)]


def quantiles(nearest: Vectors) -> dict[str, float]:
    """{share: distance} of QUANTILES, of the distances that are finite."""
    known = nearest[np.isfinite(nearest)]
    return {f"{share:g}": float(np.quantile(known, share)) for share in QUANTILES} if known.size else {}
