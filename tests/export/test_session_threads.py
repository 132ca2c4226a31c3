"""Sessions of the export: each has the cores of this process, where onnxruntime itself would take all of the host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from onnx import TensorProto

from artifact.images.cores import available_cores
from export.adoption.adopt import adopt
from export.parity import make_session
from tests.shared.coupled_networks import node
from tests.shared.foreign_networks import MEAN, STD, save, small_graph


def test_no_session_takes_the_whole_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of adopting, of every variant of the batch, and of the check of an export."""
    threads: list[int] = []
    real = onnxruntime.InferenceSession

    def made(model: bytes, options: onnxruntime.SessionOptions, **others: Any) -> onnxruntime.InferenceSession:
        threads.append(options.intra_op_num_threads)
        return real(model, options, **others)

    monkeypatch.setattr(onnxruntime, "InferenceSession", made)
    extra = (
        node("Softmax", "vector", "soft", axis=0),
        node("Concat", "vector soft", "both", axis=1),
        node("Reshape", "both shape", "out"),
    )
    model = small_graph(shape=(1, 3, 8, 8), extra=extra, output="out")
    model.graph.initializer.add(name="shape", data_type=TensorProto.INT64, dims=[2], int64_data=[1, 8])
    file = save(model, tmp_path / "net.onnx")
    assert adopt(file, mean=MEAN, std=STD).batching == "one by one"
    make_session(file.read_bytes())
    assert len(threads) > 3
    assert set(threads) <= {1, available_cores()}
