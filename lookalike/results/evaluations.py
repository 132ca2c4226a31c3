"""An evaluation as it is printed: a line a metric with its interval, what it was measured on, a line a class."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from lookalike import console

_CONDITIONS = (
    "num_rows",
    "num_unlabelled",
    "num_classes",
    "queries",
    "queries_from",
    "skipped",
    "mAP_queries",
    "tuples",
    "tuples_from",
    "distance",
    "column",
)


def print_evaluation(facts: Mapping[str, Any], *, per_class: bool) -> None:
    """Print what analysis.evaluation gave; with `per_class` its classes too, worst first."""
    shares = {**facts, **(facts["verification"] or {})}
    rows = [
        [name, *(console.show(value) if value is not None else "" for value in _with_interval(shares, name))]
        for name in shares
        if isinstance(shares[name], float) and not name.endswith(("_low", "_high"))
    ]
    console.print_table(["metric", "value", "low", "high"], rows)
    sys.stdout.write("\n")
    pairs = {"pairs": shares.get("protocol")}
    console.print_facts("evaluated", {name: facts.get(name) for name in _CONDITIONS} | pairs)
    if per_class:
        sys.stdout.write("\n")
        worst_first = sorted(facts["per_class"], key=lambda row: (row["recall@1"], row["mAP@R"]))
        console.print_table(list(worst_first[0]), [list(row.values()) for row in worst_first])


def _with_interval(facts: Mapping[str, Any], name: str) -> list[float | None]:
    return [facts[name], facts.get(f"{name}_low"), facts.get(f"{name}_high")]
