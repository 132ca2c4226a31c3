"""export, describe, check: run to artifact, and what an artifact says about itself."""

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
    for command in (export, describe, check):
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
