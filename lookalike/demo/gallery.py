"""The neighbours of the scored held-out images, found and chosen for the demo's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from artifact.arrays import Flags, Indices
from pages.demo_gallery import write_demo_gallery

NUM_NEIGHBOURS = 10
NUM_RIGHT, NUM_WRONG = 20, 12


def write_gallery(
    page: Path, vectors: Path, images: Path, summary: Mapping[str, Any], *, label: str, compared: Mapping[str, str]
) -> None:
    """Write the page.

    Args:
        page: the HTML file.
        vectors: the branch table, whose ids are image paths relative to `images`.
        images: the folder.
        summary: what stands in summary.json.
        label: column of the class.
        compared: {title: name in the summary} of the figures that stand beside those of raw pixels.
    """
    from analysis.neighbours.nearest import nearest
    from rows.vectors.table import VectorTable

    table = VectorTable.open(vectors)
    labels = np.array(table.column(label).to_pylist())
    rows = np.arange(table.num_rows)
    distances, found = nearest(table.matrix, table.matrix, NUM_NEIGHBOURS, distance=summary["distance"], own=rows)
    _, codes = np.unique(labels, return_inverse=True)
    is_wrong = labels[found[:, 0]] != labels
    write_demo_gallery(
        page,
        ids=table.ids,
        labels=labels.tolist(),
        neighbours=found,
        distances=distances,
        groups={
            "Held-out images and their nearest neighbours": _from_all_classes(~is_wrong, codes, NUM_RIGHT),
            "Where the nearest neighbour is of another class": _from_all_classes(is_wrong, codes, NUM_WRONG),
        },
        images=images,
        summary=summary,
        compared=compared,
    )


def _from_all_classes(mask: Flags, codes: Indices, count: int) -> Sequence[int]:
    """Up to `count` rows of the mask, taken from the classes in turn; of many classes, from some far apart."""
    from analysis.evaluation.examples import classes_in_turn

    present = np.unique(codes[mask])
    kept = present[:: max(len(present) // count, 1)]
    rows = np.flatnonzero(mask & np.isin(codes, kept))
    rows = rows[np.argsort(codes[rows], kind="stable")]
    chosen: list[int] = rows[classes_in_turn(codes[rows], count)].tolist()
    return chosen
