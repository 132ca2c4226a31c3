"""A pool of actors on a Ray cluster that makes the parts of a job, and what happens where nodes die.

Ray Data restarts an actor whose node died on another one and gives it its part again, as often as it takes. While no
node has room it waits without a word, so this side looks meanwhile: a job whose actors are all gone, with no node that
has free room for one, ends after a while. A part may take as long as it likes, for its actor is there. And tries are
counted, or an image that ends the process of whoever reads it would go round for ever.
"""

from __future__ import annotations

import contextlib
import queue
import re
import threading
import time
from collections.abc import Generator, Sequence
from typing import Any

import pyarrow as pa

from artifact.errors import ServerError, UnavailableError
from serving.jobs.part_scoring import ScoredPart
from serving.on_ray.cluster import one_line
from serving.on_ray.parts import NUMBER, PartJob, PartScorer, Tries, read_answer
from serving.on_ray.resources import ActorPlan, free_nodes, num_started

_LOOK_EVERY_S = 2.0
_STOP_WITHIN_S = 5.0


def scored_parts(
    ray: Any, job: PartJob, plan: ActorPlan, numbers: Sequence[int], *, wait_s: float
) -> Generator[ScoredPart, None, None]:
    """The parts of these numbers, each as soon as it is there.

    Args:
        ray: the module, connected.
        wait_s: for room where no actor lives any more, and no node has any that others do not use.

    Raises:
        LookalikeError: what an actor met, and on which node.
        UnavailableError: no node has room for an actor any more.
        ServerError: a part ended its actor MAX_TRIES times, or actors cannot be made.
    """
    strategies = ray.util.scheduling_strategies
    here = strategies.NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    tries = ray.remote(num_cpus=0)(Tries).options(scheduling_strategy=here).remote()
    # one part is done and one waits: Ray Data takes a fifth of a second to deal out the next
    pool = ray.data.ActorPoolStrategy(size=plan.actors, max_tasks_in_flight_per_actor=2)
    dataset = ray.data.from_arrow([pa.table({NUMBER: [number]}) for number in numbers]).map_batches(
        PartScorer,
        fn_constructor_args=(job, plan, tries),
        batch_size=1,
        batch_format="pyarrow",
        compute=pool,
        num_cpus=plan.cpus,
        num_gpus=plan.gpus,
    )
    answers = _Answers(dataset)
    room_at = time.monotonic()
    left = set(numbers)
    try:
        while left:
            answer = answers.next(_LOOK_EVERY_S)
            if isinstance(answer, BaseException):
                raise _shown(ray, answer)
            for row in answer.to_pylist() if answer is not None else []:
                part = read_answer(row)
                if part.number in left:
                    left.remove(part.number)
                    yield part
            if answer is not None or num_started(ray, PartScorer.__name__) or plan.room(free_nodes(ray)):
                room_at = time.monotonic()
            elif time.monotonic() - room_at > wait_s:
                raise UnavailableError(
                    "Ray nodes died",
                    expected=f"one with free room for an actor of {plan.size}",
                    got=f"none for {wait_s:g} s",
                    mend="add nodes and run the same command again, which goes on from here",
                )
    finally:
        answers.stop()


class _Answers:
    """A dataset's blocks, taken by a thread of its own: Ray Data's iterators know no timeout."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self._make_executor: Any = getattr(dataset, "_create_executor", None)
        self._executor: Any = None
        dataset._create_executor = self._keep_executor  # the dataset itself shows it with the first block only
        self._found: queue.Queue[pa.Table | BaseException] = queue.Queue(maxsize=1)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._take, name="lookalike-ray", daemon=True)
        self._thread.start()

    def next(self, timeout_s: float) -> pa.Table | BaseException | None:
        """The next block, or why there is none; None where nothing came in this time."""
        try:
            return self._found.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def stop(self) -> None:
        """Take no more and end the actors, those that are starting or wait for room among them.

        What does not end within seconds ends with the connection to the cluster.
        """
        self._stopped.set()
        end = time.monotonic() + _STOP_WITHIN_S
        while self._thread.is_alive() and time.monotonic() < end:
            if self._executor is not None:
                self._executor.shutdown(force=True)  # does nothing before it has begun
            self._thread.join(0.1)

    def _keep_executor(self) -> Any:
        """Ray Data's, which there is no public way to end."""
        self._executor = self._make_executor()
        return self._executor

    def _take(self) -> None:
        try:
            for block in self._dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                self._put(block)
                if self._stopped.is_set():
                    return
            self._put(ServerError("Ray ended before the last part"))
        except BaseException as error:  # goes to whoever waits
            self._put(error)

    def _put(self, found: pa.Table | BaseException) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(queue.Full):
                self._found.put(found, timeout=1)
                return


def _shown(ray: Any, error: BaseException) -> BaseException:
    """Ray's error as one of ours; a defect stays as it is."""
    missing = re.search(r"No module named '[^']+'", str(error))
    if missing is not None:
        return ServerError("Ray node", got=missing[0], mend="install Lookalike where every node finds it")
    if isinstance(error, ray.exceptions.RayActorError):
        return ServerError(
            "Ray actor died", got=one_line(error), mend="run the same command again, which goes on from here"
        )
    if isinstance(error, ray.exceptions.RayError) and not isinstance(error, ray.exceptions.RayTaskError):
        return ServerError("Ray failed", got=one_line(error))
    return error
