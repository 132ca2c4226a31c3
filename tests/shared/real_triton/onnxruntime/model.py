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

    def execute(self, requests):
        """One run for all the requests that Triton's dynamic batcher put together."""
        feeds = [
            {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}
            for request in requests
        ]
        whole = {name: np.concatenate([feed[name] for feed in feeds]) for name in self.inputs}
        outputs = self.session.run(self.outputs, whole)
        cuts = np.cumsum([len(feed[self.inputs[0]]) for feed in feeds])[:-1]
        parts = [np.split(output, cuts) for output in outputs]
        return [
            pb_utils.InferenceResponse(
                [
                    pb_utils.Tensor(name, np.ascontiguousarray(part[i]))
                    for name, part in zip(self.outputs, parts, strict=True)
                ]
            )
            for i in range(len(requests))
        ]
