"""install: an artifact file into a repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lookalike.commands.options import DEFAULT_REPOSITORY, JSON, REPOSITORY


def install(
    file: Annotated[Path, typer.Argument(help="An artifact file.", metavar="FILE")],
    repository: Annotated[Path, REPOSITORY] = DEFAULT_REPOSITORY,
    name: Annotated[str | None, typer.Option(help="Model name; default: the artifact's own.")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Publish an artifact file into a repository as the next version of its name."""
    from artifact.repository.publishing import publish
    from lookalike.results.versions import print_versions
    from serving.check import check_artifact

    check_artifact(file)
    print_versions(publish(file, repository, name=name), as_json=as_json)
