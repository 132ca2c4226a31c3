"""A search index: a faiss index, and the rows that its numbers stand for.

FILE is readable by anyone with `faiss.read_index`; for the cosine distance its vectors have length 1, and so must their
queries. How it lies on disk beside its rows: index_files.py.

Decisions a reader would question:
- An opened index is mapped. Its pages are the system's file cache, shared by every process that searches it; nothing of
  it is copied. `save` never changes a file in place, so neither must anybody. Opening reads FILE once all the same, for
  its SHA-256: a second for each gigabyte or two, after which its pages are in that cache.
- Rows that a condition leaves are searched where they lie: selection.py.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.neighbours.batches import require_columns, rows_with_ids
from analysis.neighbours.checks import check_vectors
from analysis.neighbours.nearest import search_index
from analysis.neighbours.samples import check_seed
from analysis.search.coded import CodedIndex
from analysis.search.conditions.matching import matching_rows
from analysis.search.index_files import SayWaiting, locked, read_files, rows_file, write_files
from analysis.search.index_kinds import AUTO, INDEX_KINDS, choose_kind
from analysis.search.list_training import RECALL
from analysis.search.placed_rows import PlacedRows
from analysis.search.selection import MANY_QUERIES, SelectedRows, select_rows
from artifact.arrays import Indices, Vectors
from artifact.errors import DataError, UsageError
from rows.vectors.lineage import Lineage, require_same_space, table_distance
from rows.vectors.named_images import NamedImages
from rows.vectors.table import VectorTable

__all__ = ["Index", "rows_file"]


class Index:
    """Search over a table of vectors.

    Attributes:
        rows: Arrow table of `id` and the copied columns, one row a vector.
        distance: a name in artifact.distances.DISTANCES.
        lineage: of the vectors, or None.
        kind: a name in analysis.search.index_kinds.INDEX_KINDS; "flat" is exact.
        parameters: what the kind was built with, and its recall@10 against exact search, with "build_seconds".
        images: the table of images that the vectors were scored from, where that is known.
    """

    def __init__(
        self,
        faiss_index: Any,
        rows: pa.Table,
        *,
        distance: str,
        lineage: Lineage | None,
        kind: str,
        parameters: dict[str, Any] | None = None,
        images: NamedImages | None = None,
        is_mapped: bool = False,
    ) -> None:
        self._faiss, self._is_mapped = faiss_index, is_mapped
        self.rows, self.distance, self.lineage, self.kind = rows, distance, lineage, kind
        self.parameters, self.images = parameters or {}, images
        self._placed = PlacedRows(rows)

    @classmethod
    def build(
        cls,
        table: VectorTable | str | Path,
        *,
        distance: str | None = None,
        kind: str = AUTO,
        recall: float = RECALL,
        seed: int = 0,
        copy: Sequence[str] | None = None,
    ) -> Index:
        """Index every row of a table, a batch in memory at a time besides the index itself.

        Args:
            table: or the path of one.
            distance: for vectors without lineage.
            kind: "auto" (by size), or one of analysis.search.index_kinds.INDEX_KINDS.
            recall: what recall@10 of an approximate kind must reach, in (0, 1].
            seed: the same seed gives the same index.
            copy: the columns to keep beside `id`; None: all without vectors, images and bytes.

        Raises:
            UsageError: no distance known, no such kind, a recall out of range, a negative seed.
            DataError: numbers that are not finite, or no such column.
        """
        started = time.perf_counter()
        if not 0.0 < recall <= 1.0:
            raise UsageError("recall", expected="a share in (0, 1]", got=str(recall))
        check_seed(seed)
        table = VectorTable.of(table)
        distance = table_distance(table.lineage, distance, where=table.source)
        kind = choose_kind(kind, table.num_rows, table.dim)
        require_columns(table, copy)
        index, parameters = INDEX_KINDS[kind](table, distance, recall=recall, seed=seed)
        rows = rows_with_ids(table, copy)
        parameters["build_seconds"] = round(time.perf_counter() - started, 3)
        return cls(
            index,
            rows,
            distance=distance,
            lineage=table.lineage,
            kind=kind,
            parameters=parameters,
            images=table.images,
        )

    @property
    def is_exact(self) -> bool:
        """Whether a search finds the nearest rows for certain, and not only most of them."""
        return self.kind == "flat"

    @property
    def recall(self) -> float | None:
        """recall@10 against exact search, in [0, 1], as it was measured when it was built; None where it was not."""
        found: float | None = self.parameters.get("recall@10")
        return found

    @property
    def num_rows(self) -> int:
        """Number of vectors that it holds."""
        return int(self._faiss.ntotal)

    @property
    def dim(self) -> int:
        """n of the vectors."""
        return int(self._faiss.d)

    def search(self, vectors: Vectors, k: int, *, lineage: Lineage | None = None) -> list[list[dict[str, Any]]]:
        """The k nearest rows of each vector, nearest first: {"id", "distance", copied columns} each.

        For few queries; `search_table` gives the same for many. Arguments and errors are those of `search_table`.
        """
        found = self.search_table(vectors, k, lineage=lineage)
        names = [name for name in found.schema.names if name not in ("query", "rank", "id", "distance")]
        rows = found.select(["id", "distance", *names]).to_pylist()
        size = min(k, self.num_rows)
        if not size:
            return [[] for _ in range(len(vectors))]
        return [rows[first : first + size] for first in range(0, len(rows), size)]

    def search_table(self, vectors: Vectors, k: int, *, lineage: Lineage | None = None) -> pa.Table:
        """The k nearest rows of each vector, or all where there are fewer.

        Args:
            vectors: float32 [Q, n].
            lineage: of the vectors, where it is known: then it must be of the same space.

        Returns:
            Arrow table, Q x k rows: `query` (int64, row of `vectors`), `rank` (int32 from 1), `distance` (float32), and
            `id` and the copied columns of the row found (but for any of these three names); by query, then rank.

        Raises:
            UsageError: k < 1. SpaceError: vectors of another space. DataError: another n, or numbers not finite.
        """
        if k < 1:
            raise UsageError("k", expected="at least 1", got=str(k))
        if lineage is not None:
            require_same_space(self.lineage, lineage, names=("an index", "queries"))
        queries = check_vectors(vectors, "queries")
        distances, found = self.nearest_rows(queries, k)
        k = distances.shape[1]
        num_queries = len(queries)
        result = self._placed.at(found.reshape(-1))
        columns: dict[str, Any] = {
            "query": np.repeat(np.arange(num_queries), k),
            "rank": np.tile(np.arange(1, k + 1, dtype=np.int32), num_queries),
            "distance": distances.reshape(-1),
        }
        for name in result.schema.names:
            columns.setdefault(name, result[name])
        return pa.table(columns)

    def nearest_rows(self, queries: Vectors, k: int, *, own: Indices | None = None) -> tuple[Vectors, Indices]:
        """(distances float32 [Q, k], numbers of the k nearest rows int64 [Q, k]), or of all where there are fewer.

        Args:
            queries: float32 [Q, n], finite.
            own: int64 [Q], a row that each query is not told of; then k must be below num_rows.
        """
        k = min(k, self.num_rows)
        if k:
            centre = np.zeros(self.dim, np.float32)
            facts: dict[str, Any] = {"distance": self.distance, "centre": centre, "own": own}
            return search_index(self._faiss, self._faiss.reconstruct_batch, queries, k, **facts)
        if queries.shape[1] != self.dim:  # no row meets a condition
            got = str(queries.shape[1])
            raise DataError("queries", expected=f"{self.dim} dims as the references have", got=got)
        return np.zeros((len(queries), 0), np.float32), np.zeros((len(queries), 0), np.int64)

    def rows_at(self, places: Indices) -> pa.Table:
        """`id` and copied columns of rows by their numbers, in that order."""
        return self._placed.at(places)

    def where(self, condition: str, *, num_queries: int = 1) -> Index:
        """The index of the rows for which a condition is true, such as `label = 'shoe' and price < 50`; maybe of none.

        It is exact, or its `recall` is that among these rows. It can be searched, and not be written.

        Args:
            num_queries: about how many will be asked: for thousands it is seen whether lists find as much faster.

        Raises:
            UsageError: as analysis.search.conditions.matching.matching_rows.
        """
        return self.of_rows(matching_rows(self.rows, condition), num_queries=num_queries)

    def of_rows(self, places: Indices, *, num_queries: int = 1) -> Index:
        """The index of some rows, int64 [m], rising, within num_rows; as `where`."""
        if len(places) == self.num_rows:
            return self
        lists = None if self.kind != "ivf" or num_queries < MANY_QUERIES else self.parameters
        selected, parameters = select_rows(self._faiss, places, self.distance, parameters=lists)
        return Index(
            selected,
            self._placed.at(places),
            distance=self.distance,
            lineage=self.lineage,
            kind=self.kind if selected.nlist else "flat",
            parameters=parameters,
            images=self.images,
        )

    def places_of(self, name: str) -> Indices:
        """int64 [m]: numbers of the rows with an id, compared as text; raises DataError where there is none."""
        places = self._placed.of_id(name)
        if not len(places):
            raise DataError("id of a query", expected="one that the index has", got=repr(name))
        return places

    def vectors_at(self, places: Indices) -> Vectors:
        """float32 [m, n] of some rows, as the index holds them: of length 1 for a distance of directions."""
        vectors: Vectors = self._faiss.reconstruct_batch(places)
        return vectors

    def take_vectors(self) -> tuple[Any, dict[str, Any]]:
        """The faiss index to be changed, and the parameters of its kind; this index is used up.

        Raises:
            UsageError: it is mapped from its file, of codes, or a selection.
        """
        if self._is_mapped or isinstance(self._faiss, SelectedRows | CodedIndex):
            raise UsageError("index", expected="one in memory to change", got="a mapped one", mend="is_mapped=False")
        taken, self._faiss = self._faiss, None
        return taken, self.parameters

    def save(self, file: str | Path, *, say_waiting: SayWaiting | None = None) -> None:
        """Write FILE and what stands beside it, in folders that are made; `say_waiting` is told as by `locked`.

        Raises:
            OutputError: that cannot be done. UsageError: it is a selection.
        """
        self._require_whole()
        with locked(Path(file), say_waiting=say_waiting, makes_folder=True):
            self.write(Path(file))

    def write(self, file: Path) -> None:
        """`save` for who has locked the file."""
        self._require_whole()
        facts = {
            "kind": self.kind,
            "parameters": self.parameters,
            "distance": self.distance,
            "num_rows": self.num_rows,
            "images": self.images.to_value() if self.images else None,
        }
        rows = self.rows.replace_schema_metadata(self.lineage.to_metadata() if self.lineage else None)
        write_files(file, self._faiss, rows, facts)

    def _require_whole(self) -> None:
        if isinstance(self._faiss, SelectedRows):
            raise UsageError("index", expected="a whole one to write", got="selected rows of one")

    @classmethod
    def open(cls, file: str | Path, *, is_mapped: bool = True) -> Index:
        """Read what `save` wrote.

        Args:
            is_mapped: leave the vectors in the file; else they are in memory, and the index can be changed.

        Raises:
            DataError: a file is missing or broken, or the two do not belong together.
        """
        path = Path(file)
        faiss_index, rows, facts = read_files(path, is_mapped=is_mapped)
        if facts["kind"] not in INDEX_KINDS:
            expected = f"a kind of {', '.join(INDEX_KINDS)}"
            raise DataError("index", expected=expected, got=f"kind {facts['kind']}", where=path)
        return cls(
            faiss_index,
            rows,
            distance=facts["distance"],
            lineage=Lineage.from_metadata(rows.schema.metadata, where=rows_file(path)),
            kind=facts["kind"],
            parameters=facts.get("parameters"),
            images=NamedImages.from_value(facts.get("images")),
            is_mapped=is_mapped,
        )
