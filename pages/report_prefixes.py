"""The prefixes of a run's vectors on its report: a line each, the whole vector last, to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from artifact.model.threshold import VALUE
from artifact.prefixes import measured_names
from pages.plot import number

Table = list[list[str]]
"""Cells of each line, the header first."""


def prefix_table(facts: Mapping[str, Any], *, dim: int) -> Table:
    """Numbers, metrics, threshold or why there is none, and what the first metric rests on; empty without prefixes.

    Args:
        facts: of the run.
        dim: numbers of a whole vector.
    """
    prefixes = list(facts.get("prefixes") or [])
    if not prefixes:
        return []
    every = [*prefixes, {**facts, "dims": dim}]
    names = measured_names(each.get("metrics") for each in prefixes)
    header = ["dims", *names, "threshold", *(f"{name} rests on" for name in names[:1])]
    return [header, *(_line(each, names) for each in every)]


def _line(prefix: Mapping[str, Any], names: list[str]) -> list[str]:
    metrics, rests_on, threshold = (prefix.get(name) or {} for name in ("metrics", "rests_on", "threshold"))
    reason = prefix.get("why_no_threshold")
    shown = [number(float(metrics[name])) if metrics.get(name) is not None else "" for name in names]
    value = threshold.get(VALUE)
    decided = number(float(value)) if value is not None else f"none: {reason}" if reason else "none"
    return [
        str(prefix["dims"]),
        *shown,
        decided,
        *(str((rests_on.get(each) or {}).get("text", "")) for each in names[:1]),
    ]
