"""Miners against plain loops over every tuple, and against pytorch-metric-learning where it has the same."""

import pytest
import torch
from pytorch_metric_learning import distances as pml_distances
from pytorch_metric_learning import miners as pml_miners

from artifact.losses import LOSSES
from artifact.losses.loss import OTHER_CLASS, PAIR, QUARTET, TRIPLET
from tests.shared.plain_mining import (
    BATCHES,
    EVERYONE,
    MARGIN,
    Tuple,
    negatives_of,
    plain_pairs,
    plain_triplets,
    positives_of,
)
from trainer.objective.mining import MINERS, mine
from trainer.objective.pair_mining import EPSILON, PAIR_MINERS
from trainer.objective.triplet_mining import TRIPLET_MINERS, Triplets
from trainer.objective.tuples import FILLER, class_masks


def _points(seed: int) -> torch.Tensor:
    return torch.randn(8, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _matrix(seed: int) -> torch.Tensor:
    points = _points(seed)
    return torch.cdist(points, points)


def _listed(triplets: Triplets, mask: torch.Tensor) -> list[Tuple]:
    """The (anchor, positive, negative) of a mask of triplets."""
    rows = []
    for a, place, column in mask.nonzero().tolist():
        negative = column if triplets.negative is None else int(triplets.negative[a, place])
        rows.append((a, int(triplets.positive[a, place]), negative))
    return rows


@pytest.mark.parametrize("labels", BATCHES)
def test_class_masks_know_every_mate_and_no_one_else(labels: torch.Tensor) -> None:
    """The table of positives holds each other image of the class once; the masks are each other's rest."""
    masks = class_masks(labels.repeat_interleave(2)[::2])  # a view with a stride, as slices of a table are
    for a in EVERYONE:
        assert sorted(masks.positives[a][masks.positive_exists[a]].tolist()) == positives_of(labels, a)
        assert masks.different[a].nonzero().flatten().tolist() == negatives_of(labels, a)
        assert masks.same[a].nonzero().flatten().tolist() == positives_of(labels, a)


@pytest.mark.parametrize("labels", BATCHES)
@pytest.mark.parametrize("miner", PAIR_MINERS)
@pytest.mark.parametrize("seed", range(3))
def test_pair_miners_take_what_a_plain_loop_takes(labels: torch.Tensor, miner: str, seed: int) -> None:
    """Each of them on balanced, unbalanced and degenerate batches."""
    d, masks = _matrix(seed), class_masks(labels)
    valid, mined = PAIR_MINERS[miner](d, masks, MARGIN)
    assert not bool((mined & ~valid).any())
    assert sorted(map(tuple, mined.nonzero().tolist())) == sorted(plain_pairs(miner, d, labels))


@pytest.mark.parametrize("labels", BATCHES)
@pytest.mark.parametrize("miner", TRIPLET_MINERS)
@pytest.mark.parametrize("seed", range(3))
def test_triplet_miners_take_what_a_plain_loop_takes(labels: torch.Tensor, miner: str, seed: int) -> None:
    """Each of them on balanced, unbalanced and degenerate batches; every tuple once."""
    d, masks = _matrix(seed), class_masks(labels)
    triplets = TRIPLET_MINERS[miner](d, masks, MARGIN)
    assert sorted(_listed(triplets, triplets.mined)) == sorted(plain_triplets(miner, d, labels))
    assert set(_listed(triplets, triplets.mined)) <= set(_listed(triplets, triplets.valid))


def test_easy_semi_hard_and_hard_are_parts_of_all() -> None:
    """No tuple is lost or taken twice, on the borders either: all distances equal, with a margin and without."""
    masks = class_masks(BATCHES[1])
    for d in (_matrix(0), torch.ones(8, 8, dtype=torch.float64)):
        for margin in (0.0, MARGIN):
            for miners in (PAIR_MINERS, TRIPLET_MINERS):
                parts = []
                for name in ("easy", "semi_hard", "hard"):
                    found = miners[name](d, masks, margin)  # type: ignore[operator]
                    parts.append((found.mined if isinstance(found, Triplets) else found[1]).long())
                every = miners["all"](d, masks, margin)  # type: ignore[operator]
                whole = every.mined if isinstance(every, Triplets) else every[1]
                assert torch.equal(sum(parts), whole.long())


@pytest.mark.parametrize("labels", BATCHES)
@pytest.mark.parametrize("name", ["easy", "semi_hard", "hard"])
def test_triplets_of_a_hardness_are_those_of_pytorch_metric_learning(labels: torch.Tensor, name: str) -> None:
    """Its TripletMarginMiner, with the same words and the same borders."""
    points, d = _points(5), _matrix(5)
    distance = pml_distances.LpDistance(normalize_embeddings=False)
    oracle = pml_miners.TripletMarginMiner(MARGIN, name.replace("_", ""), distance=distance)
    expected = list(zip(*(index.tolist() for index in oracle(points, labels)), strict=True))
    triplets = TRIPLET_MINERS[name](d, class_masks(labels), MARGIN)
    assert sorted(_listed(triplets, triplets.mined)) == sorted(expected)


@pytest.mark.parametrize("labels", BATCHES)
@pytest.mark.parametrize("inverted", [False, True])
def test_multi_similarity_pairs_are_those_of_pytorch_metric_learning(labels: torch.Tensor, inverted: bool) -> None:
    """With euclidean distances, and with cosine similarity as published."""
    for seed in range(5):
        points = _points(seed)
        unit = torch.nn.functional.normalize(points)
        d = 1 - unit @ unit.T if inverted else _matrix(seed)
        lengths = pml_distances.LpDistance(normalize_embeddings=False)
        distance = pml_distances.CosineSimilarity() if inverted else lengths
        a1, p, a2, n = pml_miners.MultiSimilarityMiner(EPSILON, distance=distance)(points, labels)
        expected = list(zip(a1.tolist() + a2.tolist(), p.tolist() + n.tolist(), strict=True))
        _, mined = PAIR_MINERS["multi_similarity"](d, class_masks(labels), MARGIN)
        assert sorted(map(tuple, mined.nonzero().tolist())) == sorted(expected)


@pytest.mark.parametrize("loss", ["quadruplet", "dlpy"])
@pytest.mark.parametrize("miner", MINERS[QUARTET])
@pytest.mark.parametrize("labels", BATCHES)
def test_quartets_are_triplets_with_the_second_negative_of_their_loss(
    labels: torch.Tensor, miner: str, loss: str
) -> None:
    """Chen's: nearest to the first negative, of a third class. DLPy's: the first's class mate nearest to the anchor."""
    for seed in range(3):
        d = _matrix(seed)
        expected = []
        for a, p, n in plain_triplets(miner, d, labels):
            third = [m for m in EVERYONE if labels[m] not in (labels[a], labels[n])]
            ends = [d[n, m] for m in third] if loss == "quadruplet" else [d[a, m] for m in positives_of(labels, n)]
            if ends:
                expected.append((float(d[a, p]), float(d[a, n]), float(min(ends))))
        tuples = mine(d, class_masks(labels), loss=LOSSES[loss], miner=miner, margin=MARGIN)
        terms = [term.expand(tuples.valid.shape)[tuples.mined].tolist() for term in tuples.terms]
        assert sorted(zip(*terms, strict=True)) == sorted(expected)


def test_quartets_of_a_third_class_need_three_classes() -> None:
    """Two classes give triplets and DLPy's quartets, but none of Chen's."""
    d, masks = _matrix(0), class_masks(BATCHES[2])
    sizes = {
        name: int(mine(d, masks, loss=LOSSES[name], miner="all", margin=MARGIN).mined.sum())
        for name in ("triplet", "dlpy", "quadruplet")
    }
    triplets = 3 * 2 * 5 + 5 * 4 * 3
    assert sizes == {"triplet": triplets, "dlpy": triplets, "quadruplet": 0}


def test_pairs_know_which_are_different() -> None:
    """The second term is Hadsell's Y, aligned with the distances."""
    labels, d = BATCHES[1], _matrix(4)
    tuples = mine(d, class_masks(labels), loss=LOSSES["contrastive"], miner="all", margin=MARGIN)
    for i, j in tuples.mined.nonzero().tolist():
        assert tuples.terms[0][i, j] == d[i, j]
        assert bool(tuples.terms[1][i, j]) == bool(labels[i] != labels[j])


@pytest.mark.parametrize("loss", LOSSES)
def test_tuples_that_do_not_exist_hold_a_harmless_distance(loss: str) -> None:
    """The diagonal is at distance 0, where a user's logarithm or root has no gradient; no loss ever sees it."""
    d = _matrix(0)
    for labels in BATCHES:
        for miner in MINERS[LOSSES[loss].form]:
            tuples = mine(d, class_masks(labels), loss=LOSSES[loss], miner=miner, margin=MARGIN)
            for term in tuples.terms:
                if term.is_floating_point():
                    assert float(term.min()) > 0
                    assert bool(torch.isfinite(term).all())
    assert FILLER > 0


def test_mining_keeps_the_gradient_path() -> None:
    """Mined distances still lead back to the matrix."""
    d = _matrix(0).requires_grad_()
    for loss in LOSSES.values():
        for miner in MINERS[loss.form]:
            term = mine(d, class_masks(BATCHES[0]), loss=loss, miner=miner, margin=MARGIN).terms[0]
            assert torch.autograd.grad(term.sum(), d)[0].abs().sum() > 0


def test_every_form_knows_the_miners_of_the_command_line() -> None:
    """The same six names everywhere; triplets and quartets one more."""
    names = {"all", "easy", "semi_hard", "hard", "batch_hard", "multi_similarity"}
    assert set(MINERS[PAIR]) == names
    assert set(MINERS[TRIPLET]) == set(MINERS[QUARTET]) == names | {"nearest_semi_hard"}
    assert {loss.second_negative for loss in LOSSES.values() if loss.form != QUARTET} == {None}
    assert LOSSES["quadruplet"].second_negative == OTHER_CLASS
