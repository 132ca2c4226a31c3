"""Tables of vectors as commands open them: one place, so that every command takes the same and tells the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rows.vectors.table import VectorTable

COLUMNS_FROM = typer.Option(
    "--columns-from",
    help="Table with ids, labels and other columns of the vectors: its rows in the same order, or joined by id "
    "where both have ids.",
    metavar="FILE",
)
ColumnsFrom = Annotated[Path | None, COLUMNS_FROM]
OtherColumnsFrom = Annotated[
    Path | None, typer.Option("--other-columns-from", help="The same for the other set.", metavar="FILE")
]


def open_vectors(
    vectors: Path, column: str | None = None, *, columns_from: Path | None = None, dims: int | None = None
) -> VectorTable:
    """The table that VECTORS, --column, --columns-from and --dims name; how it was read is told on stderr.

    Raises:
        DataError, SpaceError, UsageError: as VectorTable.open and its `cut` do.
    """
    from rows.vectors.table import VectorTable

    table = VectorTable.open(vectors, column, columns_from=columns_from).cut(dims)
    tell(table)
    return table


def tell(table: VectorTable) -> None:
    """Say on stderr how a table was read, and which rows were left out."""
    from lookalike import console

    for line in [*table.notes, *table.left_out.notes(Path(table.source).name)]:
        console.note(line)


def left_out_facts(table: VectorTable) -> dict[str, Any]:
    """{"left_out": {"num_rows", "of", "first": [{"row", "id", "reason"}]}} for `--json`: rows without a vector."""
    return {"left_out": table.left_out.to_dict()}


def require_no_input(output: Path, vectors: Path, columns_from: Path | None) -> None:
    """See that a file to be written is none of those that are read; raises UsageError."""
    from rows.vectors.parts import require_not_input

    for file in (vectors, columns_from):
        if file is not None:
            require_not_input(output, file)
