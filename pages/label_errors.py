"""The page of `lookalike labels`: a row for each suspect, with the nearest of its own class and of the one proposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pages.page import write_page
from pages.pictures import Picture, PictureRow

MAX_SUSPECTS = 200
"""Shown on a page; it says how many more there are."""


@dataclass(frozen=True, kw_only=True)
class Near:
    """A picture beside a suspect: its id, data URL or None, and distance."""

    name: str
    data: str | None
    distance: float


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A row whose label is doubtful.

    Attributes:
        name, data: its id, and data URL or None.
        given, proposed: classes.
        confidence: that the label is wrong, in [0, 1].
        of_given, of_proposed: the nearest rows of both classes.
    """

    name: str
    data: str | None
    given: str
    proposed: str
    confidence: float
    of_given: Sequence[Near]
    of_proposed: Sequence[Near]


def write_label_errors_page(
    page: Path, suspects: Sequence[Suspect], pairs: Sequence[tuple[str, str, int]], *, facts: dict[str, Any]
) -> None:
    """Write the page.

    Args:
        suspects: MAX_SUSPECTS at most, the most doubtful first.
        pairs: (given, proposed, how many) of the most frequent pairs.
        facts: "source", "label", "num_rows", "num_suspected", "expected" (None with a note), "note" (why nothing
            is told, or None), "planted", "planted_suspected" and "proposed_right" (shares), "lineage" (text or None),
            "has_pictures".

    Raises:
        OutputError: the page cannot be written.
    """
    left_out = facts["num_suspected"] - len(suspects)
    rows = [_row(each) for each in suspects]
    write_page(
        page,
        "label_errors.html.jinja",
        rows=rows,
        pairs=pairs,
        left_out=left_out,
        side_px=96,
        rendering="auto",
        **facts,
    )


def _row(one: Suspect) -> PictureRow:
    captions = [(f"labelled {one.given}", ""), (f"perhaps {one.proposed}", ""), (f"{one.confidence:.0%}", one.name)]
    beside = [_near(each, "other", one.given) for each in one.of_given]
    beside += [_near(each, "same", one.proposed) for each in one.of_proposed]
    query = Picture(name=one.name, data=one.data, kind="asked", title=one.name, captions=captions)
    return PictureRow(query=query, neighbours=beside)


def _near(one: Near, kind: str, label: str) -> Picture:
    captions = [(label, one.name), (f"{one.distance:.4g}", "")]
    return Picture(name=one.name, data=one.data, kind=kind, title=one.name, captions=captions)
