"""One onnxruntime session over one artifact: uint8 pixels in, float32 vectors out.

Spinning is off: a server that waits for requests must not burn a core. The number of threads is always set, because
onnxruntime would otherwise take all cores for every session.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.arrays import AnyArray
from artifact.errors import ArtifactError, InvalidRequestError, UsageError
from artifact.images.cores import available_cores
from artifact.model.file import read_manifest, verify_artifact
from artifact.model.manifest import Manifest
from artifact.repository.variants import CUDA_OPTIONS

PROVIDERS: dict[str, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
PROVIDER_OPTIONS: dict[str, dict[str, str]] = {
    "cpu": {},
    # as configs/cuda.pbtxt says it to Triton: the vectors of a CPU, and no new search for every size of a batch
    "cuda": CUDA_OPTIONS | {"cudnn_conv_algo_search": "HEURISTIC"},
}


class Engine:
    """A loaded artifact.

    Args:
        path: the artifact's ONNX file.
        threads: threads of one run; None takes every core that this process may use.
        device: `cpu` or `cuda`; CUDA that is asked for and missing is an error, never a silent fallback.
        verify: compare every byte with the content hash and look at the graph's structure before onnxruntime sees it.

    Raises:
        ArtifactError: the file is not a sound artifact, or its graph does not have the manifest's signature.
        UsageError: the device is not there.
    """

    def __init__(self, path: Path, *, threads: int | None = None, device: str = "cpu", verify: bool = True) -> None:
        self.path = path
        self.manifest: Manifest = verify_artifact(path) if verify else read_manifest(path)
        self._session = _session(path, threads or available_cores(), device)
        _require_signature(self._session, self.manifest, path)
        self._outputs = list(self.manifest.outputs)

    def run(self, feeds: Mapping[str, AnyArray]) -> dict[str, npt.NDArray[np.float32]]:
        """Run a batch.

        Args:
            feeds: {input: uint8 [N, H, W, 3]} for every input of the manifest.

        Returns:
            {output: float32 [N, width]} in the manifest's order.

        Raises:
            InvalidRequestError: onnxruntime refused the arrays.
        """
        try:
            values = self._session.run(self._outputs, dict(feeds))
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise InvalidRequestError("onnxruntime refused the batch", got=str(error), where=self.path) from None
        return dict(zip(self._outputs, values, strict=True))


def require_device(device: str) -> None:
    """Raise UsageError unless onnxruntime, as installed, knows the device; whether it starts shows with a session."""
    import onnxruntime

    if device not in PROVIDERS:
        raise UsageError(f"device {device!r}", expected=f"one of {', '.join(PROVIDERS)}")
    if PROVIDERS[device] not in onnxruntime.get_available_providers():
        raise UsageError(f"device {device!r} is not available", got=", ".join(onnxruntime.get_available_providers()))


def _session(path: Path, threads: int, device: str) -> Any:
    import onnxruntime  # 0.2 s: only where a session is made

    require_device(device)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only; they also reach us as exceptions
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    provider = (PROVIDERS[device], PROVIDER_OPTIONS[device])
    try:
        session = onnxruntime.InferenceSession(os.fspath(path), options, providers=[provider])
    except Exception as error:  # as above: no public base class
        raise ArtifactError("onnxruntime cannot load the graph", got=str(error), where=path) from None
    if session.get_providers()[0] != PROVIDERS[device]:
        raise UsageError(f"device {device!r} failed to start", got=", ".join(session.get_providers()), where=path)
    return session


def _require_signature(session: Any, manifest: Manifest, path: Path) -> None:
    size = manifest.pixels
    shape = [size.height, size.width, 3]
    expected = [(name, "tensor(uint8)", shape) for name in manifest.inputs]
    expected += [(name, "tensor(float)", [width]) for name, width in manifest.outputs.items()]
    got = [(node.name, node.type, list(node.shape[1:])) for node in [*session.get_inputs(), *session.get_outputs()]]
    if got != expected:
        raise ArtifactError(
            "the graph does not have the signature of its manifest",
            expected=_signature_text(expected),
            got=_signature_text(got),
            where=path,
        )


def _signature_text(nodes: Sequence[tuple[str, str, Sequence[object]]]) -> str:
    return ", ".join(f"{name} {kind} {list(shape)}" for name, kind, shape in nodes)
