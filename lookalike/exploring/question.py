"""What a finder is asked: the tables, one after the other and together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rows.vectors.table import VectorTable

MOST_FINDINGS = 1000
"""Of a tab; it says how many there are in all."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """Some tables of vectors.

    Attributes:
        tables: in their order.
        names: of the tables.
        together: all their rows, those of one after those of the other.
        label: column of classes, or None.
        distance: a name in artifact.distances.DISTANCES; that of the lineage where any table has one.
        seed: of whatever draws.
    """

    tables: Sequence[VectorTable]
    names: Sequence[str]
    together: VectorTable
    label: str | None
    distance: str
    seed: int

    @property
    def first_rows(self) -> list[int]:
        """The number in `together` of the first row of each table."""
        starts = [0]
        for table in self.tables:
            starts.append(starts[-1] + table.num_rows)
        return starts[:-1]
