"""Maps of vectors as they are drawn and printed: what a point says, the line above the picture, and the facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from analysis.datasets.maps.layout import Layout
from artifact.listing import listed
from lookalike import console
from pages.colouring import by_column, plain
from pages.map import PICTURE_PX, Map, picture_rows
from pages.scatter import MAX_CIRCLES
from rows.pictures.joined import Pictures
from rows.pictures.some_rows import thumbnails_of


def print_map(layout: Layout, outputs: Sequence[Path], *, left_out: dict[str, Any], as_json: bool) -> None:
    """Print how a map was made and what was written."""
    facts = layout.facts()
    if as_json:
        console.print_json({"outputs": [str(path) for path in outputs], **facts, **left_out})
        return
    shown = {name: value for name, value in facts.items() if value not in (0, {}) or name in ("seed", "share")}
    console.print_facts("mapped", {"output": [str(path) for path in outputs], **shown})


def map_of(
    layout: Layout,
    name: str,
    *,
    old: Layout | None = None,
    values: pa.ChunkedArray[Any] | None = None,
    color: str | None = None,
) -> Map:
    """What is drawn of a layout.

    Args:
        layout: of N rows.
        name: of the table.
        old: the map that they were put on; its points are drawn in grey.
        values: [N], what colours the points.
        color: the name of that column.

    Raises:
        DataError: values that cannot be colours.
    """
    colouring = plain(layout.num_rows) if values is None or color is None else by_column(values, color)
    return Map(
        places=layout.places,
        colouring=colouring,
        titles=_titles(layout, values, color) if layout.num_rows <= MAX_CIRCLES else None,
        heading=f"Map of {name}",
        about=_about(layout, old),
        before=None if old is None else old.places,
    )


def with_pictures(drawn: Map, pictures: Pictures, *, say: Callable[[str], None]) -> Map:
    """The same map with the pictures of the rows that have room for theirs; those that cannot be read are told."""
    found, bad = {}, []
    for row, small in thumbnails_of(pictures, picture_rows(drawn).tolist(), PICTURE_PX):
        if isinstance(small, str):
            bad.append(small)
        else:
            found[row] = small.pixels
    if bad:
        say(f"{len(bad):,} of {len(bad) + len(found):,} pictures are not drawn: {listed(sorted(set(bad)), limit=3)}")
    return replace(drawn, pictures=found)


def _titles(layout: Layout, values: pa.ChunkedArray[Any] | None, color: str | None) -> list[str]:
    if values is None:
        return layout.ids
    said = ["no value" if value is None else console.show(value) for value in values.to_pylist()]
    return [f"{name}\n{color}: {value}" for name, value in zip(layout.ids, said, strict=True)]


def _about(layout: Layout, old: Layout | None) -> str:
    """`1,000 vectors · umap by umap-learn 0.5.12, 15 neighbours, euclidean distance, seed 0`."""
    parts = [f"{layout.method} by {layout.library}"]
    if layout.share is not None:
        parts.append(f"{layout.share:.0%} of the variance")
    if "neighbours" in layout.parameters:
        parts.append(f"{layout.parameters['neighbours']} neighbours")
    if layout.distance is not None:
        parts.append(f"{layout.distance} distance")
    how = ", ".join([*parts, f"seed {layout.seed}"])
    words = [f"{layout.num_rows:,} vectors", how]
    num_placed = int(layout.placed.sum())
    if old is None and num_placed:
        words.append(f"{num_placed:,} of them put among the others")
    return " · ".join(words)
