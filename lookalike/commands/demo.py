"""demo: the whole journey on real images."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class DemoData(StrEnum):
    """Data sets of the demo."""

    digits = "digits"
    emoji = "emoji"


def demo(
    data: Annotated[
        DemoData, typer.Option(help="5,000 digits, or 6,000 emoji by six artists (fetched once, with npm).")
    ] = DemoData.digits,
    output: Annotated[Path, typer.Option(help="Folder to write.", metavar="DIR")] = Path("demo-output"),
) -> None:
    """Train, export, serve, score, search, cluster and evaluate on real images; writes DIR/gallery.html."""
    from lookalike.demo.journey import run_demo

    run_demo(data.value, output)
