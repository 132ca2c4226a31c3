"""describe: an artifact's manifest in words, without its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from lookalike.commands.options import JSON, REPOSITORY, TARGET, VERSION
from lookalike.commands.targets import artifact_path


def describe(
    target: Annotated[str, TARGET],
    repository: Annotated[Path | None, REPOSITORY] = None,
    version: Annotated[int | None, VERSION] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Describe an artifact without reading its weights."""
    from artifact.model.description import describe_manifest
    from artifact.model.file import read_manifest
    from lookalike import console
    from lookalike.results.manifests import print_manifest

    manifest = read_manifest(artifact_path(target, repository, version))
    if as_json:
        console.print_json(describe_manifest(manifest))
    else:
        print_manifest(manifest)
