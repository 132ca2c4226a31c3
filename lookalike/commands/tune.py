"""tune: a published model measured on this machine, and what is fastest written into its config."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lookalike.commands.options import (
    DEFAULT_REPOSITORY,
    DEFAULT_TUNE_SECONDS,
    JSON,
    NAME,
    REPOSITORY,
    TUNE_SECONDS,
)


def tune(
    name: Annotated[str, NAME],
    repository: Annotated[Path, REPOSITORY] = DEFAULT_REPOSITORY,
    version: Annotated[int | None, typer.Option(help="Version to measure. [default: the one served]")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    seconds: Annotated[float, TUNE_SECONDS] = DEFAULT_TUNE_SECONDS,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Measure a model on this machine; write its batch size, instances and threads into its config."""
    from lookalike import console
    from lookalike.results.tunings import note_measuring, note_noise, print_tuning, tuning_facts
    from serving.embedded.tuning.tune import tune as measure_and_write

    note_measuring(name, seconds)
    tuning = measure_and_write(repository, name, version=version, device=device, seconds=seconds)
    note_noise(tuning)
    if as_json:
        console.print_json({"name": name, "repository": str(repository)} | tuning_facts(tuning))
    else:
        print_tuning(tuning)
