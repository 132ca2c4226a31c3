"""Automatic tuning: a server that is idle measures what runs its models fastest, keeps that, and runs them so.

Decisions a reader would question:
- Once a digest and machine, and only where neither the config nor the operator says how (models/records.py).
- Only while no request has come for two seconds, in slices of a fifth of a second at most, which end with the run that
  a request finds going; so a request waits for one run more, now and then, in the first minute of a server.
- Measuring costs bounded memory: copies of the weights up to 512 MiB, and no more rows at a time than half of what one
  run of the model may have. Kept waiting for long, the copies are freed.
- A measurement on a machine that did other work is not believed: it is made again later, a few times.
- One server at a time measures on a machine, as far as they share the cache folder.
"""

from __future__ import annotations

import contextlib
import datetime
import threading
import time
from collections.abc import Callable, Iterator
from weakref import WeakKeyDictionary

from artifact.errors import ArtifactError, LookalikeError
from artifact.locks import FileLock
from artifact.repository.tuning import Tuning
from serving.embedded.models.instances import Instances
from serving.embedded.models.records import Record, in_words
from serving.embedded.models.servables import Network
from serving.embedded.models.store import ModelStore
from serving.embedded.tuning.idle_slices import IdleSlices, MeasuringOver
from serving.embedded.tuning.measuring import Layout, choose, is_noisy, layouts, measure
from serving.embedded.tuning.running import Runner, tuning_of

SECONDS = 10.0
"""Of slices, for one model."""
_SLICE_S = 0.2
_WEIGHTS_BYTES = 512 * 2**20
_MAX_ROWS = 32
_BATCH_SIZES = (1, 2, 4, 8, 16, 32)
_ATTEMPTS = 4
_PAUSE_S = 60.0
"""After a measurement that is not believed; then twice as long."""
_LOCKED_S = 2.0


class AutomaticTuning:
    """A thread that tunes the models of a store, one after the other, whenever the server is idle.

    Args:
        store: the models; those that are loaded later are tuned as well.
        report: gets a line for every model that was tuned, and where that failed.
    """

    def __init__(self, store: ModelStore, report: Callable[[str], None]) -> None:
        self._store, self._report = store, report
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._attempts: WeakKeyDictionary[Network, _Attempts] = WeakKeyDictionary()
        self._thread = threading.Thread(target=self._work, name="lookalike-tuning", daemon=True)
        store.watch(self._changed.set)

    def start(self) -> None:
        """Begin, once the server is ready."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing any more; what runs ends with its run."""
        self._stopped.set()
        self._changed.set()

    def close(self) -> None:
        """`stop`, and wait for the end."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        while not self._stopped.is_set():
            self._changed.clear()
            for network in self._left():
                if self._attempts.setdefault(network, _Attempts()).due_s() == 0 and not self._stopped.is_set():
                    self._tune(network, network.record, self._attempts[network])
            due_s = [self._attempts[network].due_s() for network in self._left() if network in self._attempts]
            self._changed.wait(min((each for each in due_s if each is not None), default=None))

    def _left(self) -> list[Network]:
        """The networks that run as nobody said and nobody measured."""
        return [network for network in self._store.networks() if network.record and not network.tuned]

    def _tune(self, network: Network, record: Record | None, attempts: _Attempts) -> None:
        assert record is not None
        label = f"model {network.name!r} version {network.version}"

        def wait(seconds: float) -> None:
            if self._stopped.wait(seconds) or network.is_closed:
                raise MeasuringOver

        attempts.begin()
        try:
            with self._alone(record, wait):
                tuning = record.read() or self._measured(network, record, wait)
            if tuning.record.get("noisy"):
                self._report(f"{label} was measured while this machine did other work: not used")
                return
            network.rearrange(tuning)
            attempts.end()
            self._report(f"{label} was measured: it runs as {in_words(tuning)}{_kept(record, tuning)}")
        except MeasuringOver:
            attempts.end()
        except (LookalikeError, OSError) as error:
            attempts.end()
            self._report(f"{label} was not measured, and runs as it did: {error}")

    def _measured(self, network: Network, record: Record, wait: Callable[[float], None]) -> Tuning:
        """Measure a network on sessions of its own."""
        size = network.manifest.content.size
        is_cpu = record.device == "cpu"
        arrangements = (
            layouts(record.cores, weights_bytes=size, max_bytes=_WEIGHTS_BYTES) if is_cpu else [Layout(1, record.cores)]
        )
        rows = min(_MAX_ROWS, network.signature.max_rows)
        sessions = _Sessions(network, record)
        slices: IdleSlices
        runner = Runner(sessions, network.manifest, goes_on=lambda: slices.is_wanted(), max_rows=rows)
        slices = IdleSlices(runner, activity=self._store.requests.activity, wait=wait, give_back=sessions.clear)
        measured = measure(
            [each for each in arrangements if each.instances <= rows],
            slices,
            seconds=SECONDS,
            batch_sizes=[each for each in _BATCH_SIZES if each <= rows],
            max_rows=rows,
            max_slice_s=_SLICE_S,
            clock=lambda: slices.spent_s,
        )
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        facts = {"machine": record.machine, "time": now, "digest": record.digest, "automatic": True}
        tuning = tuning_of(choose(measured), measured, record.device, facts)
        if not is_noisy(measured):
            try:
                record.write(tuning)
            except LookalikeError as error:
                self._report(f"what was measured of model {network.name!r} is not kept: {error}")
        return tuning

    @contextlib.contextmanager
    def _alone(self, record: Record, wait: Callable[[float], None]) -> Iterator[None]:
        """Keep other servers of this user from measuring meanwhile, where there is a place for a lock."""
        lock: FileLock | None = None
        while record.path and lock is None:
            try:
                record.path.parent.mkdir(parents=True, exist_ok=True)
                lock = FileLock(record.path.with_name("lock"), create=True)
            except BlockingIOError:
                wait(_LOCKED_S)
            except OSError:
                break
        with lock or contextlib.nullcontext():
            yield


class _Attempts:
    """The attempts at measuring one network: so many, with longer and longer pauses."""

    def __init__(self) -> None:
        self._num, self._next_s = 0, 0.0

    def begin(self) -> None:
        self._next_s = time.monotonic() + _PAUSE_S * 2**self._num
        self._num += 1

    def end(self) -> None:
        self._num = _ATTEMPTS

    def due_s(self) -> float | None:
        """In how many seconds to try; None for never."""
        return None if self._num >= _ATTEMPTS else max(0.0, self._next_s - time.monotonic())


class _Sessions(dict[Layout, Instances]):
    """The sessions of each layout, opened when they are looked up; raises ArtifactError for another artifact."""

    def __init__(self, network: Network, record: Record) -> None:
        super().__init__()
        self._path, self._record = network.path, record

    def __missing__(self, layout: Layout) -> Instances:
        threads = layout.threads
        device, digest = self._record.device, self._record.digest
        opened = Instances(self._path, count=layout.instances, threads=threads, device=device)
        if (got := opened.first.manifest.digest) != digest:
            raise ArtifactError("the file was replaced", expected=f"digest {digest}", got=got, where=self._path)
        self[layout] = opened
        return opened


def _kept(record: Record, tuning: Tuning) -> str:
    is_kept = record.path is not None and record.read() == tuning
    return f" from now on ({record.path})" if is_kept else " until it stops"
