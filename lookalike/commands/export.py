"""export: a run to an artifact, proved before it is published."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from artifact.errors import UsageError
from artifact.limit_options import require_limits
from lookalike.commands.options import (
    DEFAULT_REPOSITORY,
    DEFAULT_TUNE_SECONDS,
    JSON,
    REPOSITORY,
    TUNE_SECONDS,
    ServedImageMb,
    ServedMegapixels,
    as_size,
)


class Precision(StrEnum):
    """Precisions that a graph computes in."""

    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"


class Mode(StrEnum):
    """Modes of an artifact: what it takes and gives."""

    branch = "branch"
    full = "full"
    attributes = "attributes"
    regions = "regions"


def export(
    run: Annotated[Path, typer.Argument(help="Run folder that `lookalike train` wrote.", metavar="RUN")],
    mode: Annotated[
        Mode,
        typer.Option(
            "--as",
            help="branch: one image in, one vector out. full: every stream in, vectors and distances. "
            "attributes: of a run with attributes, one row of them in, one vector out. "
            "regions: an image and boxes in, a vector of each box out.",
        ),
    ] = Mode.branch,
    repository: Annotated[Path | None, REPOSITORY] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Model name. [default: the run's name, and _full, _attributes or _regions behind it]"),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Also write the artifact to this file.", metavar="FILE.onnx")
    ] = None,
    precision: Annotated[Precision, typer.Option(help="What the graph computes in.")] = Precision.fp32,
    calibration: Annotated[
        Path | None,
        typer.Option(help="int8: images to calibrate on. [default: some the run was trained on]", metavar="DIR"),
    ] = None,
    evaluation: Annotated[
        Path | None,
        typer.Option(help="int8: class folders of held-out images to judge by. [default: the run's]", metavar="DIR"),
    ] = None,
    max_recall_loss: Annotated[
        float | None, typer.Option(help="int8: points of recall@1 that may be lost. [default: 0.5]", metavar="POINTS")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="regions: pictures' PX or HEIGHTxWIDTH. [default: 4 times that trained at, up to 512]", metavar="SIZE"
        ),
    ] = None,
    fit: Annotated[
        str | None,
        typer.Option(help="regions: labelled objects (COCO, YOLO, boxes) to fit the last layer to.", metavar="TABLE"),
    ] = None,
    tune: Annotated[
        bool, typer.Option("--tune", help="Measure batch sizes and threads here, and write what is fastest.")
    ] = False,
    tune_seconds: Annotated[float, TUNE_SECONDS] = DEFAULT_TUNE_SECONDS,
    max_megapixels: ServedMegapixels = None,
    max_image_mb: ServedImageMb = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Export a run as one ONNX artifact and publish it into a model repository (default: ./model_repository)."""
    require_limits(max_megapixels, max_image_mb)
    if size is not None and mode is not Mode.regions:
        raise UsageError("--size is for --as regions", got=f"--as {mode.value}")
    if fit is not None and mode is not Mode.regions:
        raise UsageError("--fit is for --as regions", got=f"--as {mode.value}")
    if file is not None and fit is not None and file.resolve() == Path(fit).resolve():
        raise UsageError("--file would overwrite the objects of --fit", where=file, mend="name another file")
    picture_size = as_size(size)
    if repository is None and file is None:
        repository = DEFAULT_REPOSITORY
    if tune and repository is None:
        raise UsageError("--tune needs --repository DIR: it writes into the config of a published model")

    from artifact.repository.publishing import require_model_name
    from lookalike import console

    if name is not None:
        require_model_name(name)
    given = {"calibration": calibration, "evaluation": evaluation, "max-recall-loss": max_recall_loss}
    for option, value in given.items():
        if value is not None and precision is not Precision.int8:
            raise UsageError(f"--{option} is for --precision int8", got=f"--precision {precision.value}")

    from export.build import build, publish_built
    from export.deployment import served_limits
    from export.gates import DEFAULT_MAX_RECALL_LOSS, Gates
    from export.reduce import Int8Settings
    from lookalike.progress import EventProgress
    from lookalike.results.proofs import proof_facts, proof_lines
    from lookalike.results.versions import published_facts
    from rows.regions import RegionOptions
    from rows.tables import open_table
    from trainer.run.saved_run import load_run

    limits = Gates(max_recall_loss=DEFAULT_MAX_RECALL_LOSS if max_recall_loss is None else max_recall_loss)
    given_limits = {"max_megapixels": max_megapixels, "max_image_mb": max_image_mb}
    chosen = {option: value for option, value in given_limits.items() if value is not None}
    settings = Int8Settings(calibration=calibration, evaluation=evaluation, limits=limits, **chosen)
    with EventProgress() as progress:
        opened = load_run(run)
        built = build(
            opened,
            mode.value,
            name=name,
            precision=precision.value,
            int8=settings,
            report=progress.report,
            size=picture_size,
            fit=None if fit is None else open_table(fit, regions=RegionOptions(background="keep")),
        )
    for line in proof_lines(built):
        console.note(line)
    result: dict[str, Any] = {"name": built.manifest.name, "mode": built.manifest.mode} | proof_facts(built)
    if file is not None:
        result |= {"file": str(file), "digest": built.write(file).digest}
    if repository is not None:
        model = publish_built(built, repository, **(served_limits(opened.config) | chosen))
        result |= {"repository": str(repository)} | published_facts(model)
    tuning = None
    if repository is not None and tune:
        from lookalike.results.tunings import note_measuring, note_noise, print_tuning, tuning_facts
        from serving.embedded.tuning.tune import tune as measure_and_write

        note_measuring(built.manifest.name, tune_seconds)
        tuning = measure_and_write(repository, built.manifest.name, seconds=tune_seconds)
        note_noise(tuning)
        result |= {"tuning": tuning_facts(tuning)} if as_json else {}
    if as_json:
        console.print_json(result)
        return
    console.print_facts("exported", {key: value for key, value in result.items() if key != "gates"})  # said already
    if tuning is not None:
        print_tuning(tuning)
