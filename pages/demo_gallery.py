"""The demo's page: held-out images with their nearest neighbours, and the figures beside those of raw pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from artifact.arrays import Indices, Vectors
from pages.page import write_page
from pages.pictures import Picture, PictureRow, data_url


def write_demo_gallery(
    page: Path,
    *,
    ids: Sequence[str],
    labels: Sequence[str],
    neighbours: Indices,
    distances: Vectors,
    groups: Mapping[str, Sequence[int]],
    images: Path,
    summary: Mapping[str, Any],
    compared: Mapping[str, str],
) -> None:
    """Write the page.

    Args:
        page: the HTML file.
        ids: [N], of the held-out images: paths relative to `images`.
        labels: [N], the class of each.
        neighbours: int64 [N, k], rows of the nearest others, nearest first.
        distances: float32 [N, k], to them.
        groups: title -> rows of the queries to show below it.
        images: the folder.
        summary: what stands in summary.json.
        compared: {title: name in the summary} of the figures that stand beside those of raw pixels.

    Raises:
        OutputError: the page cannot be written.
    """

    def picture(row: int, caption: str, kind: str) -> Picture:
        return Picture(
            name=ids[row], data=_file_url(images / ids[row]), kind=kind, title=ids[row], captions=[(caption, "")]
        )

    def query(row: int) -> PictureRow:
        near = zip(neighbours[row].tolist(), distances[row].tolist(), strict=True)
        return PictureRow(
            query=picture(row, labels[row], "asked"),
            neighbours=[
                picture(other, f"{apart:.2f}", "same" if labels[other] == labels[row] else "other")
                for other, apart in near
            ],
        )

    shown = [{"title": title, "queries": [query(row) for row in rows]} for title, rows in groups.items()]
    write_page(
        page,
        "demo_gallery.html.jinja",
        groups=shown,
        summary=summary,
        compared=compared,
        side_px=56,
        rendering="pixelated",
    )


def _file_url(path: Path) -> str:
    kind = {".jpg": "jpeg", ".jpeg": "jpeg"}.get(path.suffix.lower(), path.suffix.lower().lstrip("."))
    return data_url(path.read_bytes(), kind)
