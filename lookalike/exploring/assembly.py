"""Tables of vectors -> all that the explorer's page shows of them.

Decisions a reader would question:
- Places are moved and scaled into a square from -1 to 1 by one factor: distances on the map keep their ratios.
- Neighbours are those by the vectors, of all tables together, not those on the map.
- The first colour is that of the sets where there are several, else of the label, else of the first column of
  categories.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.datasets.maps.laying_out import lay_out
from analysis.datasets.maps.layout import Layout
from analysis.datasets.maps.methods import PCA
from analysis.datasets.maps.placing import place
from analysis.search.graph import NeighbourGraph, neighbour_graph
from artifact.arrays import Vectors
from artifact.errors import DataError
from artifact.events import Report
from artifact.images.limits import DEFAULT_LIMITS, Limits
from lookalike.exploring.columns import page_column, set_column
from lookalike.exploring.findings import find_all
from lookalike.exploring.pictures import LEFT_OUT, NO_PICTURES, TablePictures
from lookalike.exploring.question import Question
from lookalike.exploring.together import column_names, joined, joined_column, require_comparable, set_names
from pages.explorer.data import (
    Categories,
    Column,
    ExplorerData,
    Neighbours,
    SmallPictures,
    texts,
)
from rows.pictures.sprites import Sprites
from rows.vectors.lineage import table_distance
from rows.vectors.table import VectorTable

DEFAULT_NEIGHBOURS = 10
SET = "set"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be shown, as the options of `lookalike explore` have it.

    Attributes:
        method: of the map, a name in analysis.datasets.maps.methods.METHODS.
        layout: a saved map to place the rows on, in place of a new one.
        neighbours: of each row; 0: none.
        thumbnails_px: longest side; 0: no pictures.
        images, image_column, image_id_column: tables of images, see TablePictures.
        limits: larger images are not read.
        label: column of classes, for label errors and the first colour.
        colour: column that the points are coloured by at first.
        title: of the page; None: the names of the tables.
        findings: names of the tabs to make.
        distance: for vectors without lineage.
        seed: same seed, same page.
    """

    method: str = PCA
    layout: Layout | None = None
    neighbours: int = DEFAULT_NEIGHBOURS
    thumbnails_px: int = 64
    images: Sequence[str] = ()
    image_column: str | None = None
    image_id_column: str | None = None
    limits: Limits = DEFAULT_LIMITS
    label: str | None = None
    colour: str | None = None
    title: str | None = None
    findings: Sequence[str] = ()
    distance: str | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Assembled:
    """The page's data with what is printed of it, and what a server asks further."""

    data: ExplorerData
    question: Question
    layout: Layout
    pictures: TablePictures | None
    graph: NeighbourGraph | None
    notes: list[str] = field(default_factory=list)


def assemble(tables: Sequence[VectorTable], wanted: Wanted, *, report: Report | None = None) -> Assembled:
    """All that the page shows of the rows of some tables, one after the other.

    Raises:
        SpaceError, DataError, UsageError: tables that cannot be shown together, wrong columns, no distance known.
        ModuleNotFoundError: the package of the method is not installed.
    """
    require_comparable(tables, vouched=wanted.distance is not None)
    names = column_names(tables)
    for option, name in (("--label", wanted.label), ("--color", wanted.colour)):
        if name is not None and name not in names and not (name == SET and len(tables) > 1):
            raise DataError(
                option, expected=f"one of {', '.join(names) or 'no columns'}", got=repr(name), where=tables[0].source
            )
    columns, notes = _columns(tables, names, wanted)
    _require_colour(columns, wanted, where=tables[0].source)
    pictures = table_pictures(tables, wanted)
    table = joined(tables, wanted.label)
    distance = table_distance(table.lineage, wanted.distance, where=table.source)
    layout = _layout(table, wanted, distance, report)
    graph = _graph(table, wanted, distance)
    places = unit_places(layout.places)
    ids, is_cut = texts(table.ids)
    has_pictures = pictures is not None and pictures.any
    question = Question(
        tables=tables,
        names=set_names(tables),
        together=table,
        label=wanted.label,
        distance=distance,
        seed=wanted.seed,
    )
    findings, more = find_all(question, wanted.findings)
    notes += more
    data = ExplorerData(
        title=wanted.title or " + ".join(set_names(tables)),
        about=_about(table, layout, tables),
        notes=_notes(layout, graph),
        file_stem="-".join(set_names(tables)).replace("/", "-")[:60],
        ids=ids,
        places=places,
        digest=_digest(ids, places),
        columns=columns,
        colour=_first_colour(columns, wanted),
        neighbours=Neighbours(rows=graph.rows, distances=graph.distances) if graph is not None else None,
        distance=distance,
        pictures=SmallPictures(
            sprites=Sprites(table.num_rows, wanted.thumbnails_px),
            thumbnails=pictures.thumbnails(wanted.thumbnails_px),
        )
        if pictures is not None and has_pictures
        else None,
        no_pictures="" if has_pictures else NO_PICTURES if wanted.thumbnails_px else LEFT_OUT,
        findings=findings,
    )
    if is_cut:
        notes.append("long ids are cut")
    return Assembled(
        data=data,
        question=question,
        layout=layout,
        pictures=pictures if has_pictures else None,
        graph=graph,
        notes=notes,
    )


def table_pictures(tables: Sequence[VectorTable], wanted: Wanted) -> TablePictures | None:
    """The pictures of the rows; None where none are wanted. Raises as TablePictures."""
    if not wanted.thumbnails_px:
        return None
    return TablePictures(
        tables,
        wanted.images,
        image_column=wanted.image_column,
        image_id_column=wanted.image_id_column,
        limits=wanted.limits,
    )


def unit_places(places: Vectors) -> Vectors:
    """float32 [N, 2] moved and scaled by one factor into a square from -1 to 1; zeros where all are equal."""
    low, high = places.min(axis=0), places.max(axis=0)
    half = float((high - low).max()) / 2
    if not half > 0:
        return np.zeros_like(places)
    return np.ascontiguousarray((places - (low + high) / 2) / half, np.float32)


def _layout(table: VectorTable, wanted: Wanted, distance: str, report: Report | None) -> Layout:
    if wanted.layout is not None:
        return place(wanted.layout, table, distance=wanted.distance, report=report)
    needs = None if wanted.method == PCA else distance
    return lay_out(table, wanted.method, seed=wanted.seed, distance=needs, report=report)


def _graph(table: VectorTable, wanted: Wanted, distance: str) -> NeighbourGraph | None:
    if not wanted.neighbours or table.num_rows < 2:
        return None
    return neighbour_graph(table, wanted.neighbours, distance=distance, seed=wanted.seed)


def _columns(tables: Sequence[VectorTable], names: Sequence[str], wanted: Wanted) -> tuple[list[Column], list[str]]:
    columns: list[Column] = []
    notes = []
    if len(tables) > 1:
        name = SET if SET not in names else f"{SET} (of the tables)"
        columns.append(set_column(name, set_names(tables), [table.num_rows for table in tables]))
    for name in names:
        cells = joined_column(tables, name)
        if cells.null_count == len(cells):
            continue
        column, note = page_column(name, cells, is_label=name == wanted.label)
        columns.append(column)
        notes += [note] if note else []
    return columns, notes


def _require_colour(columns: Sequence[Column], wanted: Wanted, *, where: str) -> None:
    """See that the column can be colours: else minutes would pass before that is told."""
    if wanted.colour is None:
        return
    kind = next((column.kind for column in columns if column.name == wanted.colour), None)
    if kind is None or kind == "text":
        raise DataError(
            "--color",
            expected="a column of classes, numbers or dates",
            got=f"{wanted.colour!r}, {'empty' if kind is None else 'texts that hardly repeat, or lists'}",
            where=where,
        )


def _first_colour(columns: Sequence[Column], wanted: Wanted) -> int:
    named = [column.name for column in columns]
    sets = [column.name for column in columns if isinstance(column, Categories) and column.is_set]
    for name in (wanted.colour, *sets, wanted.label):
        if name in named and columns[named.index(name)].kind != "text":
            return named.index(name)
    return next((at for at, column in enumerate(columns) if isinstance(column, Categories)), -1)


def _about(table: VectorTable, layout: Layout, tables: Sequence[VectorTable]) -> str:
    words = [f"{table.num_rows:,} rows", f"{table.dim} dims", f"map by {layout.method.upper()}"]
    if len(tables) > 1:
        words.insert(1, f"{len(tables)} sets")
    if table.lineage is not None:
        words.append(f"vectors of {table.lineage}")
    return ", ".join(words)


def _notes(layout: Layout, graph: NeighbourGraph | None) -> str:
    words = []
    if layout.share is not None:
        words.append(f"The two directions of this map hold {layout.share:.0%} of the variance.")
    if graph is not None and not graph.is_exact:
        words.append(f"Neighbours were searched for with recall@10 of {graph.recall:.3f}.")
    return " ".join(words)


def _digest(ids: bytes, places: Vectors) -> str:
    digest = hashlib.sha256(ids)
    digest.update(np.ascontiguousarray(places, "<f4").tobytes())
    return digest.hexdigest()
