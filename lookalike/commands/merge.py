"""merge: the shards of a scoring job into one folder of vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lookalike.commands.options import JSON, OUTPUT_FORMAT


def merge(
    shards: Annotated[list[Path], typer.Argument(help="Folders of `score --shard`, one each.", metavar="DIR...")],
    output: Annotated[Path, typer.Option(help="Folder for the vectors.", metavar="DIR")],
    output_format: Annotated[str, OUTPUT_FORMAT] = "parquet",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Put the shards of a job together, as if it had been one."""
    from lookalike.results.jobs import print_job
    from serving.jobs.merging import merge_shards

    print_job("merged", output, merge_shards(shards, output, output_format=output_format), as_json=as_json)
