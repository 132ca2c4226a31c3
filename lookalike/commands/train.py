"""train: a run from images in class folders or a table, and with --deploy the published models of it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artifact.errors import UsageError
from artifact.kinds import KINDS
from lookalike.commands import regions as of_regions
from lookalike.commands.options import JSON, LARGEST_FILE, LARGEST_IMAGE, READ_TIMEOUT, parse_columns

if TYPE_CHECKING:
    from artifact.attributes import Attributes
    from trainer.config.config import TrainConfig

TOLD: dict[str, Any] = {"passed_over": {}, "left_out": {}, "warnings": []}
"""Facts of a run that people were told before it began."""

Kind = StrEnum("Kind", {name: name for name in KINDS})  # type: ignore[misc]


def train(
    output: Annotated[Path, typer.Option(help="Run folder to write.", metavar="RUN")],
    images: Annotated[
        Path | None,
        typer.Argument(
            help="Folder with one folder of images per class, or a table of them. [may be left out with --epochs 0]",
            metavar="IMAGES|TABLE",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        Kind | None, typer.Option(help="Streams of the model. [required; default with --epochs 0: triplet]")
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="Base network: conv4, any timm name, pixels, your module:function, or deep_ranking[:ONE OF THESE]. "
            "[default: conv4; with --pretrained tf_efficientnet_lite0]"
        ),
    ] = None,
    cut: Annotated[
        str | None,
        typer.Option(
            help="Stages of the base network that are kept, or the layer it is cut behind. [default: all]",
            metavar="N|LAYER|@N",
        ),
    ] = None,
    pooling: Annotated[
        str | None, typer.Option(help="avg, max, gem or flatten. [default: the base network's own; small maps flatten]")
    ] = None,
    dim: Annotated[
        int | None, typer.Option(help="embedding_dim: neurons of the embedding layer. [default: 128]")
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(help="Of the loss, or of the kind's own. [default: follows from loss, distance, --normalize]"),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Side of the input in pixels. [default: the images', up to the base network's own]"),
    ] = None,
    fit: Annotated[str | None, typer.Option(help="stretch, crop or pad. [default: stretch]")] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Passes over the training images; 0: only the head is fitted. [default: 20, or some 1,500 steps]"
        ),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Time for the whole command, in the place of --epochs.", metavar="M")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="A name, or your module:function. [default: the kind's]")] = None,
    distance: Annotated[
        str | None, typer.Option(help="euclidean, squared_euclidean or cosine. [default: euclidean]")
    ] = None,
    normalize: Annotated[
        bool | None,
        typer.Option("--normalize/--no-normalize", help="Unit-length vectors. [default: as suits the loss]"),
    ] = None,
    mining: Annotated[str | None, typer.Option(help="Which tuples of a batch count. [default: all]")] = None,
    validation: Annotated[
        str | None,
        typer.Option(
            help="images:SHARE, classes:SHARE, combinations:SHARE (of attributes), none or a folder. "
            "[default: images:0.1; classes if small]"
        ),
    ] = None,
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="Start from published weights: an installed package's, or timm's hub.")
    ] = False,
    weights: Annotated[Path | None, typer.Option(help="Start from a local .safetensors or .pt file.")] = None,
    head: Annotated[
        str | None,
        typer.Option(
            help="Embedding layer after training: trained, lda, pca or auto; with --epochs 0 also none. [default: auto]"
        ),
    ] = None,
    max_megapixels: Annotated[
        float | None, typer.Option(help=f"{LARGEST_IMAGE}; --deploy publishes it. [default: 128]")
    ] = None,
    max_image_mb: Annotated[
        float | None, typer.Option(help=f"{LARGEST_FILE}; --deploy publishes it. [default: 64]")
    ] = None,
    read_timeout_s: Annotated[
        float | None,
        typer.Option("--read-timeout", help=f"{READ_TIMEOUT} [default: 60]", metavar="SECONDS"),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(help="Columns of a table: image=a,label=b or anchor=a,positive=b,...", metavar="R=C,..."),
    ] = None,
    attributes: Annotated[
        str | None,
        typer.Option(
            help="Columns of a table with what is known of each image: a tower for them is trained too.",
            metavar="A,B,...",
        ),
    ] = None,
    negatives: Annotated[
        str | None,
        typer.Option(help="With --attributes: other, flipped:K or mined. [default: other]"),
    ] = None,
    flipped_share: Annotated[
        float | None,
        typer.Option(help="With flipped:K: share of a batch's rows that are changed ones. [default: 0.5]"),
    ] = None,
    catalogue: Annotated[
        Path | None,
        typer.Option(help="Table of images whose rows (or ids) the cells of TABLE's tuples are.", metavar="FILE"),
    ] = None,
    catalogue_path: Annotated[
        str | None, typer.Option(help="Its image column. [default: image, path, file or filename]", metavar="COLUMN")
    ] = None,
    catalogue_id: Annotated[
        str | None, typer.Option(help="Its column of ids. [default: cells are row numbers, or paths]", metavar="COLUMN")
    ] = None,
    regions: of_regions.Regions = None,
    region_padding: of_regions.Padding = None,
    seed: Annotated[int | None, typer.Option(help="Decides split, weights and batches. [default: 0]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run in RUN.")] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other setting: optimizer.learning_rate=0.001", metavar="A.B=V"),
    ] = None,
    deploy: Annotated[
        Path | None, typer.Option(help="Then publish branch and full into this repository.", metavar="DIR")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Model name for --deploy. [default: the run's name]")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Train an embedding; every option has a default that trains something sensible on a plain folder."""
    from lookalike import console
    from lookalike.progress import EventProgress, head_line
    from lookalike.results.figures import metrics_line, threshold_line
    from trainer.config.checks import nothing_to_train_on
    from trainer.config.config import make_config, with_overrides

    given = {
        "kind": kind and kind.value,
        "base": base,
        "dim": dim,
        "margin": margin,
        "size": size,
        "fit": fit,
        "epochs": epochs,
        "minutes": minutes,
        "loss": loss,
        "distance": distance,
        "normalize": normalize,
        "mining": mining,
        "validation": validation,
        "pretrained": pretrained or None,
        "weights": weights,
        "head": head,
        "max_megapixels": max_megapixels,
        "max_image_mb": max_image_mb,
        "read_timeout_s": read_timeout_s,
        "seed": seed,
        "cut": cut,
        "pooling": pooling,
        "columns": parse_columns(columns) or None,
        "attributes": None if attributes is None else [name.strip() for name in attributes.split(",")],
        "negatives": negatives,
        "flipped_share": flipped_share,
        "catalogue": catalogue,
        "catalogue_path": catalogue_path,
        "catalogue_id": catalogue_id,
        "regions": _regions(regions, region_padding),
    }
    values: dict[str, Any] = {} if images is None else {"images": images}
    values |= {key: value for key, value in given.items() if value is not None}
    values = with_overrides(values, overrides or [])
    if values.get("images") is None and values.get("epochs") != 0:
        raise nothing_to_train_on()  # before a kind is asked for
    config = make_config(values)
    if name is not None and deploy is None:
        raise UsageError("--name", expected="--deploy DIR beside it", got=repr(name), mend="a run is named by --output")
    if deploy is not None:
        from export.deployment import deployed_names

        deployed_names(output, name, has_towers=config.has_towers)

    def before(resolved: TrainConfig, of_tower: Attributes | None) -> None:
        if deploy is not None:
            from export.deployment import require_deployable

            require_deployable(resolved, output, deploy, name, attributes=of_tower)

    from trainer.loop.distributed import is_first_process
    from trainer.loop.fit import fit as train_run

    with EventProgress() as progress:
        run = train_run(config, output, report=progress.report, resume=resume, check=before)
    if not is_first_process():
        return
    result: dict[str, Any] = {
        "run": str(output),
        "kind": run.kind,
        "embedding_dim": run.embedding_dim,
        "objective": run.facts.get("objective"),
        "head": run.facts.get("head"),
        "prefixes": run.facts.get("prefixes", []),
        "metrics": run.facts.get("metrics"),
        "metrics_of_trained_layer": run.facts.get("metrics_of_trained_layer", []),
        "rests_on": run.facts.get("rests_on"),
        "threshold": run.threshold,
        "why_no_threshold": run.facts.get("why_no_threshold"),
        **{name: run.facts.get(name, nothing) for name, nothing in TOLD.items()},
    }
    if deploy is not None:
        from export.build import deploy as publish_both
        from lookalike.results.versions import published_facts

        result["models"] = [
            {
                "name": model.name,
                "mode": built.manifest.mode,
                **published_facts(model),
                "parity_max_abs": built.parity.max_abs,
            }
            for built, model in publish_both(run, deploy, name=name)
        ]
    if as_json:
        console.print_json(result)
        return
    hidden = ("models", "objective", "metrics_of_trained_layer", "prefixes", "rests_on", "why_no_threshold", *TOLD)
    shown = {key: value for key, value in result.items() if key not in hidden}
    if run.facts.get("head"):
        shown["head"] = head_line(run.facts["head"])
    of_trained = result["metrics_of_trained_layer"]
    shown["metrics"] = metrics_line(result["metrics"], result["rests_on"], of_trained=of_trained)
    shown["threshold"] = threshold_line(result["threshold"], result["why_no_threshold"])
    console.print_facts("trained", shown)
    for model in result.get("models", []):
        console.print_facts("published", model)
    if deploy is None:
        console.note(f"next: lookalike export {output} --as branch")


def _regions(by: str | None, padding: float | None) -> dict[str, Any] | None:
    """The settings of objects as images; the rest of them is `--set regions.NAME=VALUE`."""
    if by is None and padding is None:
        return None
    of_regions.region_options(by, padding=padding)
    return {"by": by} | ({} if padding is None else {"padding": padding})
