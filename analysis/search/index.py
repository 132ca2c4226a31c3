"""A search index on disk: a plain faiss file, and beside it the rows that its numbers stand for.

FILE is readable by anyone with `faiss.read_index`; for the cosine distance its vectors have length 1, and so must their
queries. FILE.rows.parquet holds ids, copied columns and lineage, and the SHA-256 of FILE: rows are renamed into place
first, then the index, and a pair that does not belong together (a kill in between, a file copied alone) is refused.

Decisions a reader would question:
- An opened index is mapped. Its pages are the system's file cache, shared by every process that searches it; nothing of
  it is copied. `save` never changes a file in place, so neither must anybody. Opening reads FILE once all the same, for
  its SHA-256: a second for each gigabyte or two, after which its pages are in that cache.
- Rows found are taken from one record batch at a time: `Table.take` puts whole columns together first, at every search.
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.neighbours.batches import rows_with_ids
from analysis.neighbours.checks import check_vectors
from analysis.neighbours.faiss_library import load_faiss
from analysis.neighbours.nearest import search_index
from analysis.neighbours.samples import check_seed
from analysis.search.index_kinds import AUTO, INDEX_KINDS, RECALL, choose_kind
from artifact.arrays import Indices, Vectors
from artifact.atomic import staged_file
from artifact.errors import DataError, OutputError, UsageError
from rows.vectors.lineage import Lineage, require_same_space, table_distance
from rows.vectors.parts import write_part
from rows.vectors.table import VectorTable

_METADATA_KEY = b"lookalike.index"
ROWS_SUFFIX = ".rows.parquet"


class Index:
    """Search over a table of vectors.

    Attributes:
        rows: Arrow table of `id` and the copied columns, one row a vector.
        distance: a name in artifact.distances.DISTANCES.
        lineage: of the vectors, or None.
        kind: a name in analysis.search.index_kinds.INDEX_KINDS; "flat" is exact.
        parameters: what the kind was built with, and its recall@10 against exact search, with "build_seconds".
        images: the folder of images that the vectors were scored from, where that is known.
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
        images: Path | None = None,
    ) -> None:
        self._faiss = faiss_index
        self.rows, self.distance, self.lineage, self.kind = rows, distance, lineage, kind
        self.parameters, self.images = parameters or {}, images
        self._batches = rows.to_batches()
        self._ends = np.cumsum([len(batch) for batch in self._batches])

    @classmethod
    def build(
        cls,
        table: VectorTable | str | Path,
        *,
        distance: str | None = None,
        kind: str = AUTO,
        recall: float = RECALL,
        seed: int = 0,
    ) -> Index:
        """Index every row of a table, a batch in memory at a time besides the index itself.

        Args:
            table: or the path of one.
            distance: for vectors without lineage.
            kind: "auto" (by size), or one of analysis.search.index_kinds.INDEX_KINDS.
            recall: what recall@10 of an approximate kind must reach, in (0, 1].
            seed: the same seed gives the same index.

        Raises:
            UsageError: no distance known, no such kind, a recall out of range, a negative seed.
            DataError: numbers that are not finite.
        """
        started = time.perf_counter()
        if not 0.0 < recall <= 1.0:
            raise UsageError("recall", expected="a share in (0, 1]", got=str(recall))
        check_seed(seed)
        table = VectorTable.of(table)
        distance = table_distance(table.lineage, distance, where=table.source)
        kind = choose_kind(kind, table.num_rows, table.dim)
        index, parameters = INDEX_KINDS[kind](table, distance, recall=recall, seed=seed)
        rows = rows_with_ids(table)
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
        k = min(k, self.num_rows)
        distances, found = search_index(
            self._faiss,
            self._faiss.reconstruct_batch,
            queries,
            k,
            distance=self.distance,
            centre=np.zeros(self.dim, np.float32),
        )
        num_queries = len(queries)
        result = self._rows_at(found.reshape(-1))
        columns: dict[str, Any] = {
            "query": np.repeat(np.arange(num_queries), k),
            "rank": np.tile(np.arange(1, k + 1, dtype=np.int32), num_queries),
            "distance": distances.reshape(-1),
        }
        for name in result.schema.names:
            columns.setdefault(name, result[name])
        return pa.table(columns)

    def _rows_at(self, places: Indices) -> pa.Table:
        """Rows by their numbers, in that order; int64 [m], any number of times each."""
        wanted, back = np.unique(places, return_inverse=True)
        taken = [self.rows.schema.empty_table()]
        numbers = np.searchsorted(self._ends, wanted, side="right")  # of the batch that each lies in
        for number in np.unique(numbers).tolist():
            batch = self._batches[number]
            inside = wanted[numbers == number] - (self._ends[number] - len(batch))
            taken.append(pa.Table.from_batches([batch.take(pa.array(inside))]))
        return pa.concat_tables(taken).take(back).replace_schema_metadata(None)

    def save(self, file: str | Path) -> None:
        """Write FILE and FILE.rows.parquet; raises OutputError where that cannot be done."""
        faiss = load_faiss()

        path = Path(file)
        with staged_file(path) as staged:
            try:
                faiss.write_index(self._faiss, str(staged))
            except RuntimeError as error:  # what faiss says for every failure to write
                raise OutputError("cannot write the index", got=str(error).splitlines()[0], where=path) from None
            facts = {
                "kind": self.kind,
                "parameters": self.parameters,
                "distance": self.distance,
                "num_rows": self.num_rows,
                "images": str(self.images) if self.images else None,
                "sha256": _sha256(staged),
            }
            metadata = {_METADATA_KEY: json.dumps(facts, sort_keys=True).encode()}
            metadata |= self.lineage.to_metadata() if self.lineage else {}
            write_part(rows_file(path), self.rows.replace_schema_metadata(metadata))

    @classmethod
    def open(cls, file: str | Path) -> Index:
        """Read what `save` wrote.

        Raises:
            DataError: a file is missing or broken, or the two do not belong together.
        """
        faiss = load_faiss()

        path, beside = Path(file), rows_file(Path(file))
        for needed in (path, beside):
            if not needed.is_file():
                raise DataError(
                    "index", expected=f"{path.name} and {beside.name}", got=f"no {needed.name}", where=path.parent
                )
        rows, facts = _read_rows(beside)
        if facts["sha256"] != _sha256(path):
            raise DataError(
                "index",
                expected=f"the faiss file that {beside.name} was written with",
                got="another one",
                where=path,
                mend="build the index again",
            )
        if facts["kind"] not in INDEX_KINDS:
            expected = f"kind {' or '.join(INDEX_KINDS)}"
            raise DataError("index", expected=expected, got=f"kind {facts['kind']}", where=path)
        return cls(
            faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC),
            rows,
            distance=facts["distance"],
            lineage=Lineage.from_metadata(rows.schema.metadata, where=beside),
            kind=facts["kind"],
            parameters=facts.get("parameters"),
            images=Path(facts["images"]) if facts.get("images") else None,
        )


def rows_file(file: Path) -> Path:
    """FILE.rows.parquet, beside FILE."""
    return file.with_name(file.name + ROWS_SUFFIX)


def _read_rows(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as opened:
            rows = opened.read()
        facts = json.loads((rows.schema.metadata or {})[_METADATA_KEY])
        return rows, facts | {key: facts[key] for key in ("kind", "distance", "sha256")}
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            "index rows", expected="what Index.save wrote", got=str(error)[:200] or type(error).__name__, where=path
        ) from None


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
