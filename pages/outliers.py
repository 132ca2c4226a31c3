"""The page of `lookalike outliers`: the pictures that stand out most, and with labels those that do of their class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pages.page import write_page
from pages.pictures import Picture

MAX_SHOWN = 500


@dataclass(frozen=True, kw_only=True)
class Outlier:
    """One picture.

    Attributes:
        name: its id.
        data: data URL, or None.
        score: how far it stands out.
        label: its class, or None.
    """

    name: str
    data: str | None
    score: float
    label: str | None


def write_outliers_page(
    page: Path, outliers: Sequence[Outlier], of_classes: Sequence[Outlier] | None, *, facts: dict[str, Any]
) -> None:
    """Write the page.

    Args:
        outliers: those that stand out most, first.
        of_classes: those that stand out of their class most, first; None where no classes are known.
        facts: "source", "num_rows", "measure", "class_measure", "label" and "lineage" (text or None), "has_pictures".

    Raises:
        OutputError: the page cannot be written.
    """
    groups = [("Of the set", facts["measure"], [_picture(each) for each in outliers])]
    if of_classes is not None:
        groups.append(
            (
                f"Of their class (column {facts['label']})",
                facts["class_measure"],
                [_picture(each) for each in of_classes],
            )
        )
    write_page(page, "outliers.html.jinja", groups=groups, side_px=96, rendering="auto", **facts)


def _picture(one: Outlier) -> Picture:
    captions = [(f"{one.score:.3g}", one.name), *([(one.label, "")] if one.label is not None else [])]
    return Picture(name=one.name, data=one.data, kind="near", title=one.name, captions=captions)
