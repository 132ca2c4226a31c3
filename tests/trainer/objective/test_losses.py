"""Losses, distances and objective against plain loops and pytorch-metric-learning, values and gradients."""

import itertools
import math

import numpy as np
import pytest
import torch
from pytorch_metric_learning import distances as pml_distances
from pytorch_metric_learning import losses as pml_losses
from pytorch_metric_learning import miners as pml_miners

from artifact.distances import DISTANCES
from artifact.kinds import KINDS
from artifact.losses import DEFAULT_LOSSES, LOSSES
from artifact.losses.contrastive import contrastive
from artifact.losses.dlpy import dlpy
from artifact.losses.quadruplet import quadruplet
from artifact.losses.triplet import triplet
from artifact.losses.triplet_capped import triplet_capped
from artifact.losses.triplet_soft import triplet_soft
from tests.shared.objectives import gradient_of, make_objective
from trainer.objective.distances import distance_matrix
from trainer.objective.mining import MINERS
from trainer.objective.objective import Objective
from trainer.objective.tensors import TENSORS

LABELS = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2, 3])  # unbalanced, and a class of one


def _vectors(seed: int = 0) -> torch.Tensor:
    return torch.randn(len(LABELS), 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _objective(loss: str, *, distance: str = "euclidean", mining: str = "all", margin: float = 0.7) -> Objective:
    return make_objective(loss, distance=distance, mining=mining, margin=margin, margin2=margin / 2)


def _pml_distance(name: str) -> pml_distances.BaseDistance:
    """The same distance in pytorch-metric-learning."""
    return {
        "euclidean": lambda: pml_distances.LpDistance(normalize_embeddings=False),
        "squared_euclidean": lambda: pml_distances.LpDistance(normalize_embeddings=False, power=2),
        "cosine": lambda: pml_distances.CosineSimilarity(),
    }[name]()


@pytest.mark.parametrize("name", DISTANCES)
def test_distances_equal_the_numpy_ones_that_everything_downstream_uses(name: str) -> None:
    """Every entry of the matrix is the numpy distance of its two vectors."""
    vectors = _vectors().float()
    vectors[3] = 0  # a zero vector has a defined cosine distance
    array = vectors.numpy()
    matrix = distance_matrix(DISTANCES[name], vectors).numpy()
    for i, j in itertools.product(range(len(array)), repeat=2):
        if i != j:
            assert matrix[i, j] == pytest.approx(float(DISTANCES[name](array[i], array[j])), abs=1e-5)


@pytest.mark.parametrize("name", DISTANCES)
def test_distances_have_the_gradients_of_finite_differences(name: str) -> None:
    """Checked numerically in float64, off the diagonal where euclidean has a corner."""
    mask = ~torch.eye(len(LABELS), dtype=torch.bool)
    vectors = _vectors().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: distance_matrix(DISTANCES[name], x)[mask], (vectors,))


def test_contrastive_is_hadsells_formula() -> None:
    """(1-Y)/2 D^2 + Y/2 max(0, m-D)^2, computed by hand for each pair."""
    distance = [0.0, 0.3, 1.2, 0.0, 0.3, 1.2]
    different = [False] * 3 + [True] * 3
    expected = [0.0, 0.5 * 0.09, 0.5 * 1.44, 0.5 * 1.0, 0.5 * 0.49, 0.0]
    values = contrastive(TENSORS, torch.tensor(distance), torch.tensor(different), margin=1.0)
    np.testing.assert_allclose(values.numpy(), expected, rtol=1e-6)


def test_triplet_losses_are_their_formulas() -> None:
    """Hinge and softplus, computed by hand on both sides of the corner."""
    positive, negative = torch.tensor([0.5, 0.5, 2.0]), torch.tensor([1.0, 2.0, 0.5])
    np.testing.assert_allclose(triplet(TENSORS, positive, negative, margin=1.0), [0.5, 0.0, 2.5])
    expected = [math.log1p(math.exp(x)) for x in (-0.5 + 0.2, -1.5 + 0.2, 1.5 + 0.2)]
    np.testing.assert_allclose(triplet_soft(TENSORS, positive, negative, margin=0.2), expected, rtol=1e-6)


def test_capped_triplet_loss_is_a_clamped_hinge() -> None:
    """On both sides of both corners; beyond the cap nothing pulls, and what is no number stays none."""
    positive = torch.tensor([0.5, 0.5, 2.0, 0.8, math.nan], requires_grad=True)
    negative = torch.tensor([1.0, 2.0, 0.5, 0.5, 1.0])
    values = triplet_capped(TENSORS, positive, negative, margin=1.0, cap=1.6)
    np.testing.assert_allclose(values.detach(), [0.5, 0.0, 1.6, 1.3, math.nan], rtol=1e-6)
    assert torch.autograd.grad(values[:4].sum(), positive)[0][:4].tolist() == [1, 0, 0, 1]


def test_quadruplet_is_chens_formula_with_two_margins() -> None:
    """Both hinges, each active alone and together."""
    positive, negative = torch.tensor([1.0, 1.0, 1.0]), torch.tensor([1.5, 3.0, 1.5])
    negatives = torch.tensor([3.0, 1.2, 1.1])
    values = quadruplet(TENSORS, positive, negative, negatives, margin=1.0, margin2=0.4)
    np.testing.assert_allclose(values, [0.5, 0.2, 0.5 + 0.3], rtol=1e-6)


def test_dlpy_holds_each_negative_away_from_the_anchor() -> None:
    """Two triplet terms with one margin, each active alone and together; the negatives are never pushed apart."""
    positive, negative = torch.tensor([1.0, 1.0, 1.0]), torch.tensor([1.5, 3.0, 1.5])
    negative2 = torch.tensor([3.0, 1.2, 1.1])
    values = dlpy(TENSORS, positive, negative, negative2, margin=1.0)
    np.testing.assert_allclose(values, [0.5, 0.8, 0.5 + 0.9], rtol=1e-6)


def test_hinges_are_what_their_losses_say() -> None:
    """Where a loss names hinges, their sum is the loss: trainer/objective/hinge.py relies on it."""
    generator = torch.Generator().manual_seed(0)
    for name, loss in LOSSES.items():
        if not loss.hinges:
            continue
        first, *others = torch.rand(1 + len(loss.hinges), 50, generator=generator)
        margins = loss.margins(margin=0.4, margin2=0.1)
        expected = sum(
            torch.clamp(first - other + margins[margin], min=0)
            for other, margin in zip(others, loss.hinges, strict=True)
        )
        got = loss.formula(TENSORS, first, *others, **margins)
        torch.testing.assert_close(got, expected, msg=name)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(("loss", "margin"), [("triplet", 0.2), ("triplet", 1.0), ("triplet_soft", 0.0)])
def test_all_triplets_agree_with_pytorch_metric_learning(loss: str, margin: float, distance: str) -> None:
    """The same mean over non-zero triplets, and the same gradients, to 1e-6."""
    vectors = _vectors().requires_grad_()
    ours = _objective(loss, distance=distance, margin=margin)(vectors, LABELS).loss
    oracle = pml_losses.TripletMarginLoss(
        margin=margin, smooth_loss=loss == "triplet_soft", distance=_pml_distance(distance)
    )
    theirs = oracle(vectors, LABELS)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-6)
    torch.testing.assert_close(gradient_of(ours, vectors), gradient_of(theirs, vectors), atol=1e-6, rtol=0)


@pytest.mark.parametrize("distance", ["euclidean", "squared_euclidean", "cosine"])
def test_batch_hard_triplets_agree_with_pytorch_metric_learning(distance: str) -> None:
    """Its batch-hard miner and triplet loss give the same value and gradients, to 1e-6."""
    vectors = _vectors(1).requires_grad_()
    ours = _objective("triplet", distance=distance, mining="batch_hard")(vectors, LABELS).loss
    mined = pml_miners.BatchHardMiner(distance=_pml_distance(distance))(vectors, LABELS)
    theirs = pml_losses.TripletMarginLoss(margin=0.7, distance=_pml_distance(distance))(vectors, LABELS, mined)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-6)
    torch.testing.assert_close(gradient_of(ours, vectors), gradient_of(theirs, vectors), atol=1e-6, rtol=0)


@pytest.mark.parametrize("mining", ["all", "multi_similarity"])
def test_linear_contrastive_loss_agrees_with_pytorch_metric_learning(mining: str) -> None:
    """Its ContrastiveLoss with a positive margin of 0, alone and behind its MultiSimilarityMiner; gradients too."""
    vectors = _vectors(1).requires_grad_()
    distance = pml_distances.LpDistance(normalize_embeddings=False)
    ours = _objective("contrastive_linear", margin=2.0, mining=mining)(vectors, LABELS).loss
    mined = pml_miners.MultiSimilarityMiner(distance=distance)(vectors, LABELS) if mining != "all" else None
    theirs = pml_losses.ContrastiveLoss(pos_margin=0, neg_margin=2.0, distance=distance)(vectors, LABELS, mined)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-6)
    torch.testing.assert_close(gradient_of(ours, vectors), gradient_of(theirs, vectors), atol=1e-6, rtol=0)


def test_contrastive_objective_adds_the_means_of_same_and_different_pairs() -> None:
    """A plain loop over all pairs, each group averaged over its pairs with a loss above zero."""
    vectors = _vectors()
    groups: dict[bool, list[float]] = {True: [], False: []}
    for i, j in itertools.combinations(range(len(LABELS)), 2):
        d = float((vectors[i] - vectors[j]).norm())
        different = bool(LABELS[i] != LABELS[j])
        value = 0.5 * max(0.0, 2.5 - d) ** 2 if different else 0.5 * d**2
        if value > 0:
            groups[different].append(value)
    expected = sum(sum(values) / len(values) for values in groups.values())
    assert _objective("contrastive", margin=2.5)(vectors, LABELS).loss.item() == pytest.approx(expected, abs=1e-9)


def test_quadruplet_objective_agrees_with_a_plain_loop() -> None:
    """Every (anchor, positive, negative) with the nearest third-class image to the negative."""
    vectors = _vectors(2)
    d = torch.cdist(vectors, vectors)
    values = []
    everyone = range(len(LABELS))
    for a, p, n in itertools.product(everyone, repeat=3):
        if a != p and LABELS[a] == LABELS[p] and LABELS[a] != LABELS[n]:
            third = min(float(d[n, m]) for m in everyone if LABELS[m] not in (LABELS[a], LABELS[n]))
            values.append(max(0.0, float(d[a, p] - d[a, n]) + 0.7) + max(0.0, float(d[a, p]) - third + 0.35))
    active = [value for value in values if value > 0]
    outcome = _objective("quadruplet")(vectors, LABELS)
    assert outcome.num_tuples == len(values)
    assert int(outcome.num_active) == len(active)
    assert outcome.loss.item() == pytest.approx(sum(active) / len(active), abs=1e-9)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_finite_when_all_images_are_identical(loss: str, distance: str) -> None:
    """The corner of the euclidean distance and zero vectors must never give NaN."""
    for mining in MINERS[LOSSES[loss].form]:
        for vectors in (torch.ones(10, 4), torch.zeros(10, 4)):
            vectors.requires_grad_()
            outcome = _objective(loss, distance=distance, mining=mining)(vectors, LABELS)
            assert math.isfinite(outcome.loss.item())
            assert torch.isfinite(gradient_of(outcome.loss, vectors)).all()


def test_collapsed_triplets_cost_the_margin() -> None:
    """Where all vectors are equal every triplet loses exactly the margin, and none is correct."""
    outcome = _objective("triplet", margin=0.3)(torch.ones(10, 4), LABELS)
    assert outcome.loss.item() == pytest.approx(0.3)
    assert float(outcome.share_correct) == 0.0


def test_share_correct_of_pairs_is_balanced() -> None:
    """Calling everything different is right for all different pairs and wrong for all same ones: 50 %."""
    far_apart = torch.eye(10) * 100
    assert float(_objective("contrastive", margin=1.0)(far_apart, LABELS).share_correct) == 0.5


def test_a_batch_without_tuples_costs_nothing() -> None:
    """One class only: no negative, so a loss of 0 that can still be differentiated."""
    vectors = _vectors().requires_grad_()
    for loss in ("triplet", "quadruplet"):
        outcome = _objective(loss)(vectors, torch.zeros(10, dtype=torch.int64))
        assert outcome.num_tuples == 0
        assert outcome.loss.item() == 0.0
        assert torch.equal(gradient_of(outcome.loss, vectors), torch.zeros_like(vectors))


def test_every_loss_has_a_default_margin_that_can_be_met() -> None:
    """For each distance, normalised or not, inside the bound of unit vectors."""
    for name, loss in LOSSES.items():
        assert loss.mining in MINERS[loss.form], name
        assert set(loss.kinds) <= KINDS.keys()
        for distance in DISTANCES.values():
            assert distance.bound is not None
            assert 0 <= loss.default_margin(distance, normalized=True) <= distance.bound
            assert loss.default_margin(distance, normalized=False) >= 0
    assert DEFAULT_LOSSES.keys() == KINDS.keys()
