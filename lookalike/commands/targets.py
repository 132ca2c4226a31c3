"""The artifact file that FILE or NAME[@VERSION] means on the command line."""

from __future__ import annotations

from pathlib import Path

from artifact.errors import UsageError
from lookalike.commands.options import DEFAULT_REPOSITORY


def artifact_path(target: str, repository: Path | None, version: int | None) -> Path:
    """The file that FILE or NAME[@VERSION] means; without --repository a file, or a model of the default repository.

    Raises:
        UsageError: a version of a file, or two versions. RepositoryError: no such repository, model or version.
    """
    name, at = _split(target)
    if repository is None and (Path(target).exists() or not (DEFAULT_REPOSITORY / name).is_dir()):
        if version is not None:
            raise UsageError("--version needs --repository DIR")
        return Path(target)
    if version is not None and at is not None and version != at:
        raise UsageError(f"{target!r} and --version {version} name two versions")
    from artifact.repository.reading import open_repository

    model = open_repository(repository or DEFAULT_REPOSITORY).model(name)
    wanted = at if version is None else version
    return model.artifact(model.newest_served() if wanted is None else wanted)


def either_path(target: str, repository: Path | None) -> Path:
    """As `artifact_path`, but a file that is there may be named with --repository too."""
    if repository is not None and Path(target).is_file() and not (repository / _split(target)[0]).is_dir():
        return Path(target)
    return artifact_path(target, repository, None)


def _split(target: str) -> tuple[str, int | None]:
    """NAME@VERSION in two; a file may have an @ in its name."""
    name, at, version = target.rpartition("@")
    if not at or Path(target).exists():
        return target, None
    if not (version.isascii() and version.isdigit()):
        raise UsageError(f"model {target!r}", expected="NAME@VERSION with a number, as in tiny@3")
    return name, int(version)
