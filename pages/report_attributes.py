"""The part of a run's report on images found by their attributes: a table by how many are asked for, and triplets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def attribute_table(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """{"rows": of text, the head first; "triplets": lines}; None where nothing of it was measured.

    Args:
        facts: those of the run; `attribute_retrieval` as analysis/measures/attribute_retrieval.py gives it.
    """
    found = facts.get("attribute_retrieval")
    if not found:
        return None
    figures = [name for name in found["all"] if name == "mAP" or (name.startswith("P@") and name[2:].isdigit())]
    rows = [["attributes asked", "queries", *figures, "by chance"]]
    for group in [*found["by_number"], found["all"]]:
        cells = ["all" if group["asked"] is None else str(group["asked"]), f"{group['queries']:,}"]
        cells += [_percent(group[name], group.get(f"{name}_low"), group.get(f"{name}_high")) for name in figures]
        rows.append([*cells, _percent(group["chance"])])
    names = {"triplets_easy": "Another row", "triplets_hard": "One attribute flipped"}
    triplets = [
        f"{words}: {_percent(found[name], found.get(f'{name}_low'), found.get(f'{name}_high'))} of the triplets of "
        f"{found[f'{name}_images']:,} images are in the right order."
        for name, words in names.items()
        if found[name] is not None
    ]
    return {"rows": rows, "triplets": triplets}


def _percent(share: float | None, low: float | None = None, high: float | None = None) -> str:
    if share is None:
        return ""
    interval = "" if low is None or high is None else f" ({100 * low:.1f} to {100 * high:.1f})"
    return f"{100 * share:.1f} %{interval}"
