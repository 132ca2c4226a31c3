"""extract: a published version back to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lookalike.commands.options import DEFAULT_REPOSITORY, JSON, NAME, REPOSITORY, VERSION


def extract(
    name: Annotated[str, NAME],
    file: Annotated[Path, typer.Option(help="The file to write.", metavar="FILE.onnx")],
    repository: Annotated[Path, REPOSITORY] = DEFAULT_REPOSITORY,
    version: Annotated[int | None, VERSION] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Write a published version back to a file, for another repository or machine."""
    from artifact.repository.extraction import extract as write_version
    from lookalike import console

    manifest = write_version(repository, name, file, version=version)
    facts = {"file": str(file), "name": manifest.name, "digest": manifest.digest}
    if as_json:
        console.print_json(facts)
    else:
        console.print_facts("extracted", facts)
