"""Tables of vectors as commands open them: one place, so that every command takes the same and tells the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artifact.errors import UsageError

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
    vectors: Path,
    column: str | None = None,
    *,
    columns_from: Path | None = None,
    dims: int | None = None,
    copies: bool = True,
) -> VectorTable:
    """The table that VECTORS, --column, --columns-from and --dims name; how it was read is told on stderr.

    Args:
        copies: all its columns are copied, but for those of which that is told.

    Raises:
        DataError, SpaceError, UsageError: as VectorTable.open and its `cut` do.
    """
    from rows.vectors.table import VectorTable

    table = VectorTable.open(vectors, column, columns_from=columns_from).cut(dims)
    tell(table, copies=copies)
    return table


def tell(table: VectorTable, *, copies: bool) -> None:
    """Say on stderr how a table was read, and which rows and, where its columns are copied, columns were left out."""
    from artifact.listing import listed
    from lookalike import console

    name, fields = Path(table.source).name, table.other_fields
    notes = [*table.notes, *table.left_out.notes(name)]
    heavy = [field.name for field in table.fields_beside if field not in fields]
    if heavy and copies:
        notes.append(f"columns of images or bytes are not copied from {name}: {listed(heavy)}")
    for line in notes:
        console.note(line)


def left_out_facts(table: VectorTable, other: VectorTable | None = None) -> dict[str, Any]:
    """{"left_out": {"num_rows", "of", "first": [{"row", "id", "reason"}]}} for `--json`: rows without a vector.

    Where another table is read too it is a list of both.
    """
    left_out = table.left_out.to_dict()
    return {"left_out": left_out if other is None else [left_out, other.left_out.to_dict()]}


def require_own_files(
    writes: Mapping[str, Path | Sequence[Path] | None],
    *,
    reads: Iterable[Path | None],
    images: Iterable[str | None] = (),
) -> None:
    """See that nothing is written over what is read, and that no file is written twice; called before any work.

    Args:
        writes: {option: the file or files that it names, or None}.
        reads: tables of vectors, of columns, of queries, layouts; of a job's folder also the images that it scored.
        images: tables of images, as --images names them.

    Raises:
        UsageError: names the file.
    """
    from rows.pictures.read_files import is_read
    from rows.vectors.parts import job_facts, require_not_input

    tables = [file for file in reads if file is not None]
    scored = [job_facts(table).get("source") for table in tables]
    sources = [each for each in (*images, *scored) if isinstance(each, str) and each]
    written: dict[Path, str] = {}
    for option, named in writes.items():
        for file in [named] if isinstance(named, Path) else named or ():
            for table in tables:
                require_not_input(file, table)
            if any(is_read(file, source) for source in sources):
                raise UsageError("output", expected="another file than those of the table of images", got=str(file))
            if (place := file.resolve()) in written:
                raise UsageError(option, expected=f"another file than {written[place]}", got=str(file))
            written[place] = option


def require_no_method(layout: Path, given: Mapping[str, object]) -> None:
    """See that none of the options {name: value or None} that say how a map is laid out is given beside --layout."""
    for name, value in given.items():
        if value is not None:
            raise UsageError(name, expected="none: a layout says how it was made", got=str(value), where=layout)
