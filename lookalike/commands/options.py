"""Arguments and options that several commands take, with the text that `--help` shows for them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from artifact.errors import UsageError

JSON = typer.Option("--json", help="Print JSON to stdout.")
REPOSITORY = typer.Option("--repository", help="Triton model repository.", metavar="DIR")
DEFAULT_REPOSITORY = Path("model_repository")
NAME = typer.Argument(help="Name of a published model.", metavar="NAME")
TARGET = typer.Argument(help="An artifact file, or NAME[@VERSION] with --repository.", metavar="FILE|NAME")
VERSION = typer.Option(help="Version. [default: the one served]")
VECTORS = typer.Argument(
    help="Folder that `lookalike score` wrote, or a file of vectors: .parquet, .npy, .npz, .arrow, .feather, .jsonl, "
    ".csv or .tsv.",
    metavar="VECTORS",
)
COLUMN = typer.Option(
    "--column",
    help="Vector column, array of an .npz, or E for columns E0, E1, ...; text is read as JSON lists. "
    "[default: embedding, else the only one]",
)
DISTANCE = typer.Option(
    "--distance",
    help="Distance to compare by: cosine, euclidean or squared_euclidean; only for vectors without lineage.",
    metavar="DISTANCE",
)
DIMS = typer.Option(
    "--dims", min=1, help="Take the first D numbers of each vector, where the artifact promises that.", metavar="D"
)
OUTPUT_FORMAT = typer.Option("--format", help="parquet; npy and npz add arrays beside it.", metavar="FORMAT")
TUNE_SECONDS = typer.Option(min=1, max=3600, help="How long to measure, in seconds.")
DEFAULT_TUNE_SECONDS = 20.0
LARGEST_IMAGE = "Largest image, in megapixels (width x height)"
LARGEST_FILE = "Largest image file, in MB"
MAX_MEGAPIXELS = typer.Option("--max-megapixels", help=f"{LARGEST_IMAGE}.")
MAX_IMAGE_MB = typer.Option("--max-image-mb", help=f"{LARGEST_FILE}.")
READ_TIMEOUT = "Deadline of reading one remote image."
_SERVED = "that servers take for this model. [default: as before, at first"
ServedMegapixels = Annotated[
    float | None,
    typer.Option("--max-megapixels", help=f"{LARGEST_IMAGE}, {_SERVED} 128]"),
]
ServedImageMb = Annotated[float | None, typer.Option("--max-image-mb", help=f"{LARGEST_FILE}, {_SERVED} 64]")]


def given(context: typer.Context, options: type[Any], *more: str) -> dict[str, Any]:
    """{name: value} of a command's parameters that are named as fields of a dataclass of options, or as one of `more`.

    So the function of a command lists them for the command line, and no one lists them again. Paths are texts here.
    """
    names = {*more, *(each.name for each in fields(options))}
    return {name: value for name, value in context.params.items() if name in names}


def require_not_given(context: typer.Context, names: tuple[str, ...], why: str) -> None:
    """Refuse options that mean nothing here; raises UsageError.

    Args:
        names: of parameters of the command.
        why: they mean nothing, in words.
    """
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            option = name.removesuffix("_s").replace("_", "-")
            raise UsageError(f"--{option}", expected="none here", got="one", mend=why)


def parse_columns(text: str | None) -> dict[str, str]:
    """`anchor=a,positive=b` as {stream: column}; raises UsageError."""
    mapping: dict[str, str] = {}
    for pair in (text or "").split(",") if text else []:
        stream, equals, column = pair.partition("=")
        if not equals or not stream or not column or stream in mapping:
            raise UsageError("--columns", expected="STREAM=COLUMN,... with each stream once", got=repr(text))
        mapping[stream] = column
    return mapping


def as_size(text: str | None) -> tuple[int, int] | None:
    """`PX` or `HEIGHTxWIDTH` as (height, width) in pixels; raises UsageError."""
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() and 0 < int(part) < 10**5 for part in parts):
        raise UsageError("--size", expected="PX or HEIGHTxWIDTH, such as 224 or 224x320", got=repr(text))
    return int(parts[0]), int(parts[-1])
