"""Miners against plain loops over every tuple."""

import itertools

import pytest
import torch

from trainer.losses import PAIR, QUARTET, TRIPLET
from trainer.mining import (
    MINERS,
    all_pairs,
    all_triplets,
    batch_hard_pairs,
    batch_hard_triplets,
    mine,
    semi_hard_triplets,
)

BATCHES = [
    torch.tensor([0, 0, 1, 1, 2, 2, 3, 3]),
    torch.tensor([5, 0, 5, 5, 0, 9, 5, 2]),  # unsorted, unbalanced, classes of one
    torch.tensor([0, 0, 0, 1, 1, 1, 1, 1]),
]


def _matrix(seed: int, size: int = 8) -> torch.Tensor:
    points = torch.randn(size, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.cdist(points, points)


def _rows(*indices: torch.Tensor) -> set[tuple[int, ...]]:
    rows = list(zip(*(index.tolist() for index in indices), strict=True))
    assert len(rows) == len(set(rows)), "a tuple was mined twice"
    return set(rows)


def _positives(labels: torch.Tensor, a: int) -> list[int]:
    return [p for p in range(len(labels)) if p != a and labels[p] == labels[a]]


def _negatives(labels: torch.Tensor, a: int) -> list[int]:
    return [n for n in range(len(labels)) if labels[n] != labels[a]]


@pytest.mark.parametrize("labels", BATCHES)
@pytest.mark.parametrize("seed", range(3))
def test_all_miners_give_every_tuple_once(labels: torch.Tensor, seed: int) -> None:
    """Pairs without order, triplets with an ordered anchor."""
    d = _matrix(seed)
    assert _rows(*all_pairs(d, labels)) == set(itertools.combinations(range(8), 2))
    expected = {(a, p, n) for a in range(8) for p in _positives(labels, a) for n in _negatives(labels, a)}
    assert _rows(*all_triplets(d, labels)) == expected


@pytest.mark.parametrize("labels", BATCHES)
@pytest.mark.parametrize("seed", range(3))
def test_batch_hard_takes_the_farthest_positive_and_the_nearest_negative(labels: torch.Tensor, seed: int) -> None:
    """Per anchor that has both; pairs also from an image that has only one of them."""
    d = _matrix(seed)
    triplets, pairs = set(), []
    for a in range(8):
        positives, negatives = _positives(labels, a), _negatives(labels, a)
        hardest = max(positives, key=lambda p: d[a, p]) if positives else None
        nearest = min(negatives, key=lambda n: d[a, n]) if negatives else None
        pairs += [(a, other) for other in (hardest, nearest) if other is not None]
        if hardest is not None and nearest is not None:
            triplets.add((a, hardest, nearest))
    assert _rows(*batch_hard_triplets(d, labels)) == triplets
    assert _rows(*batch_hard_pairs(d, labels)) == set(pairs)


@pytest.mark.parametrize("labels", BATCHES)
@pytest.mark.parametrize("seed", range(3))
def test_semi_hard_takes_the_nearest_negative_beyond_the_positive(labels: torch.Tensor, seed: int) -> None:
    """And the farthest negative where none is beyond."""
    d = _matrix(seed)
    expected = set()
    for a in range(8):
        negatives = _negatives(labels, a)
        for p in _positives(labels, a):
            beyond = [n for n in negatives if d[a, n] > d[a, p]]
            chosen = min(beyond, key=lambda n: d[a, n]) if beyond else max(negatives, key=lambda n: d[a, n])
            expected.add((a, p, chosen))
    assert _rows(*semi_hard_triplets(d, labels)) == expected


@pytest.mark.parametrize("miner", MINERS[QUARTET])
@pytest.mark.parametrize("labels", BATCHES[:2])
@pytest.mark.parametrize("seed", range(3))
def test_quartets_are_triplets_with_the_nearest_image_of_a_third_class(
    labels: torch.Tensor, seed: int, miner: str
) -> None:
    """The fourth image is never of the anchor's or the first negative's class."""
    d = _matrix(seed)
    triplets = mine(d, labels, form=TRIPLET, miner=miner)
    quartets = mine(d, labels, form=QUARTET, miner=miner)
    assert torch.equal(quartets.terms[0], triplets.terms[0])
    assert torch.equal(quartets.terms[1], triplets.terms[1])
    for positive, negative, between in zip(*quartets.terms, strict=True):
        a, _ = (d == positive).nonzero()[0].tolist()
        ends = (d == negative).nonzero().tolist()
        expected = set()
        for i, n in ends:  # the matrix holds both orders, and (d == positive) both ends of the positive pair
            anchors = {int(x) for x in (d == positive).nonzero().flatten()}
            if i in anchors and labels[i] == labels[a]:
                third = [m for m in range(8) if labels[m] not in (labels[i], labels[n])]
                expected.add(min(float(d[n, m]) for m in third))
        assert float(between) in expected


def test_quartets_need_three_classes() -> None:
    """Two classes give triplets but no quartet."""
    d = _matrix(0)
    assert len(mine(d, BATCHES[2], form=TRIPLET, miner="all")) == 3 * 2 * 5 + 5 * 4 * 3
    assert len(mine(d, BATCHES[2], form=QUARTET, miner="all")) == 0


def test_pairs_know_which_are_different() -> None:
    """The second term is Hadsell's Y, aligned with the distances."""
    labels, d = BATCHES[1], _matrix(4)
    tuples = mine(d, labels, form=PAIR, miner="all")
    pairs = itertools.combinations(range(8), 2)
    for (i, j), distance, different in zip(pairs, *tuples.terms, strict=True):
        assert distance == d[i, j]
        assert bool(different) == bool(labels[i] != labels[j])


def test_mining_keeps_the_gradient_path() -> None:
    """Mined distances still lead back to the matrix."""
    d = _matrix(0).requires_grad_()
    for form, miners in MINERS.items():
        for miner in miners:
            term = mine(d, BATCHES[0], form=form, miner=miner).terms[0]
            assert torch.autograd.grad(term.sum(), d)[0].abs().sum() > 0
