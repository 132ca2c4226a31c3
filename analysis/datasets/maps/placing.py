"""New rows on an old map: every old row stays where it is.

By a projection's directions; or among the old rows' vectors, which are read from where they lay and compared with the
hash that the layout keeps.

Decision a reader would question: `transform` of umap-learn and pacmap is not used. Either needs its whole fitted model,
which is a pickle; pacmap's puts equal vectors at different places; figures in docs/decisions/0044-maps.md.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from analysis.datasets.maps.anchors import Anchors
from analysis.datasets.maps.laying_out import rows_of, vectors_used
from analysis.datasets.maps.layout import Layout, fingerprint
from analysis.neighbours.batches import checked_batches
from artifact.arrays import Flags, Indices, Vectors
from artifact.errors import DataError, UsageError
from artifact.events import Report
from rows.vectors.lineage import distance_of_two
from rows.vectors.table import VectorTable


def place(
    layout: Layout,
    table: VectorTable | str | Path,
    *,
    vectors: VectorTable | None = None,
    distance: str | None = None,
    report: Report | None = None,
) -> Layout:
    """Put the rows of a table on an old map.

    A row whose vector is one of the old ones stands where that one does; where several are equal, at the one of its id.

    Args:
        layout: the old map.
        table: M rows of the same space and n, or the path of such.
        vectors: the old map's vectors, where they do not lie any more where they lay.
        distance: the layout's: vouches that a table or a layout without a lineage is of the other's space.
        report: gets notes.

    Returns:
        The M rows, by the old map's method. They can be placed among in turn.

    Raises:
        SpaceError: vectors of another space. UsageError: another distance than the layout's.
        DataError: vectors of another n, not finite, or the old ones are not to be found or have changed.
    """
    table = VectorTable.of(table)
    say = report or (lambda event: None)
    _require_same_space(layout, table, distance)
    if table.dim != layout.dim:
        raise DataError(
            "vectors", expected=f"{layout.dim} dims as the layout's", got=str(table.dim), where=table.source
        )
    if layout.axes is not None:
        places, placed = _project(layout, table)
    else:
        places, placed = _place_among(layout, old_vectors(layout, vectors), table)
    return Layout(
        rows=rows_of(table, say),
        places=places,
        placed=placed,
        method=layout.method,
        asked=layout.asked,
        seed=layout.seed,
        parameters=layout.parameters,
        library=layout.library,
        dim=layout.dim,
        distance=layout.distance,
        recall=layout.recall,
        share=layout.share,
        axes=layout.axes,
        vectors=None if layout.vectors is None else vectors_used(table),
    )


def _require_same_space(layout: Layout, table: VectorTable, distance: str | None) -> None:
    """See that a table's vectors are like a layout's. A projection of vectors of unknown origin has no distance."""
    if layout.lineage is None and table.lineage is None:
        distance = distance or layout.distance
        if distance is None:
            return
    known = distance_of_two(layout.lineage, table.lineage, distance, names=("the layout", table.source))
    if layout.distance not in (None, known):
        raise UsageError("distance", expected=f"{layout.distance}, as the layout was made", got=known)


def old_vectors(layout: Layout, vectors: VectorTable | None = None) -> VectorTable:
    """The table that a layout is of, checked by its hash.

    Args:
        layout: one by neighbours.
        vectors: that table; None: where it lay.

    Raises:
        DataError: nothing there, or not those vectors.
    """
    assert layout.vectors is not None
    used = layout.vectors
    mend = "name the table that the layout was made of with --layout-vectors (in Python, vectors=...)"
    try:
        table = vectors or VectorTable.open(used.source, used.column).cut(layout.dim)
        is_same = (table.num_rows, table.dim) == (layout.num_rows, layout.dim) and fingerprint(table) == used.sha256
    except DataError as error:
        raise error.but(what="vectors of the layout", mend=mend) from None
    if not is_same:
        raise DataError(
            "vectors of the layout",
            expected=f"the {layout.num_rows:,} vectors that it was made of",
            got="others",
            where=table.source,
            mend=mend,
        )
    return table


def _project(layout: Layout, table: VectorTable) -> tuple[Vectors, Flags]:
    assert layout.axes is not None
    places = np.empty((table.num_rows, 2), np.float32)
    for batch in checked_batches(table):
        places[batch.first_row : batch.first_row + len(batch)] = layout.axes.places(batch.vectors)
    return places, np.ones(table.num_rows, bool)


def _place_among(layout: Layout, old: VectorTable, table: VectorTable) -> tuple[Vectors, Flags]:
    assert layout.distance is not None
    anchors = Anchors(old, layout.places, distance=layout.distance, num_new=table.num_rows, seed=layout.seed)
    places, placed = np.empty((table.num_rows, 2), np.float32), np.ones(table.num_rows, bool)
    own = _same_ids(layout, table)
    for batch in checked_batches(table):
        part = slice(batch.first_row, batch.first_row + len(batch))
        places[part], same = anchors.place(batch.vectors, own[part])
        placed[part] = same != own[part]
        placed[part] |= same < 0
    return places, placed


def _same_ids(layout: Layout, table: VectorTable) -> Indices:
    """int64 [M], the old row of each row's id; -1 where there is none."""
    rows = {name: row for row, name in enumerate(layout.ids)}
    return np.array([rows.get(name, -1) for name in table.ids], np.int64)
