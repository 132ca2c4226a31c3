"""adopt: a foreign ONNX image network into an artifact, after running it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from artifact.errors import UsageError
from artifact.limit_options import require_limits
from lookalike.commands.options import DEFAULT_REPOSITORY, JSON, REPOSITORY, ServedImageMb, ServedMegapixels


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
    from export.adoption.adopt import adopt as adopt_network
    from lookalike import console
    from lookalike.results.adoptions import adoption_facts, adoption_lines
    from lookalike.results.versions import published_facts

    require_limits(max_megapixels, max_image_mb)
    if repository is None and to_file is None:
        repository = DEFAULT_REPOSITORY
    if to_file is not None and to_file.resolve() == file.resolve():
        raise UsageError("--file would overwrite the network itself", where=file, mend="name another file")
    adopted = adopt_network(
        file,
        mean=_triple(mean, "--mean"),
        std=_triple(std, "--std"),
        size=_size(size),
        output=output,
        layout=layout.value if layout else None,
        bgr=bgr,
        fit=fit.value,
        kind=kind,
        distance=distance,
        name=name,
        licence=licence,
    )
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


def _size(text: str | None) -> tuple[int, int] | None:
    """`PX` or `HEIGHTxWIDTH` as (height, width) in pixels; raises UsageError."""
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() and 0 < int(part) < 10**5 for part in parts):
        raise UsageError("--size", expected="PX or HEIGHTxWIDTH, such as 224 or 224x320", got=repr(text))
    return int(parts[0]), int(parts[-1])
