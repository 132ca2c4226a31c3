"""Contradictions in a config's dynamic_batching: refused with Triton's reason, which the operator is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from artifact.errors import RepositoryError
from artifact.repository.triton_config import read_config
from serving.embedded.models.batching_config import require_sound_batching
from serving.embedded.server import Server
from tests.shared.tiny_artifact import publish_tiny

REASONS = {
    "preferred_batch_size: [4, 0]": "dynamic batching preferred size must be positive for tiny",
    "preferred_batch_size: [4, 65]": "dynamic batching preferred size must be <= max batch size for tiny",
    "priority_levels: 2": "default priority level must be in range [1, 2] for tiny",
    "priority_levels: 2 default_priority_level: 3": "default priority level must be in range [1, 2] for tiny",
    "priority_levels: 2 default_priority_level: 1 priority_queue_policy { key: 0 value {} }": (
        "priority queue policy must have priority level in range [1, 2] for tiny"
    ),
    "preserve_ordering: true priority_levels: 2 default_priority_level: 1": (
        "Only one priority level is allowed when 'preserve_ordering' is true for tiny"
    ),
    "preserve_ordering: true priority_levels: 1 default_priority_level: 1 "
    "priority_queue_policy { key: 1 value { timeout_action: DELAY default_timeout_microseconds: 1 } }": (
        "Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true for tiny"
    ),
}
SOUND = (
    "",
    "preferred_batch_size: [1, 64]",
    "priority_levels: 2 default_priority_level: 2 priority_queue_policy { key: 2 value { timeout_action: DELAY } }",
    "preserve_ordering: true priority_levels: 1 default_priority_level: 1",
    "preserve_ordering: true default_queue_policy { timeout_action: DELAY }",
    "priority_queue_policy { key: 7 value {} }",
)


def write_batching(root: Path, batching: str) -> Path:
    """A repository of `tiny` with such a dynamic_batching; gives the config's file."""
    publish_tiny(root)
    file = root / "tiny" / "config.pbtxt"
    config = read_config(file)
    config.ClearField("dynamic_batching")
    file.write_text(f"{config}\ndynamic_batching {{ {batching} }}\n")
    return file


@pytest.mark.parametrize("batching", REASONS)
def test_contradiction_is_refused(tmp_path: Path, batching: str) -> None:
    """One line: what, where and where to mend it."""
    file = write_batching(tmp_path / "repository", batching)
    with pytest.raises(RepositoryError) as refused:
        require_sound_batching(read_config(file), where=file)
    assert str(refused.value) == f"{REASONS[batching]} ({file}); see dynamic_batching in config.pbtxt"


@pytest.mark.parametrize("batching", SOUND)
def test_sound_batching_is_taken(tmp_path: Path, batching: str) -> None:
    """As Triton takes it, which asks nothing of policies for levels where there are none."""
    file = write_batching(tmp_path / "repository", batching)
    require_sound_batching(read_config(file), where=file)


def test_contradiction_is_told_and_stops_only_its_model(tmp_path: Path) -> None:
    """The server starts, says why in one line, and its index has the reason."""
    write_batching(tmp_path / "repository", "priority_levels: 2")
    lines: list[str] = []
    with Server(tmp_path / "repository", grpc_port=0, report=lines.append) as server:
        assert server.model_names == []
        (reason,) = {entry.reason for entry in server._store.index() if entry.name == "tiny"}
    assert "default priority level must be in range [1, 2] for tiny" in reason
    assert reason in lines[0]
