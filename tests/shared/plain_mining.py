"""Plain miners, one tuple at a time: the reference of the miners and of the objective."""

import itertools

import torch

from trainer.objective.pair_mining import EPSILON

BATCHES = [
    torch.tensor([0, 0, 1, 1, 2, 2, 3, 3]),
    torch.tensor([5, 0, 5, 5, 0, 9, 5, 2]),  # unsorted, unbalanced, classes of one
    torch.tensor([0, 0, 0, 1, 1, 1, 1, 1]),
    torch.tensor([4, 4, 4, 4, 4, 4, 4, 4]),  # no negative
    torch.tensor([7, 6, 5, 4, 3, 2, 1, 0]),  # no positive
]
MARGIN = 0.6
EVERYONE = range(8)

Tuple = tuple[int, ...]


def positives_of(labels: torch.Tensor, a: int) -> list[int]:
    return [p for p in EVERYONE if p != a and labels[p] == labels[a]]


def negatives_of(labels: torch.Tensor, a: int) -> list[int]:
    return [n for n in EVERYONE if labels[n] != labels[a]]


def every_triplet(labels: torch.Tensor) -> list[Tuple]:
    return [(a, p, n) for a in EVERYONE for p in positives_of(labels, a) for n in negatives_of(labels, a)]


def _hardness(d: torch.Tensor, a: int, p: int, n: int) -> str:
    if d[a, n] <= d[a, p]:
        return "hard"
    return "semi_hard" if d[a, n] <= d[a, p] + MARGIN else "easy"


def _multi_similar(d: torch.Tensor, labels: torch.Tensor, a: int) -> tuple[list[int], list[int]]:
    positives, negatives = positives_of(labels, a), negatives_of(labels, a)
    return (
        [p for p in positives if any(d[a, p] + EPSILON > d[a, n] for n in negatives)],
        [n for n in negatives if any(d[a, n] - EPSILON < d[a, p] for p in positives)],
    )


def plain_triplets(miner: str, d: torch.Tensor, labels: torch.Tensor) -> list[Tuple]:
    """What each miner takes, one tuple at a time."""
    every = every_triplet(labels)
    if miner == "all":
        return every
    if miner in ("easy", "semi_hard", "hard"):
        return [triplet for triplet in every if _hardness(d, *triplet) == miner]
    chosen: list[Tuple] = []
    for a in EVERYONE:
        positives, negatives = positives_of(labels, a), negatives_of(labels, a)
        if not positives or not negatives:
            continue
        if miner == "batch_hard":
            chosen.append((a, max(positives, key=lambda p: d[a, p]), min(negatives, key=lambda n: d[a, n])))
        elif miner == "nearest_semi_hard":
            for p in positives:
                beyond = [n for n in negatives if d[a, n] > d[a, p]]
                n = min(beyond, key=lambda n: d[a, n]) if beyond else max(negatives, key=lambda n: d[a, n])
                chosen.append((a, p, n))
        else:
            assert miner == "multi_similarity"
            chosen += [(a, p, n) for p, n in itertools.product(*_multi_similar(d, labels, a))]
    return chosen


def plain_pairs(miner: str, d: torch.Tensor, labels: torch.Tensor) -> list[Tuple]:
    """What each miner takes, one pair at a time."""
    pairs = list(itertools.combinations(EVERYONE, 2))
    if miner == "all":
        return pairs
    if miner in ("easy", "semi_hard", "hard"):
        order = ("easy", "semi_hard", "hard")
        worst = dict.fromkeys(pairs, "easy")
        for a, p, n in every_triplet(labels):
            for i, j in ((min(a, p), max(a, p)), (min(a, n), max(a, n))):
                worst[i, j] = max(worst[i, j], _hardness(d, a, p, n), key=order.index)
        return [pair for pair in pairs if worst[pair] == miner]
    chosen: list[Tuple] = []
    for a in EVERYONE:
        positives, negatives = positives_of(labels, a), negatives_of(labels, a)
        if miner == "batch_hard":
            chosen += [(a, max(positives, key=lambda p: d[a, p]))] if positives else []
            chosen += [(a, min(negatives, key=lambda n: d[a, n]))] if negatives else []
        else:
            assert miner == "multi_similarity"
            chosen += [(a, other) for group in _multi_similar(d, labels, a) for other in group]
    return chosen
