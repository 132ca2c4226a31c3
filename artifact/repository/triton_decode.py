"""The model.py of NAME_decode: encoded images to pixels inside real Triton's python backend.

Copied into the repository together with spec.json and the files that it names, those of artifact/images. It runs only
inside tritonserver; the embedded server never executes Python from a repository and uses its own files instead.
"""

import hashlib
import importlib
import json
import pathlib
import sys
import types

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """One stream or several: inputs BYTES [N, 1] named by stream, outputs UINT8 [N, H, W, 3] named <stream>_pixels."""

    def initialize(self, args):
        folder = pathlib.Path(args["model_repository"]) / args["model_version"]
        spec = json.loads((folder / "spec.json").read_text())
        for name in (key.removesuffix("_sha256") for key in spec if key.endswith("_sha256")):
            source = folder / f"{name}.py"
            if hashlib.sha256(source.read_bytes()).hexdigest() != spec[f"{name}_sha256"]:
                text = f"{source} is not the file that was published; publish the model again"
                raise pb_utils.TritonModelException(text)
        package = types.ModuleType("lookalike_decode")  # of this folder alone, whatever else is installed here
        package.__path__ = [str(folder)]
        sys.modules[package.__name__] = package
        try:
            self.code = importlib.import_module("lookalike_decode.image_batch")
        except ImportError as error:
            needs = "the Python of Triton's python backend needs pillow, simplejpeg and cykooz-resizer"
            raise pb_utils.TritonModelException(f"{error}; {needs}: install them there") from None
        self.preprocessing = self.code.Preprocessing.from_dict(spec["preprocessing"])
        self.limits = self.code.Limits.from_dict(spec["limits"])
        self.streams = spec["streams"]

    def execute(self, requests):
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        rows = {
            stream: list(pb_utils.get_input_tensor_by_name(request, stream).as_numpy().reshape(-1))
            for stream in self.streams
        }
        try:
            pixels = self.code.load_batch(rows, self.preprocessing, self.limits)
        except self.code.ImageError as error:
            bad = pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG)
            return pb_utils.InferenceResponse(output_tensors=[], error=bad)
        return pb_utils.InferenceResponse([pb_utils.Tensor(f"{name}_pixels", array) for name, array in pixels.items()])
