"""How many directions many features are reduced to, and that a head finds as many as it has neurons."""

import numpy as np
import pytest

from trainer.head.closed_form import fit_head
from trainer.head.subspace import num_directions


@pytest.mark.parametrize(
    ("features", "dim", "of_images", "of_classes"),
    [
        (512, 64, 512, 512),
        (1024, 1024, 1024, 1024),
        (8192, 64, 512, 1024),
        (8192, 256, 512, 1024),
        (8192, 768, 1536, 1536),
        (1280, 768, 1280, 1280),  # no more than there are
        (131_072, 64, 256, 256),  # what a basis may take
        (131_072, 512, 512, 512),  # the head is as large
    ],
)
def test_directions_are_as_many_as_neurons(features: int, dim: int, of_images: int, of_classes: int) -> None:
    """Twice as many where that costs little; those of heads of few neurons are what they were."""
    assert num_directions(features, dim=dim, has_classes=False) == of_images
    assert num_directions(features, dim=dim, has_classes=True) == of_classes


@pytest.mark.parametrize("method", ["lda", "pca"])
@pytest.mark.parametrize("most", [1, 8])
def test_no_neuron_is_0_where_the_features_have_directions_enough(method: str, most: int) -> None:
    """However few directions are asked for: 24 neurons of 60 features in all of which 90 images differ."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(30), 3)
    features = (random.normal(size=(30, 60))[labels] + random.normal(size=(90, 60))).astype(np.float32)
    head = fit_head(features, labels, dim=24, method=method, max_features=most)
    assert (head.facts["directions"], head.facts["reduced_to"]) == (24, 48)
    assert np.abs(head.weight).max(axis=1).min() > 0
    vectors = features @ head.weight.T + head.bias
    assert np.linalg.matrix_rank(vectors) == 24


def test_a_single_direction_is_no_numpy_error() -> None:
    """Of one neuron, two directions."""
    random = np.random.default_rng(0)
    features = random.normal(size=(20, 6)).astype(np.float32)
    head = fit_head(features, np.arange(20) // 2, dim=1, method="lda", max_features=1)
    assert head.facts["directions"] == 1
