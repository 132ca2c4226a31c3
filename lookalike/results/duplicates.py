"""Duplicates and leaks as they are printed, listed and drawn."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.datasets.duplicates import Duplicates
from analysis.datasets.leaks import Leaks
from artifact.arrays import Flags
from artifact.atomic import write_atomically
from artifact.errors import DataError
from lookalike import console
from pages.duplicates import MAX_GROUPS, MAX_MEMBERS, CopyGroup, Member, write_duplicates_page
from pages.gallery import pictures_of_rows
from rows.vectors.table import VectorTable

if TYPE_CHECKING:
    from rows.pictures.joined import Pictures

SHOWN = 10
"""Groups or leaks that are printed; all of them are in the file."""


def print_duplicates(
    found: Duplicates, table: VectorTable, output: Path, *, left_out: dict[str, Any], as_json: bool
) -> None:
    """Print the largest groups, then what was found."""
    keep, in_groups = found.keep, found.groups >= 0
    facts = {
        "output": str(output),
        "num_rows": len(keep),
        "num_groups": len(found.sizes),
        "num_in_groups": int(in_groups.sum()),
        "num_exact": int(found.exact.sum()),
        "num_drop": int((~keep).sum()),
        "num_keep": int(keep.sum()),
        **_how(found),
    }
    rows = [_group_facts(found, table, group) for group in range(min(SHOWN, len(found.sizes)))]
    _print("duplicates", facts, rows, "largest", found, left_out=left_out, as_json=as_json)


def print_leaks(
    found: Leaks, table: VectorTable, other: VectorTable, output: Path, *, left_out: dict[str, Any], as_json: bool
) -> None:
    """Print the first leaks, then what was found."""
    facts = {
        "output": str(output),
        "num_rows": table.num_rows,
        "num_other": other.num_rows,
        "num_leaks": len(found.leaks),
        "num_exact": int(found.exact.sum()),
        "num_keep": int(found.keep.sum()),
        **_how(found),
    }
    rows = [
        {
            "id": other.ids[row],
            "nearest": table.ids[int(found.rows[row])],
            "distance": float(found.distances[row]),
            "exact": bool(found.exact[row]),
        }
        for row in found.leaks[:SHOWN].tolist()
    ]
    _print("leaks", facts, rows, "first", found, left_out=left_out, as_json=as_json)


def _group_facts(found: Duplicates, table: VectorTable, group: int) -> dict[str, Any]:
    members = found.members(group)
    return {
        "group": group,
        "size": len(members),
        "kept": table.ids[int(members[0])],
        "exact": int(found.exact[members].sum()),
        "furthest": float(found.distances[members].max()),
    }


def _how(found: Duplicates | Leaks) -> dict[str, Any]:
    threshold = found.threshold
    return {
        "threshold": threshold.value,
        "threshold_from": threshold.origin if threshold.share is None else f"{threshold.origin}: {threshold.share:g}",
        "exact_by": found.content,
        "distance": found.distance,
        "recall@10": found.recall,
        "nearest": found.nearest,
    }


def _print(
    title: str,
    facts: dict[str, Any],
    rows: list[dict[str, Any]],
    name: str,
    found: Duplicates | Leaks,
    *,
    left_out: dict[str, Any],
    as_json: bool,
) -> None:
    if found.kind != "flat":
        console.note(f"approximate: recall@10 is {found.recall:.3f} on a sample of the table's rows")
    if as_json:
        console.print_json(facts | left_out | {name: rows})
        return
    if rows:
        console.print_table(list(rows[0]), [list(row.values()) for row in rows])
        sys.stdout.write("\n")
    console.print_facts(title, facts)


def pictures_notes(pictures: Pictures) -> list[str]:
    """What is odd about pictures that were read."""
    lines = list(pictures.notes)
    if pictures.bad:
        first = pictures.bad[0]
        lines.append(f"{len(pictures.bad):,} rows have no picture, first {first.id}: {first.reason}")
    return lines


def write_list(file: Path | None, table: VectorTable, flags: Flags) -> None:
    """Write the ids of some rows, a line each; nothing where there is no file.

    Raises:
        DataError: an id with a line break in it. OutputError: the file cannot be written.
    """
    if file is None:
        return
    ids = [table.ids[row] for row in np.flatnonzero(flags).tolist()]
    broken = next((each for each in ids if "\n" in each or "\r" in each), None)
    if broken is not None:
        raise DataError("id", expected="no line break, for a list", got=repr(broken), where=table.source)
    write_atomically(file, "".join(f"{each}\n" for each in ids).encode())


def page_of_groups(page: Path, table: VectorTable, found: Duplicates, pictures: Pictures | None) -> None:
    """Write the page of the largest groups."""
    members = [found.members(group) for group in range(min(MAX_GROUPS, len(found.sizes)))]
    shown = pictures_of_rows(pictures, [int(row) for rows in members for row in rows[:MAX_MEMBERS]])
    groups = [
        CopyGroup(
            size=len(rows),
            members=[
                Member(
                    name=table.ids[row],
                    data=shown.get(row),
                    distance=float(found.distances[row]),
                    exact=bool(found.exact[row]),
                )
                for row in rows[:MAX_MEMBERS].tolist()
            ],
        )
        for rows in members
    ]
    facts = {"num_groups": len(found.sizes), "num_rows": table.num_rows, "num_drop": int((~found.keep).sum())}
    _write_page(page, groups, found, table, facts, has_pictures=pictures is not None)


def page_of_leaks(
    page: Path, table: VectorTable, other: VectorTable, found: Leaks, pictures: tuple[Pictures | None, Pictures | None]
) -> None:
    """Write the page of the first leaks, each beside the row of the set that it shows."""
    rows = found.leaks[:MAX_GROUPS].tolist()
    theirs, ours = pictures_of_rows(pictures[1], rows), pictures_of_rows(pictures[0], found.rows[rows].tolist())
    groups = []
    for row in rows:
        near = int(found.rows[row])
        distance, exact = float(found.distances[row]), bool(found.exact[row])
        asked = Member(name=other.ids[row], data=theirs.get(row), distance=0.0, exact=False)
        groups.append(
            CopyGroup(
                size=2,
                members=[asked, Member(name=table.ids[near], data=ours.get(near), distance=distance, exact=exact)],
            )
        )
    facts = {"num_groups": len(found.leaks), "num_rows": other.num_rows, "num_drop": len(found.leaks)}
    _write_page(page, groups, found, table, facts, has_pictures=any(pictures), other=other.source)


def _write_page(
    page: Path,
    groups: Sequence[CopyGroup],
    found: Duplicates | Leaks,
    table: VectorTable,
    facts: dict[str, Any],
    *,
    has_pictures: bool,
    other: str | None = None,
) -> None:
    write_duplicates_page(
        page,
        groups,
        facts={
            **facts,
            "source": table.source,
            "other": other,
            "threshold": found.threshold.value,
            "threshold_from": found.threshold.origin,
            "exact_by": found.content,
            "distance": found.distance,
            "lineage": str(table.lineage) if table.lineage is not None else None,
            "has_pictures": has_pictures,
        },
    )
    console.note(f"{page} shows {len(groups):,} of {facts['num_groups']:,}")
