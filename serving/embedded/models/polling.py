"""The watch over a repository (control mode poll): what changed there is loaded or unloaded without anybody asking.

Decisions a reader would question:
- Nothing is loaded that still changes. Our own publishing renames whole versions into place, other people copy: a model
  is taken once two looks in a row find the same files, of the same size and time.
- What failed to load is not tried again until it changes: it would fail again, and fill the log.
- A folder that cannot be read is left as it is. Only what is gone in two looks is unloaded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from serving.embedded.models.catalogue import Snapshot

Look = Callable[[], Mapping[str, Snapshot]]


class Watch:
    """Looks at a repository again and again, in a thread of its own.

    Args:
        look: {unit: all that tells whether it changed}.
        load, unload: called with the name of a unit; they raise nothing.
        poll_s: seconds between two looks.
    """

    def __init__(self, look: Look, load: Callable[[str], None], unload: Callable[[str], None], poll_s: float) -> None:
        self._look, self._load, self._unload, self._poll_s = look, load, unload, poll_s
        self._taken: dict[str, Snapshot] = {}
        self._seen: dict[str, Snapshot] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lookalike-poll", daemon=True)

    def take_as_is(self) -> None:
        """Note what is there now as loaded; to be called before it is loaded."""
        self._taken = dict(self._look())
        self._seen = dict(self._taken)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; a load that has begun goes on, nobody waits for it here."""
        self._ended.set()

    def look_once(self) -> None:
        """Load what has changed and settled, unload what is gone."""
        now = dict(self._look())
        for unit in sorted(self._taken.keys() - now.keys() - self._seen.keys()):
            del self._taken[unit]
            self._unload(unit)
        for unit, snapshot in sorted(now.items()):
            if self._ended.is_set():
                return
            if snapshot != self._taken.get(unit) and snapshot == self._seen.get(unit):
                self._taken[unit] = snapshot
                self._load(unit)
        self._seen = now

    def _watch(self) -> None:
        while not self._ended.wait(self._poll_s):
            try:
                self.look_once()
            except OSError:
                continue  # the repository is not there for the moment: what is loaded goes on
