"""What makes two pictures alike, as it is printed and drawn."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lookalike import console
from pages.why import HiddenPicture, MarkedRegion, write_why_page
from rows.vectors.lineage import Lineage
from serving.explanation.occlusion import Explanation, HiddenParts, HiddenRegion


def print_why(found: Explanation, names: Sequence[str], lineage: Lineage, page: Path | None, *, as_json: bool) -> None:
    """Print the distance and, of each picture, the parts that matter most.

    Args:
        names: of the two pictures.
        lineage: of the artifact that was asked.
    """
    facts: dict[str, Any] = {
        "model": f"{lineage.artifact}@{lineage.version}",
        "measure": lineage.distance,
        "distance": found.distance,
        "threshold": lineage.threshold,
        "same": _is_same(found, lineage),
        "num_runs": found.num_runs,
        "patches": list(found.scales),
        "page": None if page is None else str(page),
    }
    pictures = [_facts(name, parts) for name, parts in zip(names, found.parts, strict=True)]
    if as_json:
        console.print_json(facts | {"pictures": pictures})
        return
    rows = [
        (one["picture"], number, ", ".join(map(str, region["box_px"])), region["growth"])
        for one in pictures
        for number, region in enumerate(one["regions"], 1)
    ]
    if rows:
        console.print_table(("picture", "part", "left, top, right, bottom (px)", "distance grows by"), rows)
        sys.stdout.write("\n")
    console.print_facts("why", facts)


def page_of_why(page: Path, found: Explanation, names: Sequence[str], lineage: Lineage) -> None:
    """Write the page of an explanation."""
    pictures = [
        HiddenPicture(
            name=name,
            pixels=parts.pixels,
            growth=parts.growth,
            hidden_whole=None if math.isnan(parts.hidden_whole) else parts.hidden_whole,
            regions=[MarkedRegion(_box(region), region.growth) for region in parts.regions],
            note=_failed(parts),
        )
        for name, parts in zip(names, found.parts, strict=True)
    ]
    same = _is_same(found, lineage)
    verdict = None
    if same is not None:
        verdict = f"{'the same' if same else 'not the same'} by the threshold {lineage.threshold:.4g}"
    write_why_page(
        page,
        pictures,
        facts={
            "model": str(lineage),
            "measure": lineage.distance,
            "distance": found.distance,
            "verdict": verdict,
            "num_runs": found.num_runs,
            "scales": " + ".join(map(str, found.scales)),
        },
    )
    console.note(f"{page} shows the maps")


def _is_same(found: Explanation, lineage: Lineage) -> bool | None:
    return None if lineage.threshold is None else found.distance <= lineage.threshold


def _facts(name: str, parts: HiddenParts) -> dict[str, Any]:
    height, width = parts.growth.shape
    return {
        "picture": name,
        "size_px": [width, height],
        "hidden_whole": parts.hidden_whole,
        "regions": [
            {
                "box_px": list(_box(region)),
                "box": [edge / side for edge, side in zip(_box(region), (width, height) * 2, strict=True)],
                "growth": region.growth,
            }
            for region in parts.regions
        ],
        "num_failed": parts.num_failed,
    }


def _box(region: HiddenRegion) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in pixels."""
    patch = region.patch
    return patch.left, patch.top, patch.right, patch.bottom


def _failed(parts: HiddenParts) -> str | None:
    if not parts.num_failed:
        return None
    return f"Of {parts.num_failed} hidden parts the network gave no finite vector: they count for nothing"
