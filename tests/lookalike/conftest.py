"""Fixtures of the tests of commands: what lies in the empty folder that they run in."""

from pathlib import Path

import pytest

from artifact.repository.publishing import publish
from tests.shared.shapes_run import small_run, write_shapes
from tests.shared.tiny_artifact import write_tiny_artifact


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of four classes of shapes, to be read only."""
    return small_run(tmp_path_factory.mktemp("trained") / "shapes").path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """`models`, with `tiny` and `tiny_full` of one space."""
    for mode, name in (("branch", "tiny"), ("full", "tiny_full")):
        write_tiny_artifact(tmp_path / "artifact.onnx", mode=mode, name=name)
        publish(tmp_path / "artifact.onnx", tmp_path / "models")
    (tmp_path / "artifact.onnx").unlink()
    return tmp_path / "models"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """`images`, four shapes of four classes each."""
    return write_shapes(tmp_path / "images", per_class=4)
