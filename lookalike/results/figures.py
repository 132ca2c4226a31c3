"""The figures of a run as they are printed: its metrics and its threshold, each with what it rests on.

An artifact or a run from before that was counted has no such words, and is printed without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lookalike import console


def metrics_line(metrics: Mapping[str, Any] | None, rests_on: Mapping[str, Any] | None) -> str | None:
    """Every metric of the kept epoch, and of those that rest on too few why; None where there are none."""
    if metrics is None:
        return None
    short = {name: facts["text"] for name, facts in (rests_on or {}).items() if not facts["is_enough"]}
    return "; ".join([console.show(metrics), *(f"{name} rests on {text}" for name, text in short.items())])


def threshold_line(threshold: Mapping[str, Any] | None, why_none: str | None) -> str | None:
    """The threshold, its rates and what they rest on; or why there is none, where that is known."""
    if threshold is None:
        return f"none: {why_none}" if why_none else None
    shown = {name: value for name, value in threshold.items() if name not in _IN_WORDS}
    words = f"; rests on {threshold['rests_on']}" if threshold.get("rests_on") else ""
    return console.show(shown) + words


_IN_WORDS = ("same_pairs", "different_pairs", "classes", "is_enough", "rests_on")
