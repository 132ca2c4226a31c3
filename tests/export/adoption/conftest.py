"""Fixtures of the tests of adoption: a real network, and the file that torch's old exporter writes of it."""

from pathlib import Path

import pytest
from torch import nn

from tests.shared.foreign_networks import SIZE, export, timm_classifier


@pytest.fixture(scope="session")
def resnet() -> nn.Module:
    """A timm network with a classifier of 10."""
    return timm_classifier("test_resnet")


@pytest.fixture(scope="session")
def resnet_file(resnet: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`my net.onnx`: opset 17, a dynamic batch, 64 px."""
    return export(resnet, tmp_path_factory.mktemp("foreign") / "my net.onnx", size=SIZE, opset=17, dynamic=True)
