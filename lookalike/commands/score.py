"""score: a table of images through a server or in-process, into a table of vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from artifact.errors import UsageError
from artifact.kinds import BRANCH_INPUT, KINDS

EXIT_BAD_ROWS = 3


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(score)


def score(
    table: Annotated[Path, typer.Argument(help="Image folder, CSV, JSON lines or Parquet.", metavar="TABLE")],
    model: Annotated[str, typer.Option(help="Name of a published model.", metavar="NAME")],
    output: Annotated[Path, typer.Option(help="Folder for the vectors.", metavar="DIR")],
    url: Annotated[str | None, typer.Option(help="Server to score with.", metavar="HOST:PORT")] = None,
    repository: Annotated[Path | None, typer.Option(help="Score in this process instead.", metavar="DIR")] = None,
    version: Annotated[int | None, typer.Option(help="Version; default: the one served.")] = None,
    columns: Annotated[
        str | None, typer.Option(help="Streams' columns: anchor=a,positive=b", metavar="S=C,...")
    ] = None,
    loss: Annotated[
        bool, typer.Option("--loss", help="Add each tuple's loss; pairs need different=C or same=C.")
    ] = False,
    copy: Annotated[str | None, typer.Option(help="Columns to copy to the output.", metavar="C,D")] = None,
    id_column: Annotated[str | None, typer.Option(help="Column of row ids.")] = None,
    send: Annotated[str, typer.Option(help="auto, pixels or encoded: what is sent to the server.")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Images of one request.")] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Score a table: one vector per image, or one per stream with the distances between them."""
    if (url is None) == (repository is None):
        raise UsageError("where to score", expected="exactly one of --url HOST:PORT and --repository DIR")
    mapping = parse_columns(columns)

    from lookalike import console
    from lookalike.progress import EventProgress
    from rows.tables import open_table
    from serving.jobs import score_table
    from serving.scorer import Scorer

    with Scorer(model, url=url, repository=repository, version=version, send=send, batch_size=batch_size) as scorer:
        target = _take_target(mapping, table) if loss and len(scorer.streams) == 2 else None
        streams = _streams(mapping, scorer.manifest.kind, scorer.manifest.is_branch and not loss)
        rows = open_table(
            table,
            streams=streams,
            columns=mapping,
            copy=[*(copy.split(",") if copy else []), *([target[1]] if target else [])],
            id_column=id_column,
        )
        with EventProgress() as progress:
            result = score_table(rows, scorer, output, loss=loss, target=target, report=progress.report)
    if result.note:
        console.note(result.note)
    facts = {"output": str(output)} | asdict(result)
    if as_json:
        console.print_json(facts)
    else:
        console.print_facts("scored", facts | {"parts": len(result.parts), "note": None})
    if result.num_errors:
        console.note(f"{result.num_errors} rows with bad images, listed in {output / 'errors.parquet'}")
        raise typer.Exit(EXIT_BAD_ROWS)


def parse_columns(text: str | None) -> dict[str, str]:
    """`anchor=a,positive=b` as {stream: column}; raises UsageError."""
    mapping: dict[str, str] = {}
    for pair in (text or "").split(",") if text else []:
        stream, equals, column = pair.partition("=")
        if not equals or not stream or not column or stream in mapping:
            raise UsageError("--columns", expected="STREAM=COLUMN,... with each stream once", got=repr(text))
        mapping[stream] = column
    return mapping


def _take_target(mapping: dict[str, str], table: Path) -> tuple[str, str]:
    """(`different` or `same`, column) of a table of pairs, out of the mapping or by its name; raises DataError."""
    from rows.formats import open_source
    from serving.loss_column import TARGETS, find_target

    named = [role for role in TARGETS if role in mapping]
    if len(named) > 1:
        raise UsageError("target of pairs", expected="different or same", got="both", where="--columns")
    if named:
        return named[0], mapping.pop(named[0])
    source, where = open_source(table)
    return find_target(source.schema.names, where=where)


def _streams(mapping: dict[str, str], kind: str, is_branch: bool) -> Sequence[str]:
    """Single-stream unless the artifact is full, a loss is asked for or the user maps the kind's streams."""
    streams = KINDS[kind].streams
    if is_branch and set(mapping) <= {BRANCH_INPUT}:
        return (BRANCH_INPUT,)
    unknown = set(mapping) - set(streams)
    if unknown:
        raise UsageError(
            f"stream {sorted(unknown)[0]!r} of --columns", expected=f"one of {', '.join(streams)}", got="another name"
        )
    return streams
