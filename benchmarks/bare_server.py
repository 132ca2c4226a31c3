"""The least that can answer a tritonclient: one plain ONNX file, FP32 in and out, one request at a time on all cores.

    python -m benchmarks.bare_server FILE.onnx

Stands for the server of those who write the first loop of benchmarks/scoring_contenders.py. It does nothing besides
running onnxruntime with its own defaults, so that loop is not made slower than it is. Prints its port, and ends with
SIGTERM.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import onnxruntime
from tritonclient.grpc import service_pb2, service_pb2_grpc


class BareService(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    def __init__(self, file: str) -> None:
        self._session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])

    def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        del context
        tensor = request.inputs[0]
        image = np.frombuffer(request.raw_input_contents[0], np.float32).reshape(tuple(tensor.shape))
        (vectors,) = self._session.run(["embedding"], {"image": image})
        response = service_pb2.ModelInferResponse(model_name=request.model_name, model_version="1")
        response.outputs.add(name="embedding", datatype="FP32", shape=vectors.shape)
        response.raw_output_contents.append(vectors.tobytes())
        return response


if __name__ == "__main__":
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(BareService(sys.argv[1]), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()
