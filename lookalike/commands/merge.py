"""merge: the shards of a scoring job into one folder of vectors."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lookalike.commands.score import print_result


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(merge)


def merge(
    shards: Annotated[list[Path], typer.Argument(help="Folders of `score --shard`, one each.", metavar="DIR...")],
    output: Annotated[Path, typer.Option(help="Folder for the vectors.", metavar="DIR")],
    output_format: Annotated[
        str, typer.Option("--format", help="parquet; npy and npz add arrays beside it.", metavar="FORMAT")
    ] = "parquet",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Put the shards of a job together, as if it had been one."""
    from serving.jobs.merging import merge_shards

    print_result("merged", output, asdict(merge_shards(shards, output, output_format=output_format)), as_json=as_json)
