"""adopt: a foreign ONNX image network into an artifact, after running it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from artifact.errors import UsageError
from artifact.limit_options import require_limits
from lookalike.commands.options import DEFAULT_REPOSITORY, JSON, REPOSITORY, ServedImageMb, ServedMegapixels, as_size


class Layout(StrEnum):
    """Order of the axes of the network's input."""

    nchw = "nchw"
    nhwc = "nhwc"


class Fit(StrEnum):
    """Ways in which an image becomes the network's size."""

    stretch = "stretch"
    crop = "crop"
    pad = "pad"


def adopt(
    file: Annotated[Path, typer.Argument(help="An ONNX network of one image.", metavar="FILE.onnx")],
    mean: Annotated[
        str, typer.Option(help="What was subtracted in training: R,G,B or one number, for pixels in [0, 1].")
    ],
    std: Annotated[str, typer.Option(help="What it was divided by: R,G,B or one number.")],
    size: Annotated[str | None, typer.Option(help="PX or HEIGHTxWIDTH. [default: what the graph fixes]")] = None,
    output: Annotated[
        str | None, typer.Option(help="Value or node to cut the network at. [default: its only output]")
    ] = None,
    pool: Annotated[
        str | None, typer.Option(help="Pool a map [N, channels, h, w]: avg, max or grid:KxK.", metavar="POOLING")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Numbers of a vector, at most [default: 10000 where --pool is given]; with --boxes detections of an "
            "image [default: 100].",
        ),
    ] = None,
    regions: Annotated[
        str | None,
        typer.Option(help="A map [N, channels, h, w]: the artifact takes boxes, a vector for each.", metavar="VALUE"),
    ] = None,
    boxes: Annotated[
        str | None, typer.Option(help="Of a detector: the value with its boxes, of each object.", metavar="VALUE")
    ] = None,
    scores: Annotated[str | None, typer.Option(help="The value with their scores.", metavar="VALUE")] = None,
    features: Annotated[
        str | None,
        typer.Option(help="The value with a vector of each box, or a map to take them from.", metavar="VALUE"),
    ] = None,
    box_unit: Annotated[
        str | None, typer.Option(help="Of a detector: px of the network's input, or share of it. [default: px]")
    ] = None,
    box_format: Annotated[str | None, typer.Option(help="Of a detector: xyxy, xywh or cxcywh. [default: xyxy]")] = None,
    examples: Annotated[
        Path | None,
        typer.Option(
            help="Pictures with objects, to prove a detector on; two are kept in the artifact.", metavar="DIR|FILE"
        ),
    ] = None,
    repository: Annotated[Path | None, REPOSITORY] = None,
    name: Annotated[str | None, typer.Option(help="Model name. [default: the file's name]")] = None,
    to_file: Annotated[
        Path | None, typer.Option("--file", help="Also write the artifact to this file.", metavar="OUT.onnx")
    ] = None,
    fit: Annotated[Fit, typer.Option(help="How images are brought to the size.")] = Fit.stretch,
    layout: Annotated[Layout | None, typer.Option(help="Axes of the input. [default: seen from the graph]")] = None,
    bgr: Annotated[bool, typer.Option("--bgr", help="The network wants blue first.")] = False,
    kind: Annotated[str, typer.Option(help="siamese, triplet or quartet: the streams of tables for it.")] = "siamese",
    distance: Annotated[str, typer.Option(help="cosine, euclidean or squared_euclidean.")] = "cosine",
    licence: Annotated[str | None, typer.Option(help="Licence of the network's weights.")] = None,
    max_megapixels: ServedMegapixels = None,
    max_image_mb: ServedImageMb = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Adopt a foreign ONNX network as an artifact, and publish it (default: ./model_repository)."""
    from artifact.images.region import PX
    from export.adoption.adopt import adopt as adopt_network
    from export.adoption.adopt_detector import adopt_detector
    from export.adoption.adopt_regions import adopt_regions
    from export.adoption.detected import DetectorOutputs
    from export.adoption.pooling import parse_pooling
    from lookalike import console
    from lookalike.results.adoptions import adoption_facts, adoption_lines
    from lookalike.results.versions import published_facts
    from rows.box_columns import XYXY

    require_limits(max_megapixels, max_image_mb)
    if repository is None and to_file is None:
        repository = DEFAULT_REPOSITORY
    if to_file is not None and to_file.resolve() == file.resolve():
        raise UsageError("--file would overwrite the network itself", where=file, mend="name another file")
    shared: dict[str, Any] = {
        "mean": _triple(mean, "--mean"),
        "std": _triple(std, "--std"),
        "size": as_size(size),
        "layout": layout.value if layout else None,
        "bgr": bgr,
        "kind": kind,
        "distance": distance,
        "name": name,
        "licence": licence,
    }
    values = {"--boxes": boxes, "--scores": scores, "--features": features}
    of_detectors = {**values, "--box-unit": box_unit, "--box-format": box_format, "--examples": examples}
    if regions is not None:
        _require_regions_alone({"--output": output, "--limit": limit, **of_detectors}, fit.value)
        adopted = adopt_regions(file, regions, **shared, pool=pool)
    elif any(value is not None for value in values.values()):
        given = {"--output": output is not None, "--fit": fit is not Fit.stretch}
        _require_detector(values, given)
        asked = DetectorOutputs(
            boxes=str(boxes),
            scores=str(scores),
            features=str(features),
            unit=box_unit or PX,
            box_format=box_format or XYXY,
            limit=limit,
            pooling=None if pool is None else parse_pooling(pool),
        )
        adopted = adopt_detector(file, asked, **shared, examples=_examples(examples))
    else:
        _require_no_detector(of_detectors)
        adopted = adopt_network(file, **shared, output=output, fit=fit.value, pool=pool, limit=limit)
    for line in adoption_lines(adopted, file):
        console.note(line)
    result = adoption_facts(adopted)
    if to_file is not None:
        result |= {"file": str(to_file), "digest": adopted.write(to_file).digest}
    if repository is not None:
        model = adopted.publish(repository, max_megapixels=max_megapixels, max_image_mb=max_image_mb)
        result |= {"repository": str(repository)} | published_facts(model)
    if as_json:
        console.print_json(result)
    else:
        console.print_facts("adopted", result)


def _require_detector(values: dict[str, str | None], given: dict[str, bool]) -> None:
    """Raise UsageError unless all three values are named, and nothing that a detector does not take."""
    missing = [option for option, value in values.items() if value is None]
    if missing:
        raise UsageError("a detector", expected=" and ".join(values), got=f"no {' and no '.join(missing)}")
    for option, is_given in given.items():
        if is_given:
            mend = "boxes are shares of the original picture, so it is stretched" if option == "--fit" else None
            raise UsageError(f"{option} with --boxes", mend=mend or "--features names the value with the vectors")


def _require_no_detector(given: dict[str, Any]) -> None:
    """Raise UsageError for what only detectors take."""
    for option, value in given.items():
        if value is not None:
            raise UsageError(f"{option} is for detectors", expected="--boxes, --scores and --features with it")


def _require_regions_alone(given: dict[str, Any], fit: str) -> None:
    """Raise UsageError for what means nothing where boxes are cut out of a map."""
    for option, value in given.items():
        if value is not None:
            of_boxes = option in ("--boxes", "--box-unit", "--box-format")
            mend = "boxes go into the artifact, corners as shares of the picture" if of_boxes else None
            raise UsageError(
                f"{option} with --regions", mend=mend or "--regions names the value that boxes are cut out of"
            )
    if fit != Fit.stretch.value:
        mend = "boxes are shares of the original picture, so it is stretched; give it a --size of its shape"
        raise UsageError("--fit with --regions", expected="stretch", got=fit, mend=mend)


def _examples(place: Path | None) -> list[Path]:
    """Up to twenty pictures in a folder, or the one that is named; raises UsageError where there is none."""
    from rows.image_suffixes import SUFFIXES

    if place is None:
        return []
    if place.is_file():
        return [place]
    found = sorted(each for each in place.rglob("*") if each.suffix.lower() in SUFFIXES and each.is_file())
    if not found:
        raise UsageError("--examples", expected="a picture or a folder of some", got="none", where=place)
    return found[:20]


def _triple(text: str, option: str) -> tuple[float, float, float]:
    """`R,G,B`, or one number for all three; raises UsageError."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3:
        raise UsageError(option, expected="one number or three, such as 0.485,0.456,0.406", got=repr(text))
    return numbers[0], numbers[1], numbers[2]
