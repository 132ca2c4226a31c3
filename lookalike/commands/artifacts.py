"""export: run to artifact."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

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
    for command in (export,):
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
