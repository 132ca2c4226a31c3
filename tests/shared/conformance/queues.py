"""What config.pbtxt says of queues, behind a server: levels, time limits, delays, sizes, order, contradictions.

Checks make a model busy with a bright image, on which it multiplies large matrices (tests/shared/tiny_artifact.py), and
look in which order, and how, darker images that came meanwhile are answered.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from artifact.repository.publishing import publish
from artifact.repository.triton_config import CONFIG_FILE, read_config
from tests.shared.conformance.served import TIMEOUT_S, Refusal, Served, eventually, request
from tests.shared.tiny_artifact import write_tiny_artifact

BATCHING = {
    "levels": "preferred_batch_size: [1] priority_levels: 3 default_priority_level: 2",
    "limits": """preferred_batch_size: [1] default_queue_policy {
        timeout_action: REJECT default_timeout_microseconds: 100000 allow_timeout_override: true }""",
    "unbent": "preferred_batch_size: [1] default_queue_policy { allow_timeout_override: true }",
    "later": """preferred_batch_size: [1] default_queue_policy {
        timeout_action: DELAY default_timeout_microseconds: 60000000 allow_timeout_override: true }""",
    "short": "preferred_batch_size: [1] default_queue_policy { max_queue_size: 1 }",
    "gathers": "preferred_batch_size: [2] max_queue_delay_microseconds: 20000000",
    "waits": "preferred_batch_size: [4] max_queue_delay_microseconds: 300000",
    "ordered": "preferred_batch_size: [1] preserve_ordering: true",
}
"""{model: its dynamic_batching}."""
CONTRADICTIONS = (
    "preferred_batch_size: [0]",
    "preferred_batch_size: [65]",
    "priority_levels: 2",
    "priority_levels: 2 default_priority_level: 3",
    "priority_levels: 2 default_priority_level: 1 priority_queue_policy { key: 3 value {} }",
    "preserve_ordering: true priority_levels: 2 default_priority_level: 1",
    "preserve_ordering: true default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 1 }",
)
_GAP_S = 0.02
"""Between two requests whose order counts."""


def publish_queues(folder: Path) -> Path:
    """Publish a slowed artifact under the name of each model, with its batching; gives the repository."""
    root = folder / "repository"
    for name, batching in BATCHING.items():
        write_tiny_artifact(folder / f"{name}.onnx", name=name, slowed=True)
        publish(folder / f"{name}.onnx", root)
        _set_batching(root / name / CONFIG_FILE, batching, instances=2 if name == "ordered" else 1)
    return root


def levels_are_served_in_their_order(served: Served) -> None:
    """1 before 2 before 3; no level, and one that is not there, are the default's."""
    asked = {"low": 3, "unsaid": 0, "high": 1, "beyond": 9, "middle": 2, "highest": 1}
    order, refusals = _ends(served, "levels", {name: {"priority": level} for name, level in asked.items()})
    assert not refusals
    assert order == ["high", "highest", "unsaid", "beyond", "middle", "low"]


def requests_that_wait_too_long_are_refused(served: Served) -> None:
    """At the config's limit, or at a shorter one of their own; a longer one is the config's."""
    asked = {"patient": {"timeout": 60_000_000}, "unsaid": {}, "hurried": {"timeout": 1_000}}
    order, refusals = _ends(served, "limits", asked)
    assert sorted(order) == ["hurried", "patient", "unsaid"]
    assert set(refusals) == set(asked)
    for status, text in refusals.values():
        assert (status, text.endswith("Request timeout expired")) == ("UNAVAILABLE", True), text
    order, refusals = _ends(served, "unbent", asked)
    assert not refusals, "without a limit of the config there is none"


def requests_that_wait_too_long_wait_behind_others(served: Served) -> None:
    """With timeout action DELAY."""
    order, refusals = _ends(served, "later", {"late": {"timeout": 1_000}, "in time": {}})
    assert not refusals
    assert order == ["in time", "late"]


def full_queues_refuse(served: Served) -> None:
    """The second of one that may wait."""
    order, refusals = _ends(served, "short", {"waits": {}, "refused": {}})
    assert order == ["refused", "waits"]
    status, text = refusals.pop("refused")
    assert (status, text.endswith("Exceeds maximum queue size")) == ("UNAVAILABLE", True), text
    assert not refusals


def requests_wait_for_a_preferred_size(served: Served) -> None:
    """Two run as one where two are preferred; after the delay one runs alone."""
    for model, count, runs in (("gathers", 2, 1), ("waits", 1, 1), ("waits", 3, 1)):
        before = _executions(served, model)
        for future in [_send(served, model, 0) for _ in range(count)]:
            future.result()
        eventually(lambda before=before, runs=runs, model=model: _executions(served, model) == before + runs, model)


def answers_keep_their_order(served: Served) -> None:
    """Two instances: the second request is done long before the first, and is answered after it."""
    began_s = time.monotonic()
    first = _send(served, "ordered", 255)
    time.sleep(_GAP_S)
    second = _send(served, "ordered", 0)
    second.result()
    second_s = time.monotonic()
    first.result()
    assert time.monotonic() - second_s < (second_s - began_s) / 2, "the second was answered before the first was done"


def contradictions_are_not_loaded(served: Served) -> None:
    """Their reason is the operator's, not the client's."""
    folder = served.repository / "wrong"
    for batching in CONTRADICTIONS:
        shutil.copytree(served.repository / "waits", folder)
        try:
            _set_batching(folder / CONFIG_FILE, batching, instances=1)
            refusal = served.refusal(lambda: served.call("RepositoryModelLoad", model_name="wrong"))
            assert refusal == ("INTERNAL", "failed to load 'wrong', failed to poll from model repository"), batching
        finally:
            shutil.rmtree(folder)


CHECKS: tuple[Callable[[Served], None], ...] = (
    levels_are_served_in_their_order,
    requests_that_wait_too_long_are_refused,
    requests_that_wait_too_long_wait_behind_others,
    full_queues_refuse,
    requests_wait_for_a_preferred_size,
    answers_keep_their_order,
    contradictions_are_not_loaded,
)


def _set_batching(file: Path, batching: str, *, instances: int) -> None:
    config = read_config(file)
    config.name = file.parent.name
    config.ClearField("dynamic_batching")
    del config.instance_group[:]
    config.instance_group.add(count=instances, kind=2)
    config.parameters["intra_op_thread_count"].string_value = "1"
    file.write_text(f"{config}\ndynamic_batching {{ {batching} }}\n")


def _ends(served: Served, model: str, asked: dict[str, dict[str, int]]) -> tuple[list[str], dict[str, Refusal]]:
    """In which order requests end that came, one after the other, while a model was busy; and who was refused."""
    order: list[str] = []
    blockers = [_send(served, model, 255)]
    time.sleep(_GAP_S)
    futures = {}
    for name, parameters in asked.items():
        futures[name] = _send(served, model, 90, parameters)
        futures[name].add_done_callback(lambda _, name=name: order.append(name))
        time.sleep(_GAP_S)
    assert not blockers[0].done(), "the model is too fast for this check"
    refusals = {}
    for name, future in futures.items():
        _, refusal = served.answer_or_refusal(future.result)
        refusals |= {name: refusal} if refusal else {}
    blockers[0].result()
    eventually(lambda: len(order) == len(asked), "every end")
    return order, refusals


def _send(served: Served, model: str, brightness: int, parameters: dict[str, int] | None = None) -> grpc.Future:
    message = request(model, {"image": np.full((1, 8, 8, 3), brightness, np.uint8)})
    for name, value in (parameters or {}).items():
        field = "uint64_param" if name == "priority" else "int64_param"
        setattr(message.parameters[name], field, value)
    return served.stub.ModelInfer.future(message, timeout=TIMEOUT_S)


def _executions(served: Served, model: str) -> Any:
    return served.call("ModelStatistics", name=model).model_stats[0].execution_count
