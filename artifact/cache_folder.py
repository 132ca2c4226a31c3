"""The folders that Lookalike keeps in the user's cache: what is there may be thrown away, and is made again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(kind: str) -> Path | None:
    """$XDG_CACHE_HOME/lookalike/KIND, or ~/.cache/lookalike/KIND; None where there is no home. It need not be there."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or "")
    try:
        return (base if base.is_absolute() else Path.home() / ".cache") / "lookalike" / kind
    except RuntimeError:
        return None
