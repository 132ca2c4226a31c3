"""Prefixes of a table's vectors, cut while it is read: the vectors, the lineage, and the columns that follow from them.

Distances and the decision at the threshold are computed again by the formulas of scoring, so a table that is cut has
what scoring with the same D would have written. The loss of each row cannot be: of pairs it needs a target, whose place
`different` took. That column is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from artifact.arrays import Flags, Vectors
from artifact.distances import DISTANCES
from artifact.errors import UsageError
from artifact.kinds import KINDS, distance_name, embedding_name
from artifact.prefixes import cut
from rows.vectors.lineage import Lineage

SAME = "same"
"""The column that says whether the first pair of a tuple is within the artifact's threshold."""
LOSS_KEY = b"lookalike.loss"
"""Of the metadata of the column that `score --loss` writes."""


@dataclass(frozen=True, kw_only=True)
class CutVectors:
    """The first numbers of every vector of a table.

    Attributes:
        dims: how many.
        lineage: of the prefixes.
        schema: the columns that there are then.
        distances: {distance column: the two vector columns that it is of}.
        computed: those columns, and the decision at the threshold where there is one.
    """

    dims: int
    lineage: Lineage
    schema: pa.Schema
    distances: dict[str, tuple[str, str]]
    computed: frozenset[str]

    @classmethod
    def of(cls, schema: pa.Schema, lineage: Lineage | None, dims: int, *, whole: int, where: str) -> CutVectors:
        """Cut a table of these columns and this lineage, with `whole` numbers in a vector; `where` is it, for messages.

        Raises:
            UsageError: the lineage promises no such prefix, or there is none.
        """
        if lineage is None:
            raise UsageError(
                "dims",
                expected=f"{whole}, the whole vector: nothing says which model gave the vectors, or what it promises",
                got=str(dims),
                where=where,
                mend="leave it out",
            )
        prefix = lineage.cut(dims, whole=whole, where=where)
        distances = _distance_columns(schema, lineage)
        decided = {SAME} if distances and lineage.threshold is not None else set()  # else it is the user's own column
        gone = {field.name for field in schema if LOSS_KEY in (field.metadata or {})} if distances else set()
        if prefix.threshold is None:
            gone |= decided
        kept = pa.schema([field for field in schema if field.name not in gone]).with_metadata(schema.metadata)
        computed = frozenset({*distances, *decided} - gone)
        return cls(dims=dims, lineage=prefix, schema=kept, distances=distances, computed=computed)

    def vectors(self, whole: Vectors) -> Vectors:
        """float32 [m, n] -> float32 [m, dims]."""
        return cut(whole, self.dims, normalized=self.lineage.normalized)

    def column(self, name: str, vectors_of: Callable[[str], Iterator[Vectors]]) -> pa.ChunkedArray[Any]:
        """One of `computed`, of all rows.

        Args:
            vectors_of: gives the prefixes in a vector column, in batches that are the same for every column.
        """
        if name == SAME:
            assert self.lineage.threshold is not None  # or it is not computed
            first = self.column(next(iter(self.distances)), vectors_of)
            return pa.chunked_array([is_same(first.to_numpy(), self.lineage.threshold)])
        a, b = (vectors_of(each) for each in self.distances[name])
        with np.errstate(over="ignore", invalid="ignore"):  # of long vectors, as scoring has it
            between = DISTANCES[self.lineage.distance]
            return pa.chunked_array([between(left, right) for left, right in zip(a, b, strict=True)])


def is_same(distances: Vectors, threshold: float) -> Flags:
    """bool [N]: the decision about the first pair of each tuple."""
    return np.asarray(distances <= np.float32(threshold))


def _distance_columns(schema: pa.Schema, lineage: Lineage) -> dict[str, tuple[str, str]]:
    """Those that scoring wrote, in the order of the kind's pairs."""
    pairs = KINDS[lineage.kind].pairs if lineage.kind in KINDS else ()
    columns = {distance_name((a, b)): (embedding_name(a), embedding_name(b)) for a, b in pairs}
    return {name: pair for name, pair in columns.items() if {name, *pair} <= set(schema.names)}
