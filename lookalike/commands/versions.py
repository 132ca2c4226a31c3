"""versions: what is published in a repository, and which version is served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lookalike.commands.options import DEFAULT_REPOSITORY, JSON, REPOSITORY


def versions(
    name: Annotated[str | None, typer.Argument(help="Name of a published model; none: all.", metavar="[NAME]")] = None,
    repository: Annotated[Path, REPOSITORY] = DEFAULT_REPOSITORY,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """List the versions of a published model and which is served; without a name, the models of the repository."""
    from artifact.repository.reading import open_repository
    from lookalike.results.versions import print_models, print_versions

    opened = open_repository(repository)
    if name is not None:
        print_versions(opened.model(name), as_json=as_json)
    else:
        print_models([opened.model(each) for each in opened.names()], as_json=as_json)
