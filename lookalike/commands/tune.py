"""tune: measure a published model on this machine and write what is fastest into its config."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lookalike.commands.artifacts import (
    DEFAULT_REPOSITORY,
    DEFAULT_TUNE_SECONDS,
    JSON,
    NAME,
    REPOSITORY,
    TUNE_SECONDS,
)

if TYPE_CHECKING:
    from artifact.repository.tuning import Tuning


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(tune)


def tune(
    name: Annotated[str, NAME],
    repository: Annotated[Path, REPOSITORY] = DEFAULT_REPOSITORY,
    version: Annotated[int | None, typer.Option(help="Version to measure; default: the one served.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    seconds: Annotated[float, TUNE_SECONDS] = DEFAULT_TUNE_SECONDS,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Measure a model on this machine; write its batch size, instances and threads into its config."""
    from lookalike import console

    tuning = run_tuning(name, repository, version=version, device=device, seconds=seconds)
    if as_json:
        console.print_json({"name": name, "repository": str(repository)} | tuning_facts(tuning))
    else:
        print_tuning(tuning)


def run_tuning(
    name: str, repository: Path, *, version: int | None = None, device: str = "cpu", seconds: float
) -> Tuning:
    """Measure, after a note that says how long it takes."""
    from lookalike import console
    from serving.embedded.tuning import tune as measure_and_write

    console.note(f"measuring {name} on this machine for {seconds:g} s")
    tuning = measure_and_write(repository, name, version=version, device=device, seconds=seconds)
    if tuning.record["noisy"]:
        console.note(
            "this machine did other work meanwhile: the same batch took 30 % more or less; tune when it is idle"
        )
    return tuning


def tuning_facts(tuning: Tuning) -> dict[str, Any]:
    """A tuning as --json prints it."""
    return {
        "instances": tuning.instances,
        "threads": tuning.threads,
        "preferred_batch_size": tuning.preferred_rows,
        **tuning.record,
    }


def print_tuning(tuning: Tuning) -> None:
    """Print the table of what was measured, and what was chosen."""
    from lookalike import console

    cells = tuning.record["measured"]
    rates = {(cell["instances"], cell["threads"], cell["batch_size"]): cell["rows_per_s"] for cell in cells}
    layouts = sorted({key[:2] for key in rates})
    header = ("batch size", *(f"{instances} x {threads} threads" for instances, threads in layouts))
    sizes = sorted({key[2] for key in rates})
    console.out.print(f"rows a second on {console.show(tuning.record['machine'])}")
    console.print_table(header, [(size, *(_rate(rates.get((*one, size))) for one in layouts)) for size in sizes])
    console.out.print(
        f"written: batches of {tuning.preferred_rows}, {tuning.instances} instance(s) of {tuning.threads} thread(s)"
    )


def _rate(rows_per_s: float | None) -> float | str:
    return "" if rows_per_s is None else rows_per_s
