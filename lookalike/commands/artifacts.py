"""export: run to artifact."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artifact.errors import UsageError

if TYPE_CHECKING:
    from export.build import Built

REPOSITORY = typer.Option("--repository", help="Triton model repository.", metavar="DIR")
JSON = typer.Option("--json", help="Print JSON to stdout.")
DEFAULT_REPOSITORY = Path("model_repository")
NAME = typer.Argument(help="Name of a published model.", metavar="NAME")
TUNE_SECONDS = typer.Option(min=1, max=3600, help="How long to measure, in seconds.")
DEFAULT_TUNE_SECONDS = 20.0


class Precision(StrEnum):
    """What a graph computes in."""

    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"


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
    precision: Annotated[Precision, typer.Option(help="What the graph computes in.")] = Precision.fp32,
    calibration: Annotated[
        Path | None,
        typer.Option(help="int8: images to calibrate on. [some the run was trained on]", metavar="DIR"),
    ] = None,
    evaluation: Annotated[
        Path | None,
        typer.Option(help="int8: class folders of held-out images to judge by. [the run's]", metavar="DIR"),
    ] = None,
    max_recall_loss: Annotated[
        float | None, typer.Option(help="int8: points of recall@1 that may be lost. [0.5]", metavar="POINTS")
    ] = None,
    tune: Annotated[
        bool, typer.Option("--tune", help="Measure batch sizes and threads here, and write what is fastest.")
    ] = False,
    tune_seconds: Annotated[float, TUNE_SECONDS] = DEFAULT_TUNE_SECONDS,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Export a run as one ONNX artifact and publish it into a model repository (default: ./model_repository)."""
    from artifact.repository.publishing import require_model_name
    from lookalike import console

    if repository is None and file is None:
        repository = DEFAULT_REPOSITORY
    if tune and repository is None:
        raise UsageError("--tune needs --repository DIR: it writes into the config of a published model")
    if name is not None:
        require_model_name(name)

    given = {"calibration": calibration, "evaluation": evaluation, "max-recall-loss": max_recall_loss}
    for option, value in given.items():
        if value is not None and precision is not Precision.int8:
            raise UsageError(f"--{option} is for --precision int8", got=f"--precision {precision.value}")

    from export.build import build, publish_built
    from export.gates import DEFAULT_MAX_RECALL_LOSS, Limits
    from export.reduce import Int8Settings
    from trainer.run.saved_run import load_run

    limits = Limits(max_recall_loss=DEFAULT_MAX_RECALL_LOSS if max_recall_loss is None else max_recall_loss)
    settings = Int8Settings(calibration=calibration, evaluation=evaluation, limits=limits)
    built = build(load_run(run), mode.value, name=name, precision=precision.value, int8=settings)
    result: dict[str, Any] = {"name": built.manifest.name, "mode": mode.value} | _proofs(built)
    if file is not None:
        result |= {"file": str(file), "digest": built.write(file).digest}
    if repository is not None:
        model = publish_built(built, repository)
        version = model.newest_served()
        result |= {"repository": str(repository), "version": version, "digest": model.manifest(version).digest}
    tuning = None
    if repository is not None and tune:
        from lookalike.commands.tune import run_tuning, tuning_facts

        tuning = run_tuning(built.manifest.name, repository, seconds=tune_seconds)
        result |= {"tuning": tuning_facts(tuning)} if as_json else {}
    if as_json:
        console.print_json(result)
        return
    console.print_facts("exported", {key: value for key, value in result.items() if key != "gates"})  # said already
    if tuning is not None:
        from lookalike.commands.tune import print_tuning

        print_tuning(tuning)


def _proofs(built: Built) -> dict[str, Any]:
    """Print what was proved of an artifact before it is published; the same for JSON."""
    from lookalike import console

    parity, quantization = built.parity, built.manifest.quantization
    reference = "torch" if quantization is None else "int8 branch"
    console.note(
        f"parity {reference} = onnxruntime on batches of {', '.join(map(str, parity.batches))}: "
        f"max |difference| {parity.max_abs:.2g} (limit {parity.limit:.2g})"
    )
    facts = {"max_abs": parity.max_abs, "limit": parity.limit, "batches": list(parity.batches)}
    proofs: dict[str, Any] = {"precision": built.manifest.precision, "parity": facts}
    if built.verdict is not None and quantization is not None:
        for line in built.verdict.lines():
            console.note(line)
        if shared := quantization["evaluation"]["shared_with_calibration"]:
            console.note(f"{shared} of the evaluation images were calibrated on too: judge by others")
        proofs["gates"] = quantization["gates"]
    return proofs
