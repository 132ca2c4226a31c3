"""Pixels as a base network: an image as an array, flattened, and nothing else."""

import numpy as np
import pytest
import torch

from artifact.errors import UsageError
from trainer.networks.base_networks import build_base
from trainer.networks.branch import FeatureBranch


def test_features_are_the_image_as_an_array() -> None:
    """In the order of NumPy, values in [0, 1]; no parameter."""
    base = build_base("pixels", size=10)
    assert (base.num_features, base.mean, base.std) == (300, (0.0,) * 3, (1.0,) * 3)
    assert list(base.module.parameters()) == []
    branch = FeatureBranch(base.module, num_features=300, mean=base.mean, std=base.std, normalize=False)
    images = np.random.default_rng(0).integers(0, 256, (4, 10, 10, 3), dtype=np.uint8)
    expected = images.reshape(4, -1) / 255
    np.testing.assert_allclose(branch(torch.from_numpy(images)).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(("images_px", "size"), [(None, 32), (20, 20), (500, 32), (9, 16)])
def test_size_follows_the_images_up_to_a_bound(images_px: int | None, size: int) -> None:
    """As conv4's does, up to 32 px."""
    assert build_base("pixels", images_px=images_px, fresh=True).size == size


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"pretrained": True},
            "weights of pixels: expected none, a picture has no weights, got --pretrained (--base)",
        ),
        ({"cut": 1}, "base network pixels cannot be cut: got there are no layers, only pixels (--cut); leave"),
        ({"cut": "@1"}, "layer of pixels: expected none, for nothing in it runs by itself, got '@1' (--cut)"),
        ({"pooling": "avg"}, "base network pixels has no map to pool: got a picture as it is; --size makes it"),
    ],
)
def test_what_a_picture_has_not_is_refused(options: dict[str, object], message: str) -> None:
    """Weights, layers, a pooling."""
    with pytest.raises(UsageError) as caught:
        build_base("pixels", **options)  # type: ignore[arg-type]
    assert str(caught.value).startswith(message)
