"""The figures of a run as they are printed: its metrics and its threshold, each with what it rests on.

A run or an artifact from before that was counted has no such words: of its threshold they are read off the protocol.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from artifact.model.threshold import EER, measured_on, resting_on
from lookalike import console


def metrics_line(
    metrics: Mapping[str, Any] | None, rests_on: Mapping[str, Any] | None, *, of_trained: Sequence[str] = ()
) -> str | None:
    """Every metric of the kept epoch, and of those that rest on too few why; None where there are none.

    Args:
        of_trained: names of those that are the trained layer's, where another head took its place; they come last.
    """
    if not metrics:
        return None
    short = {name: facts["text"] for name, facts in (rests_on or {}).items() if not facts["is_enough"]}
    own = {name: value for name, value in metrics.items() if name not in of_trained}
    before = {name: value for name, value in metrics.items() if name in of_trained}
    parts = [console.show(own)] if own else []
    parts += [f"{name} rests on {text}" for name, text in short.items()]
    parts += [f"of the trained layer: {console.show(before)}"] if before else []
    return "; ".join(parts)


def threshold_line(threshold: Mapping[str, Any] | None, why_none: str | None) -> str | None:
    """The threshold, its rates, what they rest on and on which classes; or why there is none, where that is known."""
    if threshold is None:
        return f"none: {why_none}" if why_none else None
    shown = {name: value for name, value in threshold.items() if name not in _IN_WORDS}
    rests_on = resting_on(threshold) or _counted_before(threshold)
    line = console.show(shown) + (f"; rests on {rests_on}" if rests_on else "")
    facts = threshold.get("rests_on")
    if isinstance(facts, Mapping) and not facts.get(EER, {}).get("is_enough", True):
        line += f"; eer rests on {resting_on(threshold, EER)}"
    classes = measured_on(threshold)
    return f"{line}; {classes}" if classes else line


def _counted_before(threshold: Mapping[str, Any]) -> str | None:
    """What a threshold rests on that only says so in its protocol: "6 same and 4 different held-out pairs ..."."""
    found = re.match(r"(\d+) same and (\d+) different ", str(threshold.get("protocol") or ""))
    if found is None:
        return None
    from analysis.measures.support import support_of_pairs
    from analysis.measures.threshold import FALSE_ACCEPT_RATE

    frr, eer = threshold.get("frr"), threshold.get("eer")
    return str(support_of_pairs(int(found[1]), int(found[2]), far=FALSE_ACCEPT_RATE, same_share=frr, both_share=eer))


_IN_WORDS = ("same_pairs", "different_pairs", "classes", "is_enough", "rests_on", "measured_on")
