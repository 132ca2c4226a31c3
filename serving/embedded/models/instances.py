"""Several sessions over one artifact, for runs at the same time: what Triton calls the instances of a model.

Each holds its own copy of the weights and its own threads, as in Triton, so that what was measured is what is served.
Where cores are shared out among them, one more of all cores takes what comes alone: a request at a time is answered as
soon as it can be (a quarter sooner), and many at a time as fast as they can be.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from artifact.arrays import AnyArray
from artifact.images.cores import available_cores
from artifact.repository.tuning import INSTANCE_KINDS, ModelConfig, Tuning, settings_for
from serving.embedded.models.placement import gpus_of, require_groups
from serving.engine import Engine

_IN_TURN = 4
"""Runs one after the other before the next is taken for one that comes alone: between the runs of a busy server there
are gaps too."""


class Runs(Protocol):
    """Something that runs a batch, in one thread at a time."""

    def run(self, feeds: Mapping[str, AnyArray]) -> Mapping[str, AnyArray]:
        """{input: array} to {output: array}."""


class Pool:
    """Sessions that do the same; `run` takes one that is free and waits if none is.

    Args:
        sessions: for runs at the same time.
        alone: takes the runs that come one at a time.

    Attributes:
        all: every session.
        count: how many run at the same time.
    """

    def __init__(self, sessions: Sequence[Runs], *, alone: Runs | None = None) -> None:
        self.count = len(sessions)
        self.all = (*sessions, alone) if alone else tuple(sessions)
        self._free: queue.SimpleQueue[Runs] = queue.SimpleQueue()
        for session in sessions:
            self._free.put(session)
        self._alone = alone
        self._lock = threading.Lock()
        self._num_running = self._num_in_turn = 0

    def run(self, feeds: Mapping[str, AnyArray]) -> Mapping[str, AnyArray]:
        """Run a batch; may be called from any number of threads."""
        if self._alone is None:
            return self._run_on_one(feeds)
        with self._lock:
            self._num_running += 1
            self._num_in_turn = self._num_in_turn + 1 if self._num_running == 1 else 0
            is_alone = self._num_in_turn > _IN_TURN
        try:
            return self._alone.run(feeds) if is_alone else self._run_on_one(feeds)
        finally:
            with self._lock:
                self._num_running -= 1

    def _run_on_one(self, feeds: Mapping[str, AnyArray]) -> Mapping[str, AnyArray]:
        session = self._free.get()
        try:
            return session.run(feeds)
        finally:
            self._free.put(session)


class Instances(Pool):
    """Sessions over one artifact.

    Args:
        path, threads, device: as of Engine. The first session verifies the file, the others are opened right after.
        count: how many sessions.
        gpus: numbers of the GPUs that they take turns on; none takes the first.
        one_alone: on a CPU, have one more of all cores where cores are shared out.

    Raises:
        ArtifactError, UsageError: as Engine.
    """

    def __init__(
        self,
        path: Path,
        *,
        count: int,
        threads: int,
        device: str = "cpu",
        gpus: Sequence[int] = (),
        one_alone: bool = False,
    ) -> None:
        places = [gpus[index % len(gpus)] if gpus else 0 for index in range(count)]
        self.first = Engine(path, threads=threads, device=device, gpu=places[0])
        others = [Engine(path, threads=threads, device=device, gpu=gpu, verify=False) for gpu in places[1:]]
        is_split = count > 1 and threads < available_cores() and device == "cpu"
        alone = Engine(path, device=device, verify=False) if one_alone and is_split else None
        super().__init__((self.first, *others), alone=alone)


def instances_here(config: ModelConfig, device: str, threads: int | None, *, where: object) -> Tuning:
    """How a model runs on this machine.

    Args:
        config: says how many instances and threads there should be; a machine of fewer cores starts fewer.
        threads: what the operator asked for. It puts aside what was tuned: one instance of so many threads.

    Raises:
        RepositoryError: a number of threads that is none, or groups that cannot be followed (placement.py).
    """
    require_groups(config, device, where=where)
    wanted = settings_for(config, device, where=where)
    cores = available_cores()
    return Tuning(
        device=device,
        instances=1 if threads else min(wanted.instances, cores),
        threads=threads or min(wanted.threads or cores, cores),
        preferred_rows=wanted.preferred_rows,
    )


def gpus_here(config: ModelConfig, device: str) -> list[int]:
    """The GPUs that a model's groups name for a device, one for each instance; empty on a CPU."""
    if INSTANCE_KINDS.get(device) != INSTANCE_KINDS["cuda"]:
        return []
    groups = [group for group in config.instance_group if group.kind != INSTANCE_KINDS["cpu"]]
    return [gpu for group in groups for gpu in gpus_of(group) for _ in range(max(1, group.count))]
