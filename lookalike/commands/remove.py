"""remove: a model, or one version of it, out of a repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lookalike.commands.options import DEFAULT_REPOSITORY, JSON, NAME, REPOSITORY


def remove(
    name: Annotated[str, NAME],
    repository: Annotated[Path, REPOSITORY] = DEFAULT_REPOSITORY,
    version: Annotated[int | None, typer.Option(help="Remove this version only; it must not be served.")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Remove a model with its companions, or one version of it."""
    from artifact.repository.publishing import remove as remove_published
    from lookalike import console

    remove_published(repository, name, version)
    if as_json:
        console.print_json({"removed": name, "version": version})
    else:
        console.out.print(f"removed {name}" + (f" version {version}" if version else ""))
