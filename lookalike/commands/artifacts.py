"""export, describe, check, install, versions, rollback, remove: artifacts and where they are published."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artifact.errors import UsageError

if TYPE_CHECKING:
    from artifact.manifest import Manifest

REPOSITORY = typer.Option("--repository", help="Triton model repository.", metavar="DIR")
JSON = typer.Option("--json", help="Print JSON to stdout.")
DEFAULT_REPOSITORY = Path("model_repository")
NAME = typer.Argument(help="Name of a published model.", metavar="NAME")


class Mode(StrEnum):
    """What an artifact takes and gives."""

    branch = "branch"
    full = "full"


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    for command in (export, describe, check, install, versions, rollback, remove):
        app.command()(command)


def export(
    run: Annotated[Path, typer.Argument(help="Run folder that `lookalike train` wrote.", metavar="RUN")],
    mode: Annotated[
        Mode,
        typer.Option(
            "--as", help="branch: one image in, one vector out. full: every stream in, vectors and distances."
        ),
    ] = Mode.branch,
    repository: Annotated[Path | None, REPOSITORY] = None,
    name: Annotated[str | None, typer.Option(help="Model name; default: the run's name (full: with _full).")] = None,
    file: Annotated[
        Path | None, typer.Option(help="Also write the artifact to this file.", metavar="FILE.onnx")
    ] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Export a run as one ONNX artifact and publish it into a model repository (default: ./model_repository)."""
    from artifact.publishing import require_model_name
    from lookalike import console

    if repository is None and file is None:
        repository = DEFAULT_REPOSITORY
    if name is not None:
        require_model_name(name)

    from export.build import build, publish_built
    from trainer.run import load_run

    built = build(load_run(run), mode.value, name=name)
    parity = {"max_abs": built.parity.max_abs, "limit": built.parity.limit, "batches": list(built.parity.batches)}
    console.note(
        f"parity torch = onnxruntime on batches of {', '.join(map(str, built.parity.batches))}: "
        f"max |difference| {built.parity.max_abs:.2g} (limit {built.parity.limit:.2g})"
    )
    result: dict[str, Any] = {"name": built.manifest.name, "mode": mode.value, "parity": parity}
    if file is not None:
        result |= {"file": str(file), "digest": built.write(file).digest}
    if repository is not None:
        model = publish_built(built, repository)
        version = model.newest_served()
        result |= {"repository": str(repository), "version": version, "digest": model.manifest(version).digest}
    if as_json:
        console.print_json(result)
    else:
        console.print_facts("exported", result)


def describe(
    target: Annotated[str, typer.Argument(help="An artifact file, or NAME with --repository.", metavar="FILE|NAME")],
    repository: Annotated[Path | None, REPOSITORY] = None,
    version: Annotated[int | None, typer.Option(help="Version; default: the one served.")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Describe an artifact without reading its weights."""
    from artifact.model_file import read_manifest
    from lookalike import console

    manifest = read_manifest(_artifact_path(target, repository, version))
    if as_json:
        console.print_json(manifest.summary() | {"inputs": _inputs(manifest), "outputs": _outputs(manifest)})
        return
    training = manifest.training
    console.print_facts(
        f"{manifest.name}: {manifest.kind}, {manifest.mode}",
        {
            "digest": manifest.digest,
            "space": manifest.space,
            "engine": f"onnx, opset {manifest.opset}, {manifest.precision}",
            "created": manifest.created,
            "embedding_dim": manifest.embedding_dim,
            "distance": manifest.distance + (", on the unit sphere" if manifest.normalized else ""),
            "threshold": manifest.threshold,
            "loss": f"{manifest.loss}, margin {console.show(manifest.margin)}",
            "preprocessing": manifest.preprocessing,
            "base": manifest.base,
            "training": {key: value for key, value in training.items() if not isinstance(value, dict)},
            "metrics": training.get("metrics"),
            "size": f"{manifest.content.size} bytes",
        },
    )
    rows = [("input", *row.values()) for row in _inputs(manifest)] + [
        ("output", *row.values()) for row in _outputs(manifest)
    ]
    console.out.print()
    console.print_table(("variable", "name", "shape", "type", "label"), rows)


def check(
    target: Annotated[str, typer.Argument(help="An artifact file, or NAME with --repository.", metavar="FILE|NAME")],
    repository: Annotated[Path | None, REPOSITORY] = None,
    version: Annotated[int | None, typer.Option(help="Version; default: the one served.")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Verify every byte of an artifact, and its golden images against its golden vectors on this machine."""
    from lookalike import console
    from serving.check import check_artifact

    path = _artifact_path(target, repository, version)
    result = check_artifact(path)
    facts = {
        "ok": True,
        "file": str(path),
        "digest": result.manifest.digest,
        "golden_images": result.num_golden,
        "golden_max_abs": result.golden_max_abs,
    }
    if as_json:
        console.print_json(facts)
    else:
        console.print_facts("sound", facts)


def install(
    file: Annotated[Path, typer.Argument(help="An artifact file.", metavar="FILE")],
    repository: Annotated[Path, REPOSITORY] = DEFAULT_REPOSITORY,
    name: Annotated[str | None, typer.Option(help="Model name; default: the artifact's own.")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Publish an artifact file into a repository as the next version of its name."""
    from artifact.publishing import publish
    from serving.check import check_artifact

    check_artifact(file)
    _print_versions(publish(file, repository, name=name), as_json)


def versions(
    name: Annotated[str, NAME],
    repository: Annotated[Path, REPOSITORY] = DEFAULT_REPOSITORY,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """List the versions of a published model and which of them is served."""
    from artifact.repository import open_repository

    _print_versions(open_repository(repository).model(name), as_json)


def rollback(
    name: Annotated[str, NAME],
    repository: Annotated[Path, REPOSITORY] = DEFAULT_REPOSITORY,
    to: Annotated[int | None, typer.Option("--to", help="Version; default: the one before the served one.")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Serve an earlier version; nothing is deleted."""
    from artifact.publishing import rollback as roll_back

    _print_versions(roll_back(repository, name, to), as_json)


def remove(
    name: Annotated[str, NAME],
    repository: Annotated[Path, REPOSITORY] = DEFAULT_REPOSITORY,
    version: Annotated[int | None, typer.Option(help="Remove this version only; it must not be served.")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Remove a model with its companions, or one version of it."""
    from artifact.publishing import remove as take_out
    from lookalike import console

    take_out(repository, name, version)
    if as_json:
        console.print_json({"removed": name, "version": version})
    else:
        console.out.print(f"removed {name}" + (f" version {version}" if version else ""))


def _artifact_path(target: str, repository: Path | None, version: int | None) -> Path:
    if repository is None and (Path(target).exists() or not (DEFAULT_REPOSITORY / target).is_dir()):
        if version is not None:
            raise UsageError("--version needs --repository DIR")
        return Path(target)
    repository = repository or DEFAULT_REPOSITORY
    from artifact.repository import open_repository

    model = open_repository(repository).model(target)
    return model.artifact(model.newest_served() if version is None else version)


def _inputs(manifest: Manifest) -> list[dict[str, str]]:
    shape = f"[N, {manifest.pixels.height}, {manifest.pixels.width}, 3]"
    return [
        {"name": name, "shape": shape, "type": "UINT8", "label": f"{manifest.pixels.color} pixels"}
        for name in manifest.inputs
    ]


def _outputs(manifest: Manifest) -> list[dict[str, str]]:
    labels = {"embedding": "vector", "distance": f"{manifest.distance} distance"}
    return [
        {"name": name, "shape": f"[N, {width}]", "type": "FP32", "label": labels[name.split("_")[0]]}
        for name, width in manifest.outputs.items()
    ]


def _print_versions(model: Any, as_json: bool) -> None:
    from lookalike import console

    rows = [
        {
            "version": version,
            "served": version in model.served,
            "digest": manifest.digest,
            "created": manifest.created,
            "recall_at_1": manifest.training.get("metrics", {}).get("recall@1"),
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
