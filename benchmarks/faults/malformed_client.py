"""One client of the malformed requests, in a process of its own.

    python -m benchmarks.faults.malformed_client GRPC_URL HTTP_URL FIRST COUNT

Sends the requests of these numbers, every second one over gRPC, and prints one line of JSON: how many of each outcome.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
from collections import Counter

import grpc

from benchmarks.faults.mutations import grpc_bytes, http_bytes

_AT_ONCE, _TIMEOUT_S = 16, 20.0
_INFER = "/inference.GRPCInferenceService/ModelInfer"
_READ = 65536
_LENGTH = re.compile(rb"(?i)content-length\s*:\s*(\d{1,18})")


def main(grpc_url: str, http_url: str, first: int, count: int) -> dict[str, int]:
    """{outcome: how many}; `hang` where nothing came in 20 seconds."""
    outcomes: Counter[str] = Counter()
    over_http = threading.Thread(target=_over_http, args=(http_url, range(first + 1, first + count, 2), outcomes))
    over_http.start()
    _over_grpc(grpc_url, range(first, first + count, 2), outcomes)
    over_http.join()
    return dict(outcomes)


def _over_grpc(url: str, numbers: range, outcomes: Counter[str]) -> None:
    free, changing = threading.Semaphore(_AT_ONCE), threading.Lock()

    def answered(call: grpc.Future) -> None:
        code = call.code().name
        outcome = "hang" if code == "DEADLINE_EXCEEDED" else code
        if code == "INTERNAL" and "Unable to parse request" in call.details():
            outcome = "no message"
        with changing:
            outcomes[f"grpc {outcome}"] += 1
        free.release()

    with grpc.insecure_channel(url) as channel:
        infer = channel.unary_unary(_INFER)
        for number in numbers:
            free.acquire()
            infer.future(grpc_bytes(number), timeout=_TIMEOUT_S).add_done_callback(answered)
        for _ in range(_AT_ONCE):
            free.acquire()


def _over_http(url: str, numbers: range, outcomes: Counter[str]) -> None:
    host, _, port = url.rpartition(":")
    for number in numbers:
        outcomes[f"http {_one(host, int(port), http_bytes(number))}"] += 1


def _one(host: str, port: int, data: bytes) -> str:
    """The status of the first answer, on a connection of its own."""
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S) as connection:
            connection.sendall(data)
            if not _is_whole(data):  # else the server would wait for the rest, as it should
                connection.shutdown(socket.SHUT_WR)
            start = connection.recv(_READ)
            status = start[9:12].decode("latin-1") if start.startswith(b"HTTP/1.1 ") else "no answer"
    except TimeoutError:
        return "hang"
    except OSError as error:  # the server may close while we still send
        return type(error).__name__
    return status


def _is_whole(data: bytes) -> bool:
    """Whether a server can know that no more of the first request comes."""
    head, gap, body = data.partition(b"\r\n\r\n")
    lengths = _LENGTH.findall(head)
    return bool(gap) and len(lengths) < 2 and len(body) >= sum(map(int, lengths)) and b"hunked" not in head


if __name__ == "__main__":
    told = sys.argv[1:]
    print(json.dumps(main(told[0], told[1], int(told[2]), int(told[3]))))
