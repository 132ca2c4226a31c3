"""A measurement of a published model as it is printed: its table, and what was chosen."""

from __future__ import annotations

from typing import Any

from artifact.repository.tuning import Tuning
from lookalike import console


def note_measuring(name: str, seconds: float) -> None:
    """Say beforehand how long it takes."""
    console.note(f"measuring {name} on this machine for {seconds:g} s")


def note_noise(tuning: Tuning) -> None:
    """Say so where the machine did other work meanwhile."""
    if tuning.record["noisy"]:
        console.note(
            "this machine did other work meanwhile: the same batch took 30 % more or less; tune when it is idle"
        )


def tuning_facts(tuning: Tuning) -> dict[str, Any]:
    """A tuning as --json prints it."""
    return {
        "instances": tuning.instances,
        "threads": tuning.threads,
        "preferred_batch_size": tuning.preferred_rows,
        **tuning.record,
    }


def print_tuning(tuning: Tuning) -> None:
    """Print rows a second by batch size (down) and instances and threads (across), and what was written."""
    cells = tuning.record["measured"]
    rates = {(cell["instances"], cell["threads"], cell["batch_size"]): cell["rows_per_s"] for cell in cells}
    layouts = sorted({key[:2] for key in rates})
    header = ("batch size", *(f"{instances} x {threads} threads" for instances, threads in layouts))
    sizes = sorted({key[2] for key in rates})
    console.out.print(f"rows a second on {console.show(tuning.record['machine'])}")
    console.print_table(header, [(size, *(rates.get((*one, size), "") for one in layouts)) for size in sizes])
    console.out.print(
        f"written: batches of {tuning.preferred_rows}, {tuning.instances} instance(s) of {tuning.threads} thread(s)"
    )
