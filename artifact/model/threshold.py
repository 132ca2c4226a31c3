"""The threshold of a manifest or a run: what its figures rest on, in words."""

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
