"""The page of `lookalike duplicates`: a row for each group, the picture to keep on the left and the others beside it.

Of two sets: a row for each picture of the other set that the set has already, that beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pages.page import write_page
from pages.pictures import Picture, PictureRow

MAX_GROUPS, MAX_MEMBERS = 200, 24
"""Shown on a page; it says how many more there are."""

EXACT = "exact copy"


@dataclass(frozen=True, kw_only=True)
class Member:
    """One picture of a group.

    Attributes:
        name: its id.
        data: data URL, or None.
        distance: to the first of the group.
        exact: whether it is an exact copy of that.
    """

    name: str
    data: str | None
    distance: float
    exact: bool


@dataclass(frozen=True, kw_only=True)
class CopyGroup:
    """Pictures that show the same, the one to keep first.

    Attributes:
        size: of all of them, shown or not.
        members: MAX_MEMBERS at most.
    """

    size: int
    members: Sequence[Member]


def write_duplicates_page(page: Path, groups: Sequence[CopyGroup], *, facts: dict[str, Any]) -> None:
    """Write the page of groups or leaks.

    Args:
        groups: MAX_GROUPS at most.
        facts: "num_groups" and "num_drop" in all, "num_rows" of the set or of the other, "source" and "other" (None for
            groups within one set), "threshold", "threshold_from", "exact_by", "distance", "lineage" (text or None), and
            "has_pictures".

    Raises:
        OutputError: the page cannot be written.
    """
    rows = [
        {
            "row": PictureRow(query=_first(group.members[0]), neighbours=[_near(each) for each in group.members[1:]]),
            "size": group.size,
            "left_out": group.size - len(group.members),
        }
        for group in groups
    ]
    left_out = facts["num_groups"] - len(groups)
    write_page(page, "duplicates.html.jinja", groups=rows, left_out=left_out, side_px=96, rendering="auto", **facts)


def _first(member: Member) -> Picture:
    name = PurePosixPath(member.name).name
    return Picture(name=member.name, data=member.data, kind="asked", title=member.name, captions=[(name, member.name)])


def _near(member: Member) -> Picture:
    return Picture(
        name=member.name,
        data=member.data,
        kind="same" if member.exact else "near",
        title=member.name,
        captions=[(EXACT if member.exact else f"{member.distance:.4g}", member.name)],
    )
