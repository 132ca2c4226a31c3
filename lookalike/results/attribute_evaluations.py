"""An evaluation of rows of attributes as it is printed: a line for each number of attributes, then triplets."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from lookalike import console

_CONDITIONS = ("num_rows", "num_queries", "num_distinct", "queries_from", "distance")
_TRIPLETS = {"triplets_easy": "% correct, another row", "triplets_hard": "% correct, one attribute changed"}


def print_attribute_evaluation(facts: Mapping[str, Any]) -> None:
    """Print what analysis.evaluation.attribute_tables gave."""
    groups = [*facts["by_number"], {**facts["all"], "asked": "all"}]
    figures = [name for name in facts["all"] if name.startswith("P@") and not name.endswith(("_low", "_high"))]
    rows = [
        [
            group["asked"],
            group["queries"],
            *(_shown(group[name]) for name in (*figures, "mAP", "mAP_low", "mAP_high", "chance") if name in group),
            group["skipped"],
        ]
        for group in groups
    ]
    interval = ["low", "high"] if "mAP_low" in facts["all"] else []
    console.print_table(["asked", "queries", *figures, "mAP", *interval, "chance", "no image"], rows)
    sys.stdout.write("\n")
    names = [name for name in _TRIPLETS if facts[name] is not None]
    lines = [
        [
            _TRIPLETS[name],
            *(_percent(facts.get(f"{name}{end}")) for end in ("", "_low", "_high")),
            facts["rests_on"][name]["text"],
        ]
        for name in names
    ]
    if lines:
        console.print_table(["triplets", "value", "low", "high", "rests on"], lines)
        sys.stdout.write("\n")
    attributes = ", ".join(f"{each['name']} ({each['type']})" for each in facts["attributes"])
    none = {} if names else {"triplets": "none: no row has all attributes of an image and another differs"}
    mAP = {"mAP rests on": facts["rests_on"]["mAP"]["text"]} if "mAP" in facts["rests_on"] else {}  # noqa: N806
    conditions = {name: facts[name] for name in _CONDITIONS}
    console.print_facts("evaluated", {"attributes": attributes} | conditions | mAP | none)


def _shown(value: float | None) -> str:
    return "" if value is None else console.show(value)


def _percent(value: float | None) -> str:
    return "" if value is None else console.show(100 * value)
