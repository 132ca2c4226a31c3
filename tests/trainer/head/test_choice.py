"""Tests of the choice of a head: what is tried, and which wins."""

import numpy as np
import pytest

from analysis.measures.retrieval import retrieval_metrics
from trainer.config.config import TrainConfig, make_config
from trainer.config.head import num_head_classes, why_trained
from trainer.head.choice import LAMBDAS, Candidate, best_lda, other_one, try_heads
from trainer.head.closed_form import ClosedHead, fit_head
from trainer.head.scatter import find_scatter


def config(**values: object) -> TrainConfig:
    """Of anything."""
    return make_config({"images": "x", "kind": "triplet"} | values)


@pytest.mark.parametrize("normalize", [True, False])
def test_every_head_is_measured_on_the_classes_set_aside(normalize: bool) -> None:
    """The trained layer as it is, and LDA of the other classes with each lambda."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(30, 12))
    noise = random.normal(size=(12, 12)) * 2
    labels = np.repeat(np.arange(30), 8)
    features = (centres[labels] + random.normal(size=(240, 12)) @ noise).astype(np.float32)
    seen = labels < 20
    trained = ClosedHead(random.normal(size=(6, 12)).astype(np.float32), np.zeros(6, np.float32), {})
    candidates = try_heads(
        find_scatter(features[seen], labels[seen], dim=6),
        trained,
        features[~seen],
        labels[~seen],
        distance="euclidean",
        normalize=normalize,
    )
    assert [each.shrinkage for each in candidates] == [None, *LAMBDAS]
    for each in candidates:
        head = trained
        if each.shrinkage is not None:
            head = fit_head(features[seen], labels[seen], dim=6, method="lda", shrinkage=each.shrinkage)
        vectors = features[~seen] @ head.weight.T + head.bias
        if normalize:
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        expected = retrieval_metrics(vectors, labels[~seen], distance="euclidean", ks=(1,))
        assert (each.recall, each.precision) == pytest.approx((expected["recall@1"], expected["mAP@R"]))
    assert best_lda(candidates).recall > other_one(candidates).recall


def test_of_equal_recall_the_whole_ranking_and_then_the_larger_lambda_decides() -> None:
    """Noise is broken by what is less noisy, and then by what changes less."""

    def lda(shrinkage: float, recall: float, precision: float) -> Candidate:
        return Candidate(name="lda", shrinkage=shrinkage, recall=recall, precision=precision)

    trained = Candidate(name="trained", shrinkage=None, recall=0.9, precision=0.9)
    assert best_lda([trained, lda(0.3, 0.5, 0.9), lda(1.0, 0.6, 0.2), lda(3.0, 0.6, 0.1)]).shrinkage == 1.0
    assert best_lda([trained, lda(0.3, 0.6, 0.2), lda(1.0, 0.6, 0.2), lda(3.0, 0.6, 0.1)]).shrinkage == 1.0
    assert other_one([trained, lda(0.3, 0.5, 0.9)]) is trained


def test_a_tenth_of_forty_classes_or_more_is_set_aside() -> None:
    """Eight at least and sixty at most; none where nothing is chosen, or where that is asked for."""
    for classes, expected in ((39, 0), (40, 8), (80, 8), (120, 12), (600, 60), (5000, 60)):
        assert num_head_classes(config(), num_classes=classes, is_tuples=False) == expected
    assert num_head_classes(config(head_classes=0), num_classes=100, is_tuples=False) == 0
    assert num_head_classes(config(head_classes=5), num_classes=12, is_tuples=False) == 5
    assert num_head_classes(config(head="lda"), num_classes=100, is_tuples=False) == 10
    for head in ("trained", "pca"):
        assert num_head_classes(config(head=head), num_classes=100, is_tuples=False) == 0
    assert num_head_classes(config(), num_classes=1, is_tuples=True) == 0


def test_the_trained_layer_stays_without_a_look_where_nothing_can_be_chosen() -> None:
    """And the facts say which of the reasons it was."""
    assert why_trained(config(head="trained", head_classes=0), num_classes=50) == "asked for"
    assert why_trained(config(head_classes=0), num_classes=0) == "tuples have no classes to fit another on"
    none = "no classes were set aside to choose another on, "
    assert why_trained(config(head_classes=0), num_classes=39) == f"{none}which takes 40 training classes"
    assert why_trained(config(head_classes=0), num_classes=44) == f"{none}for head_classes is 0"
    turned = config(head_classes=0, augment={"turns": True, "mirrors": True})
    assert why_trained(turned, num_classes=8 * 39) == f"{none}which takes 40 training classes"
    assert why_trained(config(head_classes=8), num_classes=50) is None
    assert why_trained(config(head="lda", head_classes=0), num_classes=50) is None
    assert why_trained(config(head="pca", head_classes=0), num_classes=0) is None
