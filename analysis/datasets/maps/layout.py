"""A layout: where each row of a table stands on a map, with all that is needed to place further rows on it.

It is kept as one Parquet file: the table's `id` and columns, `x`, `y`, `placed`, and in the schema metadata the lineage
of the vectors and how the map was made.

Decision a reader would question: the file holds no vectors. A projection needs its directions alone. A layout by
neighbours (UMAP, PaCMAP) needs the vectors that it was made of, and says where they lay, with a hash of them: of a
million rows of 128 numbers they are 512 MB, and the map 11.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.datasets.projection import PrincipalAxes
from analysis.neighbours.batches import checked_batches
from artifact.arrays import Flags, Vectors
from artifact.errors import DataError
from rows.ids import id_as_text
from rows.vectors.lineage import Lineage
from rows.vectors.parts import part_facts, unreadable, write_part
from rows.vectors.table import VectorTable

METADATA_KEY = b"lookalike.layout"
COLUMNS = ("x", "y", "placed")
"""Its own; a column of the table with such a name is left out."""


@dataclass(frozen=True, kw_only=True)
class VectorsUsed:
    """The table of vectors that the rows of a layout are of.

    Attributes:
        source: its path when the layout was made, absolute; or what a table in memory was called.
        column: the vector column.
        sha256: of all vectors as float32, in order.
    """

    source: str
    column: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Layout:
    """N rows on a map.

    Attributes:
        rows: Arrow table of N rows: `id` and the other columns but vectors; the lineage in its schema metadata.
        places: float32 [N, 2], x and y.
        placed: bool [N], rows that were put among the others afterwards.
        method: a name in analysis.datasets.maps.methods.METHODS.
        asked: the method that was asked for; another one where a table has too few rows for it.
        seed: that it was made with.
        parameters: of the method.
        library: what computed it, with its version.
        dim: n of the vectors.
        distance: by which neighbours were found; None for a projection.
        recall: measured recall@10 of those neighbours; None for a projection.
        share: share of the variance that the two directions of a projection hold, in [0, 1]; None for others.
        axes: of a projection; None for others.
        vectors: where they lay; None for a projection, which does not need them any more.
    """

    rows: pa.Table
    places: Vectors
    placed: Flags
    method: str
    asked: str
    seed: int
    parameters: dict[str, Any]
    library: str
    dim: int
    distance: str | None = None
    recall: float | None = None
    share: float | None = None
    axes: PrincipalAxes | None = None
    vectors: VectorsUsed | None = None

    @property
    def num_rows(self) -> int:
        """N."""
        return len(self.places)

    @property
    def ids(self) -> list[str]:
        """Column `id` as text."""
        return list(map(id_as_text, self.rows["id"].to_pylist()))

    @property
    def lineage(self) -> Lineage | None:
        """Of the vectors."""
        return Lineage.from_metadata(self.rows.schema.metadata)

    def facts(self) -> dict[str, Any]:
        """How it was made, for people and for JSON."""
        return {
            "method": self.method,
            "seed": self.seed,
            "parameters": self.parameters,
            "library": self.library,
            "num_rows": self.num_rows,
            "num_placed": int(self.placed.sum()),
            "dim": self.dim,
            "distance": self.distance,
            "recall@10": self.recall,
            "share": self.share,
        }

    def to_table(self) -> pa.Table:
        """All of it as one Arrow table, which `Layout.of` takes."""
        table = self.rows
        for name, values in zip(COLUMNS, (self.places[:, 0], self.places[:, 1], self.placed), strict=True):
            table = table.append_column(name, pa.array(np.ascontiguousarray(values)))
        made = {
            "format": 1,
            "method": self.method,
            "asked": self.asked,
            "seed": self.seed,
            "parameters": self.parameters,
            "library": self.library,
            "dim": self.dim,
            "distance": self.distance,
            "recall": self.recall,
            "share": self.share,
            "axes": _axes_to_dict(self.axes) if self.axes else None,
            "vectors": asdict(self.vectors) if self.vectors else None,
        }
        own = {METADATA_KEY: json.dumps(made, sort_keys=True).encode()}
        return table.replace_schema_metadata({**(table.schema.metadata or {}), **own})

    def save(self, path: str | Path) -> None:
        """Write the file, whole or not at all; raises OutputError."""
        write_part(path, self.to_table())

    @classmethod
    def of(cls, table: pa.Table, *, where: object = None) -> Layout:
        """What `to_table` gave; raises DataError for any other table."""
        metadata = table.schema.metadata or {}
        if METADATA_KEY not in metadata or any(name not in table.schema.names for name in ("id", *COLUMNS)):
            raise DataError(
                "layout", expected="what `lookalike map` wrote as Parquet", got="another table", where=where
            )
        try:
            made = json.loads(metadata[METADATA_KEY])
            axes, vectors = made.pop("axes"), made.pop("vectors")
            made.pop("format")
            rows = table.drop_columns(list(COLUMNS)).replace_schema_metadata(
                {key: value for key, value in metadata.items() if key != METADATA_KEY}
            )
            return cls(
                rows=rows,
                places=np.column_stack([np.asarray(table[name], np.float32) for name in COLUMNS[:2]]),
                placed=np.asarray(table[COLUMNS[2]], bool),
                axes=_axes_of_dict(axes) if axes else None,
                vectors=VectorsUsed(**vectors) if vectors else None,
                **made,
            )
        except (ValueError, TypeError, KeyError, pa.ArrowException) as error:
            raise DataError("layout", expected="facts of how it was made", got=str(error), where=where) from None

    @classmethod
    def open(cls, path: str | Path) -> Layout:
        """Read a file that `save` wrote; raises DataError for anything else."""
        from pyarrow import parquet

        path = Path(path)
        if not path.is_file():
            raise DataError("layout", expected="a Parquet file that `lookalike map` wrote", got="none", where=path)
        part_facts(path)
        try:
            return cls.of(parquet.read_table(path), where=path)
        except (pa.ArrowException, OSError) as error:
            raise unreadable(path, error) from None


def fingerprint(table: VectorTable) -> str:
    """SHA-256 of all vectors as float32, in order, a batch in memory; raises DataError where one is not finite."""
    found = hashlib.sha256()
    for batch in checked_batches(table):
        found.update(np.ascontiguousarray(batch.vectors).astype("<f4", copy=False).tobytes())
    return found.hexdigest()


def _axes_to_dict(axes: PrincipalAxes) -> dict[str, Any]:
    return {
        "mean": axes.mean.tolist(),
        "directions": axes.directions.tolist(),
        "variance": axes.variance,
        "num_rows": axes.num_rows,
    }


def _axes_of_dict(facts: dict[str, Any]) -> PrincipalAxes:
    return PrincipalAxes(
        mean=np.array(facts["mean"], np.float64),
        directions=np.array(facts["directions"], np.float64).reshape(2, -1),
        variance=float(facts["variance"]),
        num_rows=int(facts["num_rows"]),
    )
