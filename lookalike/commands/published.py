"""install, extract, versions, rollback, remove: what is published in a repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lookalike.commands.artifacts import DEFAULT_REPOSITORY, JSON, NAME, REPOSITORY

if TYPE_CHECKING:
    from artifact.model.manifest import Manifest


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    for command in (install, extract, versions, rollback, remove):
        app.command()(command)


def install(
    file: Annotated[Path, typer.Argument(help="An artifact file.", metavar="FILE")],
    repository: Annotated[Path, REPOSITORY] = DEFAULT_REPOSITORY,
    name: Annotated[str | None, typer.Option(help="Model name; default: the artifact's own.")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Publish an artifact file into a repository as the next version of its name."""
    from artifact.repository.publishing import publish
    from serving.check import check_artifact

    check_artifact(file)
    _print_versions(publish(file, repository, name=name), as_json)


def extract(
    name: Annotated[str, NAME],
    file: Annotated[Path, typer.Option(help="The file to write.", metavar="FILE.onnx")],
    repository: Annotated[Path, REPOSITORY] = DEFAULT_REPOSITORY,
    version: Annotated[int | None, typer.Option(help="Version; default: the one served.")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Write a published version back to a file, for another repository or machine."""
    from artifact.repository.extraction import extract as take
    from lookalike import console

    manifest = take(repository, name, file, version=version)
    facts = {"file": str(file), "name": manifest.name, "digest": manifest.digest}
    if as_json:
        console.print_json(facts)
    else:
        console.print_facts("extracted", facts)


def versions(
    name: Annotated[str | None, typer.Argument(help="Name of a published model; none: all.", metavar="[NAME]")] = None,
    repository: Annotated[Path, REPOSITORY] = DEFAULT_REPOSITORY,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """List the versions of a published model and which is served; without a name, the models of the repository."""
    from artifact.repository.reading import open_repository

    opened = open_repository(repository)
    if name is not None:
        _print_versions(opened.model(name), as_json)
    else:
        _print_models([opened.model(each) for each in opened.names()], as_json)


def rollback(
    name: Annotated[str, NAME],
    repository: Annotated[Path, REPOSITORY] = DEFAULT_REPOSITORY,
    to: Annotated[int | None, typer.Option("--to", help="Version; default: the one before the served one.")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Serve an earlier version; nothing is deleted."""
    from artifact.repository.publishing import rollback as roll_back

    _print_versions(roll_back(repository, name, to), as_json)


def remove(
    name: Annotated[str, NAME],
    repository: Annotated[Path, REPOSITORY] = DEFAULT_REPOSITORY,
    version: Annotated[int | None, typer.Option(help="Remove this version only; it must not be served.")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Remove a model with its companions, or one version of it."""
    from artifact.repository.publishing import remove as take_out
    from lookalike import console

    take_out(repository, name, version)
    if as_json:
        console.print_json({"removed": name, "version": version})
    else:
        console.out.print(f"removed {name}" + (f" version {version}" if version else ""))


def _print_models(models: list[Any], as_json: bool) -> None:
    from lookalike import console

    rows = [
        {
            "name": model.name,
            "mode": model.manifests[max(model.manifests)].mode if model.manifests else "",
            "versions": list(model.manifests),
            "served": model.served,
        }
        for model in models
    ]
    if as_json:
        console.print_json(rows)
    else:
        console.print_table(("name", "mode", "versions", "served"), [list(row.values()) for row in rows])


def _print_versions(model: Any, as_json: bool) -> None:
    from lookalike import console

    rows = [
        {
            "version": version,
            "served": version in model.served,
            "digest": manifest.digest,
            "created": manifest.created,
            "recall_at_1": _recall(manifest),
        }
        for version, manifest in model.manifests.items()
    ]
    if as_json:
        console.print_json({"name": model.name, "versions": rows})
        return
    console.print_table(
        ("version", "served", "digest", "created", "recall@1"),
        [(row["version"], "yes" if row["served"] else "", *list(row.values())[2:]) for row in rows],
    )


def _recall(manifest: Manifest) -> Any:
    metrics = manifest.training.get("metrics")
    return metrics.get("recall@1") if isinstance(metrics, dict) else None
