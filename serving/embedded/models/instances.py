"""Several sessions over one artifact, for runs at the same time: what Triton calls the instances of a model.

Each holds its own copy of the weights and its own threads, as in Triton, so that what was measured is what is served.
"""

from __future__ import annotations

import queue
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from artifact.arrays import AnyArray
from artifact.images.cores import available_cores
from artifact.repository.tuning import ModelConfig, Tuning, settings_for
from serving.engine import Engine


class Instances:
    """Sessions over one artifact; `run` takes one that is free and waits if none is.

    Args:
        path, threads, device: as of Engine. The first session verifies the file, the others are opened right after.
        count: how many sessions.

    Raises:
        ArtifactError, UsageError: as Engine.
    """

    def __init__(self, path: Path, *, count: int, threads: int, device: str = "cpu") -> None:
        self.first = Engine(path, threads=threads, device=device)
        others = [Engine(path, threads=threads, device=device, verify=False) for _ in range(count - 1)]
        self.count = count
        self._free: queue.SimpleQueue[Engine] = queue.SimpleQueue()
        for engine in (self.first, *others):
            self._free.put(engine)

    def run(self, feeds: Mapping[str, AnyArray]) -> dict[str, npt.NDArray[np.float32]]:
        """See Engine.run; may be called from any number of threads."""
        engine = self._free.get()
        try:
            return engine.run(feeds)
        finally:
            self._free.put(engine)


def instances_here(config: ModelConfig, device: str, threads: int | None, *, where: object) -> Tuning:
    """How a model runs on this machine.

    Args:
        config: says how many instances and threads there should be; a machine of fewer cores starts fewer.
        threads: what the operator asked for. It puts aside what was tuned: one instance of so many threads.

    Raises:
        RepositoryError: a number of threads that is none.
    """
    wanted = settings_for(config, device, where=where)
    cores = available_cores()
    return Tuning(
        device=device,
        instances=1 if threads else min(wanted.instances, cores),
        threads=threads or min(wanted.threads or cores, cores),
        preferred_rows=wanted.preferred_rows,
    )
