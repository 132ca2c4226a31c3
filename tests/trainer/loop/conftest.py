"""Fixtures of whole training runs: drawn images, and one thread, for which equal bytes are promised."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.shared.shapes_run import write_shapes


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four class folders of 40 drawn images."""
    return write_shapes(tmp_path_factory.mktemp("shapes") / "images", per_class=40)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Equal bytes are promised for equal threads, and tests share their machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
