"""What to label next: rows of a table in the order to label them in, given what is labelled already.

Decisions a reader would question:
- Vectors alone decide, no classifier: the first hundred labels are chosen before there is one to ask. The order is
  greedy, so the first ten of a hundred are what ten would have been, or nearly where a sample is chosen from.
- Of equal vectors one is chosen, and none that equals a labelled one: the same picture is not labelled twice. So fewer
  rows than asked for may come back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from analysis.datasets.exact_copies import distinct_vectors
from analysis.datasets.output_columns import write_with_columns
from analysis.datasets.selecting.covered import Pool, distances_to
from analysis.datasets.selecting.diverse import diverse
from analysis.datasets.selecting.representative import representative
from analysis.neighbours.batches import checked_matrix
from analysis.neighbours.labels import has_label
from analysis.neighbours.samples import check_seed, sample_rows
from artifact.arrays import Flags, Indices, Vectors
from artifact.errors import DataError, UsageError
from rows.vectors.lineage import distance_of_two, table_distance
from rows.vectors.table import VectorTable

METHODS: dict[str, Callable[[Pool, int], Indices]] = {
    "representative": representative,
    "diverse": diverse,
}
"""Method -> what chooses so many rows of a pool; the first is the default."""

DEFAULT_METHOD = next(iter(METHODS))
COVERAGE_ROWS = 20_000


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Rows to label.

    Attributes:
        rows: int64 [m], numbers of rows in the table, in the order to label them in; m may be less than asked for.
        distances: float32 [m], how far each was from everything labelled or chosen before it; inf for the first of all.
        num_rows, num_labelled: rows of the table, and labelled ones (those of another table among them).
        num_left: rows of the table that are neither labelled nor copies of one, copies of each other counted once.
        mean_distance, farthest: of rows to label, from the nearest labelled or chosen one, afterwards.
        coverage_rows: how many rows these two are of: all to label, or a sample.
        method: a name in METHODS.
        distance: a name in artifact.distances.DISTANCES.
    """

    rows: Indices
    distances: Vectors
    num_rows: int
    num_labelled: int
    num_left: int
    mean_distance: float
    farthest: float
    coverage_rows: int
    method: str
    distance: str


def select_rows(
    table: VectorTable | str | Path,
    count: int,
    *,
    method: str = DEFAULT_METHOD,
    label: str | None = None,
    labelled: VectorTable | str | Path | None = None,
    distance: str | None = None,
    seed: int = 0,
) -> Selection:
    """Choose rows to label.

    Args:
        table: or the path of one; its vectors are in memory, once or twice.
        count: at least 1.
        method: one of METHODS.
        label: a column of the table; rows where it is not null, empty or NaN are labelled already.
        labelled: another table, all rows of which are labelled already.
        distance: for vectors without lineage; beside a lineage it vouches for the table that has none.
        seed: of the sample that is chosen from where the table is large, and of the one that coverage is told of.

    Raises:
        UsageError: count below 1, no such method, no distance known, or a negative seed.
        DataError: no such column, nothing left to label, other dims in `labelled`, or numbers that are not finite.
        SpaceError: vectors of two spaces.
    """
    if count < 1:
        raise UsageError("count", expected="at least 1", got=str(count))
    if method not in METHODS:
        raise UsageError("method", expected=f"one of {', '.join(METHODS)}", got=repr(method))
    check_seed(seed)
    table = VectorTable.of(table)
    others = None if labelled is None else VectorTable.of(labelled)
    if others is None:
        distance = table_distance(table.lineage, distance, where=table.source)
    else:
        distance = distance_of_two(table.lineage, others.lineage, distance, names=(table.source, others.source))
    is_labelled = _labelled_rows(table, label)
    pool, candidates = _pool(table, others, is_labelled, distance, seed)
    if not len(candidates):
        raise DataError("rows to label", expected="some", got="none: all are labelled", where=table.source)
    chosen = METHODS[method](pool, min(count, len(candidates)))
    rows = candidates[chosen]
    measured = sample_rows(len(candidates), COVERAGE_ROWS, np.random.default_rng(seed))
    covered = distances_to(pool.vectors[chosen], pool.vectors[measured], distance=distance, seed=seed)
    covered = np.minimum(covered, pool.from_labelled(measured))
    return Selection(
        rows=rows,
        distances=pool.before(chosen),
        num_rows=table.num_rows,
        num_labelled=len(pool.labelled),
        num_left=len(candidates),
        mean_distance=float(covered.mean(dtype=np.float64)),
        farthest=float(covered.max()),
        coverage_rows=len(measured),
        method=method,
        distance=distance,
    )


def write_selection(table: VectorTable, found: Selection, output: str | Path) -> list[str]:
    """Write the chosen rows in order to a Parquet file.

    Its columns: `id`, the copied ones, `rank` (int32 from 1) and `distance_before` (float32, null where nothing was
    labelled or chosen before).

    Returns:
        Names of copied columns that gave way to ours.

    Raises:
        UsageError: an output that is the table. OutputError: the file cannot be written.
    """
    ours = {
        "rank": pa.array(np.arange(1, len(found.rows) + 1, dtype=np.int32)),
        "distance_before": pa.array(found.distances, mask=np.isinf(found.distances)),
    }
    return write_with_columns(table, ours, output, rows=found.rows)


def _labelled_rows(table: VectorTable, label: str | None) -> Flags:
    if label is None:
        return np.zeros(table.num_rows, bool)
    return np.array([has_label(value) for value in table.column(label).to_pylist()], bool)


def _pool(
    table: VectorTable, others: VectorTable | None, is_labelled: Flags, distance: str, seed: int
) -> tuple[Pool, Indices]:
    """The pool, and the row of the table that each of its vectors is."""
    matrix = checked_matrix(table)
    labelled = matrix[is_labelled]
    if others is not None:
        if others.dim != table.dim:
            got = f"{others.dim} dims"
            raise DataError(
                "labelled vectors", expected=f"{table.dim} dims as the table has", got=got, where=others.source
            )
        labelled = np.concatenate([labelled, checked_matrix(others)])
    unlabelled = np.flatnonzero(~is_labelled)
    firsts, _ = distinct_vectors(np.concatenate([labelled, matrix[unlabelled]]) if len(labelled) else matrix)
    candidates = unlabelled[firsts[firsts >= len(labelled)] - len(labelled)]
    vectors = matrix if len(candidates) == len(matrix) else matrix[candidates]
    return Pool(vectors=vectors, labelled=labelled, distance=distance, seed=seed), candidates
