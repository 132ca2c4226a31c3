"""Several front processes before one that runs the model; requests and answers lie in memory that they share.

    python -m benchmarks.fronts.processes

Prints the port, which the fronts share, and ends with SIGTERM. A front writes the bytes of a request into a slot of
its own and tells the slot's number over a socket; the runner takes all that are told, as a batcher would, answers the
constant into the slots and tells them back.
"""

from __future__ import annotations

import mmap
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
from queue import SimpleQueue
from typing import Any

import grpc

from benchmarks.fronts.bare import OPTIONS, Service, run
from benchmarks.fronts.constant_model import DIM
from serving.embedded.batching.pending import Pending
from serving.embedded.workers import CallPool, Workers

_FRONTS, _SLOTS, _SLOT_BYTES = 2, 64, 1 << 20
_NUMBER = struct.Struct("<I")
_COUNT = struct.Struct("<Q")  # of inferences, at the end of the memory
_SIZE = _FRONTS * _SLOTS * _SLOT_BYTES + _COUNT.size


def runner() -> None:
    """The process that runs the model, and starts the fronts."""
    shared = os.memfd_create("fronts")
    os.truncate(shared, _SIZE)
    memory = mmap.mmap(shared, _SIZE)
    ready = selectors.DefaultSelector()
    port, fronts = "0", []
    for index in range(_FRONTS):
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "benchmarks.fronts.processes", str(shared), str(index), port]
        front = subprocess.Popen(
            [*command, str(theirs.fileno())], pass_fds=[shared, theirs.fileno()], stdout=subprocess.PIPE, text=True
        )
        assert front.stdout is not None
        port = front.stdout.readline().strip()
        ready.register(ours, selectors.EVENT_READ)
        fronts.append(front)
        theirs.close()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    print(port, flush=True)
    vector, num_answered = bytes(4 * DIM), 0
    try:
        while True:
            for key, _ in ready.select():
                told: Any = key.fileobj.recv(_NUMBER.size * _SLOTS)  # type: ignore[union-attr]
                for (slot,) in _NUMBER.iter_unpack(told):
                    memory[slot * _SLOT_BYTES : slot * _SLOT_BYTES + len(vector)] = vector
                num_answered += len(told) // _NUMBER.size
                _COUNT.pack_into(memory, _SIZE - _COUNT.size, num_answered)
                key.fileobj.sendall(told)  # type: ignore[union-attr]
    finally:
        for front in fronts:
            front.terminate()
            front.wait()


class SharedService(Service):
    """Hands inferences to the runner."""

    def __init__(self, memory: mmap.mmap, index: int, link: socket.socket) -> None:
        super().__init__(self._infer)
        self._memory, self._link = memory, link
        self._free: SimpleQueue[int] = SimpleQueue()
        for slot in range(index * _SLOTS, (index + 1) * _SLOTS):
            self._free.put(slot)
        self._waiting: dict[int, Pending[None]] = {}
        threading.Thread(target=self._hear, daemon=True).start()

    def _infer(self, request: Any) -> Any:
        slot, data = self._free.get(), request.raw_input_contents[0]
        place = slot * _SLOT_BYTES
        self._memory[place : place + len(data)] = data
        waiting = self._waiting[slot] = Pending()
        self._link.sendall(_NUMBER.pack(slot))
        waiting.result()
        vector = bytes(self._memory[place : place + 4 * DIM])
        self._free.put(slot)
        answer = self.model.infer(request)
        answer.raw_output_contents[0] = vector
        return answer

    def _hear(self) -> None:
        while told := self._link.recv(_NUMBER.size * _SLOTS):
            for (slot,) in _NUMBER.iter_unpack(told):
                self._waiting.pop(slot).set_result(None)

    def ModelStatistics(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Of all fronts."""
        (count,) = _COUNT.unpack_from(self._memory, _SIZE - _COUNT.size)
        answer = self.model.statistics(request.name)
        answer.model_stats[0].inference_count = count
        return answer


def front(shared: int, index: int, port: int, descriptor: int) -> None:
    """One of the processes that take requests."""
    memory = mmap.mmap(shared, _SIZE)
    server = grpc.server(CallPool(Workers(1000, "front")), options=[*OPTIONS, ("grpc.so_reuseport", 1)])
    run(server, SharedService(memory, index, socket.socket(fileno=descriptor)), port)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        runner()
    else:
        front(*map(int, sys.argv[1:]))
