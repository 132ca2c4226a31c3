"""Tables of vectors as commands open them: one place, so that every command takes the same and tells the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rows.vectors.table import VectorTable


def open_vectors(vectors: Path, column: str | None = None, *, dims: int | None = None) -> VectorTable:
    """The table that VECTORS, --column and --dims name.

    Raises:
        DataError, SpaceError, UsageError: as VectorTable.open and its `cut` do.
    """
    from rows.vectors.table import VectorTable

    return VectorTable.open(vectors, column).cut(dims)
