"""A finished scoring job as it is printed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lookalike import console

if TYPE_CHECKING:
    from serving.jobs.merging import MergeResult
    from serving.jobs.result import JobResult

EXIT_BAD_ROWS = 3

_OF_ROWS = {"num_images": "num_distinct", "images_per_s": "rows_per_s"}
"""What people are shown in the place of images, where there are none."""


def print_job(
    title: str, output: Path, result: JobResult | MergeResult, *, as_json: bool, what: str = "images"
) -> None:
    """Print a job's figures to stdout, what is odd about it to stderr; raises Exit with 3 where there are bad rows."""
    for line in (result.note, *result.warnings):
        if line:
            console.note(line)
    facts = {"output": str(output)} | asdict(result)
    if as_json:
        console.print_json(facts)
    else:
        shown = {"parts": len(result.parts), "arrays": result.arrays or None, "note": None, "warnings": None}
        shown |= {"passed_over": None, "table_notes": None}  # were told before the first row
        told: dict[str, Any] = facts | shown
        if what != "images":
            told = {_OF_ROWS.get(name, name): value for name, value in told.items()}
        console.print_facts(title, told)
    if result.num_errors:
        console.note(f"{result.num_errors} rows with bad {what}, listed in {output / 'errors.parquet'}")
        raise typer.Exit(EXIT_BAD_ROWS)


def stopped_line(num_rows: int) -> str:
    """The news of a job that was stopped, for people; `num_rows` are done."""
    return f"{num_rows} rows are done and kept; the same command goes on from there"
