"""Outliers: rows that are unlike the rest of their set, ranked by how far they stand out.

The measure is the larger of two, each in units in which the median row has 0 and 1 is where the furthest tenth of the
rows begins, and then in such units again, for the larger of two has others:
- apart: how far a row is from its k-th nearest rows, and how much further than those are from theirs (the local outlier
  factor), the mean of both over many k, as logarithms in robust deviations. Distances are of whitened vectors.
- remote: how far a row is from the ten nearest landmarks. Landmarks are rows so spread out that each stands for all
  within a radius, however many those are, so many foreign pictures that are like each other do not hide one another.

Decisions a reader would question (figures in docs/decisions/0040):
- Whitened, because a network has not learned what foreign pictures show: they differ where its own hardly vary. The
  tenth of the rows that is furthest out is left out of the covariance.
- Several k, because no k is right: below the size of a clump of foreign pictures it sees their copies, above the size
  of a class it sees the neighbouring class. A robust deviation of each k lets those speak that tell rows apart.
- Rows are compared with REFERENCES rows at most, exactly. A million rows take a minute or two so, and what is an
  outlier among a million is one beside twenty thousand of them.
- No number of outliers is told: of how many rows stand out by chance nothing is known.

Sources: M. Breunig et al. 2000, "LOF: identifying density-based local outliers"; M. Sugiyama, K. Borgwardt 2013, "Rapid
distance-based outlier detection via sampling"; O. Ledoit, M. Wolf 2004 (shrinkage towards the mean eigenvalue).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analysis.datasets.class_outliers import outliers_of_classes
from analysis.datasets.landmarks import Landmarks
from analysis.datasets.local_outliers import LocalOutliers
from analysis.datasets.output_columns import write_with_columns
from analysis.neighbours.batches import checked_batches, checked_rows
from analysis.neighbours.checks import require_near
from analysis.neighbours.nearest import prepare
from analysis.neighbours.samples import check_seed, sample_rows
from artifact.arrays import Indices, Numbers
from artifact.errors import DataError
from rows.vectors.lineage import table_distance
from rows.vectors.table import VectorTable

MIN_ROWS = 10

REFERENCES = 20_000
"""Rows that every row is compared with."""

TENTH = 0.1

MEASURE = (
    "0 is the median row, 1 where the furthest tenth begins: the larger of how far a row is from its nearest rows (of "
    "whitened vectors, and beside how far those are from theirs) and how far from landmarks"
)
"""What `outlier` is, for messages and pages."""

_SMALLEST_SHARE = 0.2
"""Of the mean deviation that a unit is at least: rows of which most are equal have no median deviation."""


@dataclass(frozen=True, kw_only=True)
class Outliers:
    """How far N rows stand out.

    Attributes:
        scores: float64 [N], see MEASURE; the median row has about 0.
        order: int64 [N], the row that stands out most first, the lower row first of equals.
        apart, remote: float64 [N], the two measures that the larger is taken of, each in units of its own.
        class_scores: float64 [N] where labels were given: see analysis.datasets.class_outliers; NaN where not known.
        distance: a name in artifact.distances.DISTANCES.
        references: rows that every row was compared with.
    """

    scores: Numbers
    order: Indices
    apart: Numbers
    remote: Numbers
    class_scores: Numbers | None
    distance: str
    references: int

    @property
    def ranks(self) -> Indices:
        """int64 [N], 1 of the row that stands out most."""
        ranks = np.empty(len(self.order), np.int64)
        ranks[self.order] = np.arange(1, len(self.order) + 1)
        return ranks

    @property
    def class_order(self) -> Indices:
        """The rows that stand out of their class, most first; those of which it is not known are left out."""
        assert self.class_scores is not None
        known = np.flatnonzero(~np.isnan(self.class_scores))
        return known[np.argsort(-self.class_scores[known], kind="stable")]


def find_outliers(
    table: VectorTable | str | Path,
    *,
    label: str | None = None,
    distance: str | None = None,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> Outliers:
    """Rank the rows of a table by how far they stand out.

    Args:
        table: N rows, at least MIN_ROWS.
        label: a column of classes, to rank rows within their classes too.
        distance: for vectors without lineage.
        seed: the same seed gives the same scores.
        report: called with (rows compared, rows in all).

    Raises:
        UsageError: no distance known, a negative seed. DataError: fewer than MIN_ROWS rows, numbers that are not
            finite or so large that squared distances are not, no such column.
    """
    table = VectorTable.of(table)
    distance = table_distance(table.lineage, distance, where=table.source)
    check_seed(seed)
    labels = table.column(label) if label is not None else None
    if table.num_rows < MIN_ROWS:
        expected = f"at least {MIN_ROWS} rows, for one of them to be unlike the rest"
        raise DataError("table of vectors", expected=expected, got=str(table.num_rows), where=table.source)
    rng = np.random.default_rng(seed)
    own = sample_rows(table.num_rows, REFERENCES, rng)
    origin = np.zeros(table.dim, np.float32)
    references = prepare(checked_rows(table, own), distance, origin)
    require_near(references)
    local, landmarks = LocalOutliers.of(references, own), Landmarks.of(references, rng)
    apart = np.empty((table.num_rows, local.num_columns), np.float32)
    remote = np.empty(table.num_rows, np.float32)
    for batch in checked_batches(table):
        vectors = prepare(batch.vectors, distance, origin)
        require_near(vectors)
        part = slice(batch.first_row, batch.first_row + len(batch))
        apart[part] = local.measures(vectors, batch.first_row)
        remote[part] = landmarks.distances(vectors)
        if report is not None:
            report(part.stop, table.num_rows)
    both = _above_median(np.mean([_deviations(column) for column in apart.T], axis=0)), _above_median(remote)
    scores = _above_median(np.maximum(*both))
    class_scores = None
    if labels is not None:
        class_scores = outliers_of_classes(table, labels, local.whitened, distance=distance, seed=seed)
    return Outliers(
        scores=scores,
        order=np.argsort(-scores, kind="stable"),
        apart=both[0],
        remote=both[1],
        class_scores=class_scores,
        distance=distance,
        references=len(own),
    )


OWN_COLUMNS = ("outlier", "rank", "class_outlier")


def write_outliers(table: VectorTable, found: Outliers, output: str | Path) -> list[str]:
    """Write `id`, the copied columns, `outlier` (float32), `rank` (int64 from 1), and with labels `class_outlier`.

    Returns:
        Names of copied columns that gave way to ours.

    Raises:
        UsageError: the output is the table. OutputError: it cannot be written.
    """
    ours: dict[str, Any] = {"outlier": pa.array(found.scores.astype(np.float32)), "rank": pa.array(found.ranks)}
    if found.class_scores is not None:
        unknown = np.isnan(found.class_scores)
        ours["class_outlier"] = pa.array(found.class_scores.astype(np.float32), mask=unknown)
    return write_with_columns(table, ours, output)


def _deviations(values: npt.NDArray[np.floating]) -> Numbers:
    """float64 [N], robust standard deviations above the median; 0 where all are equal."""
    wide = values.astype(np.float64)
    wide -= np.median(wide)
    size = np.abs(wide)
    scale = max(1.4826 * float(np.median(size)), _SMALLEST_SHARE * float(size.mean()))
    return wide / scale if scale > 0 else np.zeros(len(wide))


def _above_median(values: npt.NDArray[np.floating]) -> Numbers:
    """float64 [N]: 0 at the median, 1 where the furthest tenth begins; 0 where all are equal.

    Where nine in ten are hardly above the median, 1 is a fifth of the mean deviation.
    """
    wide = values.astype(np.float64)
    wide -= np.median(wide)
    unit = max(float(np.quantile(wide, 1 - TENTH)), _SMALLEST_SHARE * float(np.abs(wide).mean()))
    return wide / unit if unit > 0 else np.zeros(len(wide))
