"""One onnxruntime session over one artifact: uint8 pixels in, float32 vectors out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.arrays import AnyArray
from artifact.errors import ArtifactError, InvalidRequestError
from artifact.images.cores import available_cores
from artifact.model.file import read_manifest, verify_artifact
from artifact.model.manifest import Manifest
from artifact.modes import FP32, UINT8
from serving.sessions import SessionSettings, make_session

_TYPES = {UINT8: "tensor(uint8)", FP32: "tensor(float)"}


class Engine:
    """A loaded artifact.

    Args:
        path: the artifact's ONNX file.
        threads: threads of one run; None takes every core that this process may use.
        device: `cpu`, `cuda` or `tensorrt`; one that is asked for and missing is an error, never a silent fallback.
        gpu: number of the GPU.
        verify: compare every byte with the content hash and look at the graph's structure before onnxruntime sees it.

    Raises:
        ArtifactError: the file is not a sound artifact, or its graph does not have the manifest's signature.
        UsageError: the device is not there.
    """

    def __init__(
        self, path: Path, *, threads: int | None = None, device: str = "cpu", gpu: int = 0, verify: bool = True
    ) -> None:
        self.path = path
        self.manifest: Manifest = verify_artifact(path) if verify else read_manifest(path)
        settings = SessionSettings(
            threads=threads or available_cores(), device=device, gpu=gpu, digest=self.manifest.digest
        )
        self._session = make_session(path, settings)
        _require_signature(self._session, self.manifest, path)
        self._outputs = list(self.manifest.output_names)

    def run(self, feeds: Mapping[str, AnyArray]) -> dict[str, npt.NDArray[np.float32]]:
        """Run a batch.

        Args:
            feeds: {input: uint8 [N, H, W, 3]} for every image input of the manifest, and its other inputs.

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


def _require_signature(session: Any, manifest: Manifest, path: Path) -> None:
    tensors = (*manifest.inputs, *manifest.outputs)
    expected = [(tensor.name, _TYPES[tensor.datatype], list(tensor.row_shape)) for tensor in tensors]
    nodes = [*session.get_inputs(), *session.get_outputs()]
    got = [(node.name, node.type, [_length(each) for each in node.shape[1:]]) for node in nodes]
    if got != expected:
        raise ArtifactError(
            "the graph does not have the signature of its manifest",
            expected=_signature_text(expected),
            got=_signature_text(got),
            where=path,
        )


def _length(said: object) -> int | None:
    """Of an axis as onnxruntime says it; None where it may have any length."""
    return said if isinstance(said, int) else None


def _signature_text(nodes: Sequence[tuple[str, str, Sequence[object]]]) -> str:
    return ", ".join(f"{name} {kind} {list(shape)}" for name, kind, shape in nodes)
