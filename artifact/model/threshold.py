"""The threshold of a manifest or a run: what its figures rest on and which classes it was measured on, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VALUE, EER = "value", "eer"
"""The figures that have such words: the value with its two rates, and the equal error rate of the pairs."""


def resting_on(threshold: Mapping[str, Any] | None, figure: str = VALUE) -> str | None:
    """What a figure of a threshold rests on; None where that was not told.

    `rests_on` is {figure: {counts, "is_enough", "text"}}; before, it was one text for all.
    """
    found = (threshold or {}).get("rests_on")
    if isinstance(found, Mapping):
        found = (found.get(figure) or {}).get("text")
    return str(found) if found else None


def measured_on(threshold: Mapping[str, Any] | None) -> str | None:
    """Which classes a threshold was measured on, and what to expect of it; None where that was not told.

    `measured_on` is {"trained_classes", "new_classes"}: how many of the held-out classes were trained on, and how many
    were not.
    """
    counts = (threshold or {}).get("measured_on")
    if not isinstance(counts, Mapping):
        return None
    trained, new = int(counts.get("trained_classes", 0)), int(counts.get("new_classes", 0))
    if not trained:
        return "measured on classes never trained on"
    expect = "expect more rejections on new ones"
    if not new:
        return f"measured on held-out images of classes that were trained on; {expect}"
    were = "was" if new == 1 else "were"
    return f"measured on {trained + new:,} classes, {new:,} of which {were} never trained on; {expect}"
