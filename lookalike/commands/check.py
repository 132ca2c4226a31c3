"""check: every byte of an artifact and its golden images, or a repository as Triton takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from artifact.errors import UsageError
from lookalike.commands.options import JSON, REPOSITORY, VERSION
from lookalike.commands.targets import artifact_path


def check(
    target: Annotated[
        str | None,
        typer.Argument(
            help="An artifact file, NAME[@VERSION], or nothing: the whole --repository.", metavar="FILE|NAME"
        ),
    ] = None,
    repository: Annotated[Path | None, REPOSITORY] = None,
    version: Annotated[int | None, VERSION] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Verify every byte of an artifact, and its golden images on this machine; or a repository, as Triton takes it."""
    if target is None:
        if repository is None or version is not None:
            raise UsageError("check", expected="FILE, NAME or --repository DIR", mend="see lookalike check --help")
        _check_repository(repository, as_json)
    else:
        _check_artifact(artifact_path(target, repository, version), as_json)


def _check_artifact(path: Path, as_json: bool) -> None:
    from lookalike import console
    from serving.check import check_artifact

    result = check_artifact(path)
    facts: dict[str, Any] = {
        "ok": True,
        "file": str(path),
        "digest": result.manifest.digest,
        "golden_images" if result.manifest.image_inputs else "golden_rows": result.num_golden,
        "golden_max_abs": result.golden_max_abs,
    } | ({"note": result.note} if result.note else {})
    if as_json:
        console.print_json(facts)
    else:
        console.print_facts("sound", facts)


def _check_repository(repository: Path, as_json: bool) -> None:
    from lookalike.results.problems import print_repository_check
    from serving.check import check_repository

    print_repository_check(check_repository(repository), repository, as_json=as_json)
