"""An evaluation as it is printed: a line a metric with what it rests on, how it was measured, and a line a class."""

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
    names = [name for name in shares if isinstance(shares[name], float) and not name.endswith(("_low", "_high"))]
    names += [name for name in facts["rests_on"] if name not in names]  # not given, and why
    rows = [
        [
            name,
            *(console.show(value) if value is not None else "" for value in _with_interval(shares, name)),
            facts["rests_on"].get(name, {}).get("text", ""),
        ]
        for name in names
    ]
    console.print_table(["metric", "value", "low", "high", "rests on"], rows)
    sys.stdout.write("\n")
    none = "none: all labelled rows are of one class" if facts.get("num_classes") == 1 else None
    pairs = {"pairs": shares.get("protocol") or none}
    lineage = facts["lineage"] or {}
    prefix = {name: lineage.get(name) for name in ("dims", "threshold") if "dims" in lineage}
    console.print_facts("evaluated", {name: facts.get(name) for name in _CONDITIONS} | prefix | pairs)
    if facts.get("reranked"):
        _print_reranked(facts)
    if per_class:
        sys.stdout.write("\n")
        worst_first = sorted(facts["per_class"], key=lambda row: (row["recall@1"], row["mAP@R"]))
        names = [name for name in worst_first[0] if name != "rests_on"]
        rows = [[*(row[name] for name in names), _short_of(row["rests_on"])] for row in worst_first]
        console.print_table([*names, "rests on"], rows)


def _print_reranked(facts: Mapping[str, Any]) -> None:
    """The figures of retrieval without and with re-ranking."""
    found = facts["reranked"]
    names = [name.removesuffix("_gain") for name in found if name.endswith("_gain")]
    sys.stdout.write("\n")
    rows = [
        [name, *(console.show(value) for value in (facts[name], found[name], found[f"{name}_gain"]))] for name in names
    ]
    console.print_table(["metric", "plain", "re-ranked", "gain"], rows)


def _short_of(rests_on: Mapping[str, Mapping[str, Any]]) -> str:
    """The words of the first figure of a class that rests on too few, else of the first."""
    supports = list(rests_on.values())
    return str(next((each for each in supports if not each["is_enough"]), supports[0])["text"])


def _with_interval(facts: Mapping[str, Any], name: str) -> list[float | None]:
    return [facts.get(name), facts.get(f"{name}_low"), facts.get(f"{name}_high")]
