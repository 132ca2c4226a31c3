"""An artifact of a repository run in this process: no server, the same answers.

One session, and as many runs of it at a time as there are cores, each in the thread that calls: that keeps every core
busy with decoding and with the network, where one run on all cores would wait for its slowest part.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from artifact.images.cores import available_cores
from artifact.images.image_batch import load_batch
from artifact.repository.reading import open_repository
from serving.check import check_engine
from serving.client.connection import Feeds, Outputs, num_images
from serving.client.options import ScorerOptions
from serving.client.timings import Timings
from serving.engine import Engine


class LocalConnection:
    """A Connection to a version of a model in a repository folder; its golden examples are checked while loading.

    Args:
        model: name of the model.
        options: those of a Scorer; `repository` names the folder. Without a version it is the one that a server would
            serve; `threads` are runs at a time, of one thread each.

    Raises:
        RepositoryError: no such folder.
        ModelNotFoundError: no such model or version.
        ArtifactError: the file is not sound, or does not give its golden vectors on this machine.
    """

    is_local = True
    max_rows: int | None = None

    def __init__(self, model: str, options: ScorerOptions) -> None:
        assert options.repository is not None
        published = open_repository(Path(options.repository)).model(model)
        self.model = model
        self.version = published.newest_served() if options.version is None else options.version
        self.in_flight = options.threads or available_cores()
        self.timings = Timings()
        self._limits = options.limits
        self._engine = Engine(published.artifact(self.version), threads=1, device=options.device)
        self.manifest = check_engine(self._engine).manifest
        self.digest = self.manifest.digest

    def states(self) -> dict[str, str]:
        """See Connection."""
        return {}

    def takes_encoded(self) -> bool:
        """See Connection."""
        return True

    def run_pixels(self, feeds: Feeds) -> Outputs:
        """See Connection."""
        started = time.monotonic()
        outputs = self._engine.run(feeds)
        self.timings.note(num_images(feeds, self.manifest), time.monotonic() - started)
        return outputs

    def run_encoded(self, feeds: Mapping[str, Any]) -> Outputs:
        """See Connection."""
        streams = self.manifest.image_inputs
        encoded = {name: rows for name, rows in feeds.items() if name in streams}
        others = {name: array for name, array in feeds.items() if name not in streams}
        return self.run_pixels(load_batch(encoded, self.manifest.pixels, self._limits) | others)

    def confirm(self) -> None:
        """Nothing to ask: the verified graph is in memory, whatever is published meanwhile."""

    def close(self) -> None:
        """Nothing to let go: a run in another thread ends by itself."""
