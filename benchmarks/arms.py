"""Arms of a long benchmark, each kept in a file as it ends: one that was cut off goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from artifact.atomic import write_atomically


class Arms:
    """What is measured of a benchmark.

    Args:
        file: where it is kept.
        settings: what all arms rest on; arms that were measured under others are forgotten.
    """

    def __init__(self, file: Path, settings: object) -> None:
        self._file = file
        self._key = hashlib.sha256(repr(settings).encode()).hexdigest()
        kept: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
        self._done: dict[str, Any] = kept["arms"] if kept.get("settings") == self._key else {}

    def __getitem__(self, name: str) -> Any:
        return self._done[name]

    def get(self, name: str, measure: Callable[[], Any]) -> Any:
        """What is known of an arm; measured now, kept and printed where it is not."""
        if name not in self._done:
            self._done[name] = measure()
            self._file.parent.mkdir(parents=True, exist_ok=True)
            kept = {"settings": self._key, "arms": self._done}
            write_atomically(self._file, (json.dumps(kept, indent=1) + "\n").encode())
            print(name, self._done[name], flush=True)
        return self._done[name]

    def forget(self) -> None:
        """Begin anew the next time."""
        self._file.unlink(missing_ok=True)
