"""A backend for real tritonserver that loads `backend: "onnxruntime"` configs, unchanged, with onnxruntime's own wheel.

The wheel that carries tritonserver has the python backend but not NVIDIA's C++ onnxruntime backend. This one runs the
same library on the same file inside Triton's python stub: everything before and behind it (protocol, versions, config
validation, batching, ensembles) is NVIDIA's; what is ours is the twenty lines that run the session. It is for tests:
use NVIDIA's backend to serve.
"""

import json
import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import: later it has no effect

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        return config

    def initialize(self, args):
        config = json.loads(args["model_config"])
        file = config.get("default_model_filename") or "model.onnx"
        path = os.path.join(args["model_repository"], args["model_version"], file)
        options = onnxruntime.SessionOptions()
        threads = config.get("parameters", {}).get("intra_op_thread_count", {}).get("string_value")
        options.intra_op_num_threads = int(threads or 1)
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = [tensor["name"] for tensor in config["input"]]
        self.outputs = [tensor["name"] for tensor in config["output"]]
        self.has_batch = int(config.get("max_batch_size", 0)) > 0
        self.scalars = {node.name for node in self.session.get_inputs() if not node.shape}

    def execute(self, requests):
        """One run for all the requests that Triton's dynamic batcher put together; without a batch one for each."""
        feeds = [self.feeds(request) for request in requests]
        if not self.has_batch:
            return [answer(self.outputs, self.run(feed)) for feed in feeds]
        whole = {name: np.concatenate([feed[name] for feed in feeds]) for name in self.inputs}
        cuts = np.cumsum([len(feed[self.inputs[0]]) for feed in feeds])[:-1]
        parts = [np.split(output, cuts) for output in self.run(whole)]
        return [answer(self.outputs, [part[i] for part in parts]) for i in range(len(requests))]

    def feeds(self, request):
        """{input: array} of those inputs that a request has."""
        found = {name: pb_utils.get_input_tensor_by_name(request, name) for name in self.inputs}
        arrays = {name: tensor.as_numpy() for name, tensor in found.items() if tensor is not None}
        return {name: array.reshape(()) if name in self.scalars else array for name, array in arrays.items()}

    def run(self, feeds):
        """Outputs in order. onnxruntime's Python takes and gives text where Triton has bytes."""
        text = {name: decoded(array) if array.dtype == object else array for name, array in feeds.items()}
        outputs = self.session.run(self.outputs, text)
        return [encoded(output) if output.dtype == object else output for output in outputs]


def answer(names, arrays):
    """A response; a scalar has one dimension, as in NVIDIA's backend."""
    return pb_utils.InferenceResponse(
        [pb_utils.Tensor(name, np.ascontiguousarray(array)) for name, array in zip(names, arrays, strict=True)]
    )


def decoded(array):
    return np.array([element.decode() for element in array.ravel()], dtype=object).reshape(array.shape)


def encoded(array):
    return np.array([element.encode() for element in array.ravel()], dtype=object).reshape(array.shape)
