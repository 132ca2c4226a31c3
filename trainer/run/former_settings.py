"""Settings that runs of before do not have: what these runs mean, where it is not today's default.

A run whose config.yaml lacks one of them is read, and goes on, as it was begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MEANT: dict[str, Any] = {"head": "trained", "head_classes": 0}


def with_former(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a config.yaml, with what it meant by settings that it does not have."""
    return {**_MEANT, **values}
