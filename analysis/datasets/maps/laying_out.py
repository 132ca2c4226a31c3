"""Laying out a table of vectors of any size.

Decisions a reader would question:
- A method by neighbours lays out FITTED_ROWS at most, a sample of a larger table, and the other rows are put among them
  (anchors.py). With a seed both libraries work in one thread, and their time grows faster than the rows: 50,000 took
  UMAP a minute of processor time, half of it to begin with.
- Fewer than FEWEST_ROWS rows, or equal ones, have no neighbourhoods to speak of: they are projected, and that is told.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.datasets.maps.anchors import Anchors
from analysis.datasets.maps.fitted import Fitted
from analysis.datasets.maps.layout import COLUMNS, Layout, VectorsUsed, fingerprint
from analysis.datasets.maps.methods import PCA, Method, require_method
from analysis.datasets.projection import principal_axes
from analysis.neighbours.batches import checked_batches, checked_rows, rows_with_ids
from analysis.neighbours.samples import check_seed, sample_rows
from artifact.arrays import Flags, Vectors
from artifact.errors import UsageError
from artifact.events import Report
from rows.vectors.lineage import table_distance
from rows.vectors.table import VectorTable

FITTED_ROWS = 50_000
FEWEST_ROWS = 8


def lay_out(
    table: VectorTable | str | Path,
    method: str = PCA,
    *,
    seed: int = 0,
    neighbours: int | None = None,
    distance: str | None = None,
    max_fitted: int = FITTED_ROWS,
    report: Report | None = None,
) -> Layout:
    """Lay out every row of a table.

    Args:
        table: N rows, or the path of such.
        method: a name in analysis.datasets.maps.methods.METHODS.
        seed: the same seed gives the same map, to the last bit on one machine.
        neighbours: of each row that the method looks at; by default as many as its library does.
        distance: for vectors without lineage; a projection needs none.
        max_fitted: rows that a method by neighbours lays out itself; at least FEWEST_ROWS.
        report: gets {"event": "note", "message"} of what takes long.

    Raises:
        UsageError: an unknown method, numbers out of range, no distance known.
        ModuleNotFoundError: the method's package is not installed; nothing was read.
        DataError: numbers that are not finite.
    """
    found = require_method(method)
    check_seed(seed)
    if neighbours is not None and (neighbours < 2 or not found.neighbours):
        expected = "at least 2" if found.neighbours else f"none, for method {method}"
        raise UsageError("neighbours", expected=expected, got=str(neighbours))
    if max_fitted < FEWEST_ROWS:
        raise UsageError("max_fitted", expected=f"at least {FEWEST_ROWS}", got=str(max_fitted))
    table = VectorTable.of(table)
    say = report or (lambda event: None)
    if found.fit is None:
        if distance is not None:
            table_distance(table.lineage, distance, where=table.source)
        return _project(table, method, seed, say)
    distance = table_distance(table.lineage, distance, where=table.source)
    rows = sample_rows(table.num_rows, max_fitted, np.random.default_rng(seed))
    matrix = checked_rows(table, rows)
    if len(rows) < FEWEST_ROWS or (matrix == matrix[0]).all():
        why = f"{len(rows)} rows" if len(rows) < FEWEST_ROWS else "equal vectors"
        say(_note(f"{why} have no neighbourhoods to lay out by {method}: projected by {PCA} instead"))
        return _project(table, method, seed, say)
    sample = VectorTable.from_arrays(matrix, lineage=table.lineage, source=table.source)
    fitted = _fit(found, method, sample, distance, neighbours or found.neighbours, seed, say)
    places, placed = fitted.places, np.zeros(table.num_rows, bool)
    if len(rows) < table.num_rows:
        say(_note(f"{table.num_rows - len(rows):,} more rows are put among the {len(rows):,} that were laid out"))
        placed[:] = True
        placed[rows] = False
        places = _place_rest(table, sample, fitted.places, placed, distance, seed)
    return Layout(
        rows=rows_of(table, say),
        places=places,
        placed=placed,
        method=method,
        asked=method,
        seed=seed,
        parameters=fitted.parameters,
        library=fitted.library,
        dim=table.dim,
        distance=distance,
        recall=fitted.recall,
        vectors=vectors_used(table),
    )


def rows_of(table: VectorTable, say: Report) -> pa.Table:
    """`id` and the other columns but vectors, without those that a layout has itself."""
    rows = rows_with_ids(table)
    own = [name for name in COLUMNS if name in rows.schema.names]
    if own:
        say(_note(f"the table's columns {', '.join(own)} are left out: the map has columns of these names"))
    return rows.drop_columns(own)


def vectors_used(table: VectorTable) -> VectorsUsed:
    """Where the vectors of a layout lie."""
    path = Path(table.source)
    source = str(path.resolve()) if path.exists() else table.source
    return VectorsUsed(source=source, column=table.vector_column, sha256=fingerprint(table))


def _note(message: str) -> dict[str, Any]:
    return {"event": "note", "message": message}


def _project(table: VectorTable, asked: str, seed: int, say: Report) -> Layout:
    axes = principal_axes(table, seed=seed)
    places, squares = np.empty((table.num_rows, 2), np.float32), 0.0
    for batch in checked_batches(table):
        wide = axes.places(batch.vectors)
        places[batch.first_row : batch.first_row + len(batch)] = wide
        squares += float(np.vdot(wide, wide))
    share = min(1.0, squares / table.num_rows / axes.variance) if axes.variance > 0 else 0.0
    return Layout(
        rows=rows_of(table, say),
        places=places,
        placed=np.zeros(table.num_rows, bool),
        method=PCA,
        asked=asked,
        seed=seed,
        parameters={"axes_from_rows": axes.num_rows},
        library=f"numpy {np.__version__}",
        dim=table.dim,
        share=share,
        axes=axes,
    )


def _fit(
    found: Method, method: str, sample: VectorTable, distance: str, neighbours: int, seed: int, say: Report
) -> Fitted:
    assert found.fit is not None
    say(_note(f"laying out {sample.num_rows:,} rows by {method}; its first use loads and compiles for half a minute"))
    return found.fit(sample, distance=distance, neighbours=min(neighbours, sample.num_rows), seed=seed)


def _place_rest(
    table: VectorTable, sample: VectorTable, places: Vectors, placed: Flags, distance: str, seed: int
) -> Vectors:
    """float32 [N, 2] of all rows from those of a sample, the rows that are not `placed`."""
    anchors = Anchors(sample, places, distance=distance, num_new=int(placed.sum()), seed=seed)
    found = np.empty((table.num_rows, 2), np.float32)
    found[~placed] = places
    for batch in checked_batches(table):
        part = slice(batch.first_row, batch.first_row + len(batch))
        found[part][placed[part]] = anchors.place(batch.vectors[placed[part]])[0]
    return found
