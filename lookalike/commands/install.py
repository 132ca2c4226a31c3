"""install: an artifact file into a repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lookalike.commands.options import DEFAULT_REPOSITORY, JSON, REPOSITORY, ServedImageMb, ServedMegapixels


def install(
    file: Annotated[Path, typer.Argument(help="An artifact file.", metavar="FILE")],
    repository: Annotated[Path, REPOSITORY] = DEFAULT_REPOSITORY,
    name: Annotated[str | None, typer.Option(help="Model name. [default: the artifact's own]")] = None,
    max_megapixels: ServedMegapixels = None,
    max_image_mb: ServedImageMb = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Publish an artifact file into a repository as the next version of its name."""
    from artifact.repository.publishing import publish
    from lookalike.results.versions import print_versions
    from serving.check import check_artifact

    check_artifact(file)
    model = publish(file, repository, name=name, max_megapixels=max_megapixels, max_image_mb=max_image_mb)
    print_versions(model, as_json=as_json)
