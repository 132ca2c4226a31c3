"""rollback: an earlier version of a model served again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lookalike.commands.options import DEFAULT_REPOSITORY, JSON, NAME, REPOSITORY


def rollback(
    name: Annotated[str, NAME],
    repository: Annotated[Path, REPOSITORY] = DEFAULT_REPOSITORY,
    to: Annotated[int | None, typer.Option("--to", help="Version. [default: the one before the served one]")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Serve an earlier version; nothing is deleted."""
    from artifact.repository.publishing import rollback as serve_earlier
    from lookalike.results.versions import print_versions

    print_versions(serve_earlier(repository, name, to), as_json=as_json)
