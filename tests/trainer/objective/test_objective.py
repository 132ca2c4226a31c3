"""The objective: every loss with every miner and distance against plain loops, gradients included."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from pytorch_metric_learning import distances as pml_distances
from pytorch_metric_learning import losses as pml_losses
from pytorch_metric_learning import miners as pml_miners

from artifact.distances import DISTANCES
from artifact.distances.euclidean import EUCLIDEAN
from artifact.distances.squared_euclidean import SQUARED_EUCLIDEAN
from artifact.losses import LOSSES
from artifact.losses.loss import QUARTET
from tests.shared.objectives import gradient_of, make_objective, random_vectors
from tests.shared.plain_mining import BATCHES, plain_triplets
from tests.shared.plain_objective import MARGIN, MARGIN2, plain_distance, plain_loss
from trainer.objective.distances import distance_matrix
from trainer.objective.hinge import count_below, reduce_hinges
from trainer.objective.mining import MINERS, mine
from trainer.objective.objective import Outcome
from trainer.objective.reduction import reduce
from trainer.objective.tensors import TENSORS
from trainer.objective.tuples import class_masks

CASES = [(loss, miner) for loss, value in LOSSES.items() for miner in MINERS[value.form]]
COUNTS = ("num_tuples", "num_active", "share_correct", "share_easy", "share_hard")


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(("loss", "miner"), CASES)
def test_objective_agrees_with_a_plain_loop(loss: str, miner: str, distance: str) -> None:
    """Value and gradient of every loss, miner and distance, on unbalanced and degenerate batches too, to 1e-9."""
    for seed, labels in enumerate(BATCHES):
        vectors = random_vectors(seed=seed)
        ours = make_objective(loss, distance=distance, mining=miner)(vectors, labels).loss
        theirs = plain_loss(loss, miner, distance, vectors, labels)
        gradient = gradient_of(ours, vectors)
        if isinstance(theirs, float):
            assert ours.item() == 0.0
            assert torch.equal(gradient, torch.zeros_like(vectors))
            continue
        assert ours.item() == pytest.approx(theirs.item(), abs=1e-9)
        torch.testing.assert_close(gradient, gradient_of(theirs, vectors), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("miner", ["all", "easy", "semi_hard", "hard", "batch_hard", "multi_similarity"])
@pytest.mark.parametrize("distance", DISTANCES)
def test_mined_triplets_agree_with_pytorch_metric_learning(miner: str, distance: str) -> None:
    """Its miner and its triplet loss, value and gradient, to 1e-6 (euclidean and cosine for multi-similarity)."""
    known = {
        "euclidean": pml_distances.LpDistance(normalize_embeddings=False),
        "squared_euclidean": pml_distances.LpDistance(normalize_embeddings=False, power=2),
        "cosine": pml_distances.CosineSimilarity(),
    }[distance]
    miners = {
        "batch_hard": pml_miners.BatchHardMiner(distance=known),
        "multi_similarity": pml_miners.MultiSimilarityMiner(0.1, distance=known),
    }
    oracle = miners.get(miner, pml_miners.TripletMarginMiner(MARGIN, miner.replace("_", ""), distance=known))
    labels = torch.arange(24) // 4 % 5  # five classes, one twice as large
    vectors = random_vectors(24, dim=6, seed=3)
    ours = make_objective("triplet", distance=distance, mining=miner)(vectors, labels)
    mined = None if miner == "all" else oracle(vectors, labels)
    theirs = pml_losses.TripletMarginLoss(MARGIN, distance=known)(vectors, labels, mined)
    assert ours.loss.item() == pytest.approx(theirs.item(), abs=1e-6)
    expected = gradient_of(theirs, vectors) if theirs.item() else torch.zeros_like(vectors)
    torch.testing.assert_close(gradient_of(ours.loss, vectors), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("loss", [name for name, value in LOSSES.items() if value.hinges])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_hinges_by_counting_are_hinges_by_tuples(loss: str, dtype: torch.dtype) -> None:
    """Loss, gradient and every count of the two ways, with ties, identical images and no margin too."""
    batches = [*BATCHES, torch.randint(0, 4, (8,), generator=torch.Generator().manual_seed(0))]
    flat = [torch.zeros(8, 3), torch.tensor([0.0, 1.0] * 12).reshape(8, 3)]
    for labels, (margin, margin2) in itertools.product(batches, [(0.0, 0.0), (MARGIN, MARGIN2), (9.0, 8.0)]):
        for points in [*(random_vectors(seed=seed).detach() for seed in range(2)), *flat]:
            d = distance_matrix(EUCLIDEAN, points.to(dtype)).requires_grad_()
            masks, value = class_masks(labels), LOSSES[loss]
            margins = value.margins(margin=margin, margin2=margin2)
            counted = reduce_hinges(d, masks, loss=value, margins=margins)
            tuples = mine(d, masks, loss=value, miner="all", margin=margin)
            listed = reduce(tuples, value.formula(TENSORS, *tuples.terms, **margins), margin=margin)
            tolerance = 1e-6 if dtype == torch.float32 else 1e-12
            assert counted.loss.item() == pytest.approx(listed.loss.item(), abs=tolerance, rel=tolerance)
            for name in COUNTS:
                expected = float(getattr(listed, name))
                assert float(getattr(counted, name)) == pytest.approx(expected, abs=1e-6, nan_ok=True), name
            gradients = [gradient_of(reduced.loss, d) for reduced in (counted, listed)]
            torch.testing.assert_close(*gradients, atol=tolerance, rtol=tolerance)


def test_counting_below_thresholds_is_a_plain_loop() -> None:
    """Ties are not below; -inf has nothing below it and inf is below nothing."""
    rows = torch.tensor([[1.0, 2.0, 2.0, math.inf], [0.0, 5.0, math.inf, math.inf]])
    first, second = torch.tensor([[2.0, 9.0], [-math.inf, 0.0]]), torch.tensor([[2.5, 1.0], [7.0, 0.5]])
    (below_first, below_second), above = count_below(rows, (first, second))
    assert below_first.tolist() == [[1, 3], [0, 0]]
    assert below_second.tolist() == [[3, 0], [2, 1]]
    assert above.tolist() == [[2, 1, 1, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(("loss", "miner"), CASES)
def test_gradients_are_finite_on_degenerate_batches(loss: str, miner: str, distance: str) -> None:
    """Identical images, zero vectors, one class, classes of one, a single image; float32 and half precision."""
    for labels, dtype in itertools.product(BATCHES, (torch.float32, torch.bfloat16)):
        for vectors in (torch.ones(8, 4, dtype=dtype), torch.zeros(8, 4, dtype=dtype), torch.ones(1, 4, dtype=dtype)):
            vectors.requires_grad_()
            outcome = make_objective(loss, distance=distance, mining=miner)(vectors, labels[: len(vectors)])
            assert math.isfinite(outcome.loss.item())
            assert outcome.loss.dtype == torch.float32
            assert torch.isfinite(gradient_of(outcome.loss, vectors)).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_vector_that_is_no_number_makes_a_loss_that_is_none(loss: str) -> None:
    """The loop refuses such a loss; a mask must not hide it."""
    for miner, bad in itertools.product(MINERS[LOSSES[loss].form], (math.nan, math.inf)):
        vectors = torch.ones(8, 4)
        vectors[2, 1] = bad
        assert not math.isfinite(make_objective(loss, mining=miner)(vectors, BATCHES[0]).loss.item()), (miner, bad)


def test_losses_are_float32_under_autocast() -> None:
    """Vectors of a half-precision network give the loss of the same numbers in float32."""
    vectors = torch.randn(8, 4, generator=torch.Generator().manual_seed(0)).bfloat16()
    for distance in DISTANCES:
        objective = make_objective("triplet", distance=distance)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            under = objective(vectors, BATCHES[0]).loss
        assert under.dtype == torch.float32
        assert under.item() == objective(vectors.float(), BATCHES[0]).loss.item()


def test_shares_are_of_all_tuples_that_were_looked_at() -> None:
    """Counted by hand over every triplet, whatever part of them is mined; they add up to one."""
    vectors, labels = random_vectors(seed=2), BATCHES[1]
    d = torch.cdist(vectors, vectors).detach()
    every = plain_triplets("all", d, labels)
    counts = {name: len(plain_triplets(name, d, labels)) for name in ("easy", "semi_hard", "hard")}
    assert min(counts.values()) > 0
    for miner in ("all", "easy", "semi_hard", "hard", "multi_similarity"):
        outcome = make_objective("triplet", mining=miner)(vectors, labels)
        for name, count in counts.items():
            assert float(getattr(outcome, f"share_{name}")) == pytest.approx(count / len(every))
        assert float(outcome.share_correct) == pytest.approx(1 - counts["hard"] / len(every))
        assert int(outcome.num_tuples) == len(plain_triplets(miner, d, labels))


def test_mean_distances_are_of_pairs_of_two_images() -> None:
    """A plain loop; the diagonal is in none of them, and what a batch lacks is NaN."""
    for labels in BATCHES:
        vectors = random_vectors(seed=1)
        outcome = make_objective("contrastive", distance="cosine")(vectors, labels)
        groups: dict[bool, list[float]] = {True: [], False: []}
        for i, j in itertools.combinations(range(8), 2):
            apart = plain_distance("cosine", vectors[i], vectors[j]).detach()
            groups[bool(labels[i] != labels[j])].append(float(apart))
        every = groups[True] + groups[False]
        means = [sum(v) / len(v) if v else math.nan for v in (groups[True], groups[False], every)]
        got = [float(outcome.mean_negative), float(outcome.mean_positive), float(outcome.mean_distance)]
        assert got == pytest.approx(means, abs=1e-6, nan_ok=True)


def test_outcome_holds_scalars_on_the_device_of_the_vectors() -> None:
    """Tensors and not numbers, so that nothing waits for a GPU; only the loss carries gradients."""
    vectors = random_vectors()
    drawn = make_objective("triplet")(vectors, tuples=torch.tensor([[0, 1, 2], [3, 3, 4]]))
    for outcome in (
        drawn,
        *(make_objective("quadruplet", mining=miner)(vectors, BATCHES[1]) for miner in MINERS[QUARTET]),
    ):
        assert isinstance(outcome, Outcome)
        for name, value in vars(outcome).items():
            assert value.shape == (), name
            assert value.requires_grad == (name == "loss"), name


def test_near_images_keep_their_digits() -> None:
    """Vectors far from the origin and a millionth apart: the float32 product formula would see noise or nothing."""
    base = torch.full((1, 64), 3.0)
    offsets = torch.linspace(0, 1, 6)[:, None] * 1e-3 * torch.linspace(-1, 1, 64)
    vectors = base + torch.cat([offsets, torch.full((1, 64), 50.0)])
    exact = torch.cdist(vectors.double(), vectors.double(), compute_mode="donot_use_mm_for_euclid_dist")
    torch.testing.assert_close(distance_matrix(EUCLIDEAN, vectors).double(), exact, rtol=2e-6, atol=0)
    torch.testing.assert_close(distance_matrix(SQUARED_EUCLIDEAN, vectors).double(), exact**2, rtol=4e-6, atol=0)


def test_objectives_are_values() -> None:
    """Frozen, and equal where their options are."""
    objective = make_objective("triplet")
    assert replace(objective) == objective
