"""A published model and a measurement of known outcome, for the tests of tuning; and what its config then says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from artifact.repository.publishing import publish
from artifact.repository.triton_config import read_config
from serving.embedded.tuning import tune
from serving.embedded.tuning.measuring import Measured
from tests.shared.tiny_artifact import write_tiny_artifact

KIND_CPU, KIND_GPU = 2, 1
TUNED = ([(2, KIND_CPU)], [4], {"intra_op_thread_count": "1", "inter_op_thread_count": "1"})
"""What `settings` gives of a config that was tuned with `measured_as_two_instances`."""


def publish_first_of_three(folder: Path) -> Path:
    """A repository with version 1 of `tiny`, and files 1.onnx and 2.onnx beside it of two more versions."""
    for seed in (0, 1, 2):
        write_tiny_artifact(folder / f"{seed}.onnx", seed=seed)
    publish(folder / "0.onnx", folder / "repository")
    return folder / "repository"


def measured_as_two_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which two instances and batches of 4 are fastest; nothing is timed."""
    rates = {(1, 4): 100.0, (2, 1): 150.0, (2, 4): 200.0, (2, 8): 190.0}
    monkeypatch.setattr(tune, "measure", lambda *_, **__: cells(rates))
    monkeypatch.setattr(tune, "available_cores", lambda: 2)


def cells(rates: dict[tuple[int, int], float]) -> list[Measured]:
    """{(instances, batch size): rows a second} on two cores."""
    return [Measured(count, 2 // count, size, rate, 5) for (count, size), rate in rates.items()]


def config_of(root: Path, variant: str | None = None, name: str = "tiny") -> Any:
    """The config.pbtxt of a model, or that of configs/ for a kind of machine."""
    return read_config(root / name / (f"configs/{variant}.pbtxt" if variant else "config.pbtxt"))


def settings(config: Any) -> tuple[list[tuple[int, int]], list[int], dict[str, str]]:
    """Instance groups, preferred batch sizes and threads of a config."""
    threads = {key: each.string_value for key, each in config.parameters.items() if key.endswith("_thread_count")}
    groups = [(group.count, group.kind) for group in config.instance_group]
    return groups, list(config.dynamic_batching.preferred_batch_size), threads
