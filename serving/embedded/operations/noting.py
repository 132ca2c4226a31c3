"""Notes in the log: models that come and go, requests that took long, and every request if asked for."""

from __future__ import annotations

import threading

from serving.embedded.models.store import ModelStore
from serving.embedded.operations.log import Log
from serving.embedded.operations.recorder import Seen


class ModelNotes:
    """A line for every version that begins or ceases to answer."""

    def __init__(self, store: ModelStore, log: Log) -> None:
        self._store, self._log = store, log
        self._lock = threading.Lock()
        self._served: dict[tuple[str, int], str] = {}
        store.watch(self.look)

    def look(self) -> None:
        """Note what has changed since the last look."""
        with self._lock:
            served = {(name, one.version): one.digest for name, one in self._store.servables()}
            for (name, version), digest in served.items():
                if self._served.get((name, version)) != digest:
                    facts = _facts(name, version, digest)
                    self._log.info("loaded", "load", **facts)
            for name, version in self._served.keys() - served.keys():
                self._log.info("unloaded", "unload", **_facts(name, version))
            self._served = served


def _facts(name: str, version: int, digest: str = "") -> dict[str, object]:
    return {"model": name, "version": version, "digest": digest or None}


class RequestNotes:
    """Lines of requests.

    Args:
        every: a line for every request, else only for those that took long or were refused by the server's own fault.
        slow_ms: what took longer is a warning; None for no such line.
    """

    def __init__(self, log: Log, *, every: bool, slow_ms: float | None) -> None:
        self._log, self._every, self._slow_ns = log, every, None if slow_ms is None else slow_ms * 1e6

    def note(self, seen: Seen) -> None:
        """One request."""
        times = seen.timings
        took_ns = seen.ended_ns - times.begun_ns
        is_slow = self._slow_ns is not None and took_ns > self._slow_ns
        is_fault = seen.code == "INTERNAL"
        if not (self._every or is_slow or is_fault):
            return
        facts = {
            "id": seen.id,
            "model": seen.model,
            "version": seen.version or None,
            "rows": times.num_rows or None,
            "bytes": seen.num_bytes,
            "code": seen.code,
            "ms": _ms(took_ns),
            "decode_ms": _ms(times.decoded_ns - times.decode_ns) if times.decoded_ns else None,
            "queue_ms": _ms(times.run_ns - times.queued_ns) if times.ran_ns else None,
            "compute_ms": _ms(times.ran_ns - times.run_ns) if times.ran_ns else None,
            "transport": seen.origin.transport,
            "peer": seen.origin.peer(),
            "reason": seen.text or None,
        }
        level, line = ("error", "failed request") if is_fault else ("warning", "slow request")
        if not (is_fault or is_slow):
            level, line = "info", "request"
        self._log.write(level, line, "request", facts)


def _ms(ns: int) -> float:
    return round(ns / 1e6, 3)
