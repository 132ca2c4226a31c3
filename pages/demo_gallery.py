"""One HTML page, pictures inside: held-out images with their nearest neighbours, and the figures beside raw pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pages.gallery import data_url, write_page

NUM_NEIGHBOURS = 10
NUM_RIGHT, NUM_WRONG = 20, 12


def write_gallery(
    page: Path, vectors: Path, images: Path, summary: Mapping[str, Any], *, label: str, compared: Mapping[str, str]
) -> None:
    """Write the page.

    Args:
        page: the HTML file.
        vectors: the branch table, whose ids are image paths relative to `images`.
        summary: what stands in summary.json.
        label: column of the class.
        compared: {title: name in the summary} of the figures that stand beside those of raw pixels.
    """
    from analysis.neighbours.nearest import nearest
    from rows.vectors.table import VectorTable

    table = VectorTable.open(vectors)
    labels = np.array(table.column(label).to_pylist())
    distances, found = nearest(
        table.matrix, table.matrix, NUM_NEIGHBOURS, distance=summary["distance"], exclude_self=True
    )
    ids = list(table.ids)

    def picture(row: int) -> dict[str, Any]:
        return {"id": ids[row], "caption": labels[row], "data": _picture(images / ids[row])}

    def query(row: int) -> dict[str, Any]:
        neighbours = [
            picture(other) | {"caption": f"{distance:.2f}", "kind": "same" if labels[other] == labels[row] else "other"}
            for other, distance in zip(found[row].tolist(), distances[row].tolist(), strict=True)
        ]
        return picture(row) | {"neighbours": neighbours}

    is_wrong = labels[found[:, 0]] != labels
    chosen = {
        "Held-out images and their nearest neighbours": _spread(~is_wrong, labels, NUM_RIGHT),
        "Where the nearest neighbour is of another class": _spread(is_wrong, labels, NUM_WRONG),
    }
    groups = [{"title": title, "queries": [query(row) for row in rows]} for title, rows in chosen.items()]
    write_page(page, "demo_gallery.html.jinja", groups=groups, summary=summary, compared=compared)


def _spread(mask: Any, labels: Any, count: int) -> Sequence[int]:
    """Up to `count` rows of the mask, taken from the classes in turn; of many classes, from some far apart."""
    by_class = [np.flatnonzero(mask & (labels == label)).tolist() for label in np.unique(labels[mask])]
    by_class = by_class[:: max(len(by_class) // count, 1)]
    in_turn = [rows[place] for place in range(len(labels)) for rows in by_class if place < len(rows)]
    return in_turn[:count]


def _picture(path: Path) -> str:
    kind = {".jpg": "jpeg", ".jpeg": "jpeg"}.get(path.suffix.lower(), path.suffix.lower().lstrip("."))
    return data_url(path.read_bytes(), kind)
