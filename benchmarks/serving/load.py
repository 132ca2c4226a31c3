"""A closed loop of raw gRPC requests, for mlserver: perf_analyzer wants ModelConfig, which it does not have.

    python -m benchmarks.serving.load URL MODEL DATATYPE ARRAY.npy CONCURRENCY SECONDS

The requests are bytes that were serialized beforehand, and answers are not read: little of the processors is its own.
Prints one line of JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2 as messages

_INFER = "/inference.GRPCInferenceService/ModelInfer"
_WARM_UP_S, _TIMEOUT_S = 1.0, 60.0


def main(url: str, model: str, datatype: str, file: str, concurrency: int, seconds: float) -> dict[str, Any]:
    """Rows a second and the median latency, of one row a request."""
    requests = [_request(model, datatype, row[None]) for row in np.load(file)]
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(url, options=options) as channel:
        infer = channel.unary_unary(_INFER)
        latencies: list[tuple[float, float]] = []
        failures: list[str] = []
        ended, ends = threading.Semaphore(0), time.monotonic() + _WARM_UP_S + seconds

        def send(number: int) -> None:
            started = time.monotonic()
            if started >= ends or failures:
                ended.release()
                return
            call = infer.future(requests[number % len(requests)], timeout=_TIMEOUT_S)

            def answered(call: Any) -> None:
                if call.code() is not grpc.StatusCode.OK:
                    failures.append(f"{call.code()}: {call.details()}")
                latencies.append((started, time.monotonic()))
                send(number + 1)

            call.add_done_callback(answered)

        begun = time.monotonic()
        for number in range(concurrency):
            send(number)
        for _ in range(concurrency):
            ended.acquire()
    if failures:
        raise RuntimeError(failures[0])
    counted = [end - start for start, end in latencies if begun + _WARM_UP_S <= end < ends]
    return {"rows_per_s": len(counted) / seconds, "p50_ms": 1000 * statistics.median(counted)}


def _request(model: str, datatype: str, row: Any) -> bytes:
    message = messages.ModelInferRequest(model_name=model)
    message.inputs.add(name="image", datatype=datatype, shape=row.shape)
    message.raw_input_contents.append(row.tobytes())
    return bytes(message.SerializeToString())


if __name__ == "__main__":
    told = sys.argv[1:]
    print(json.dumps(main(told[0], told[1], told[2], told[3], int(told[4]), float(told[5]))))
