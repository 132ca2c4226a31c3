"""The objective as a loop over tuples, with autograd on every single distance: its reference."""

from typing import Any

import torch

from artifact.losses import LOSSES
from artifact.losses.loss import PAIR
from tests.shared.plain_mining import plain_pairs, plain_triplets

MARGIN, MARGIN2, CAP = 0.6, 0.25, 0.8


def plain_distance(name: str, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """One distance, written out."""
    if name == "cosine":
        return 1 - (x @ y) / (x.norm() * y.norm())
    squared = ((x - y) ** 2).sum()
    return squared if name == "squared_euclidean" else squared.sqrt()


def plain_value(loss: str, terms: list[torch.Tensor]) -> torch.Tensor:
    zero = torch.zeros((), dtype=torch.float64)
    if loss == "triplet_soft":
        return torch.log(1 + torch.exp(terms[0] - terms[1] + MARGIN))
    if loss == "triplet_capped":
        return torch.clamp(terms[0] - terms[1] + MARGIN, 0, CAP)
    margins = {"triplet": [MARGIN], "quadruplet": [MARGIN, MARGIN2], "dlpy": [MARGIN, MARGIN]}[loss]
    parts = [torch.maximum(zero, terms[0] - other + m) for other, m in zip(terms[1:], margins, strict=True)]
    return sum(parts, zero)


def mean_of_positive(values: list[torch.Tensor]) -> Any:
    active = [value for value in values if value > 0]
    return sum(active) / len(active) if active else 0.0


def plain_loss(loss: str, miner: str, distance: str, vectors: torch.Tensor, labels: torch.Tensor) -> Any:
    """The whole objective as a loop over tuples; 0.0 where there is none."""
    everyone = range(len(vectors))

    def apart(i: int, j: int) -> torch.Tensor:
        return plain_distance(distance, vectors[i], vectors[j])

    d = torch.tensor(
        [[float(apart(i, j).detach()) if i != j else 0.0 for j in everyone] for i in everyone], dtype=torch.float64
    )
    if LOSSES[loss].form == PAIR:
        groups: dict[bool, list[torch.Tensor]] = {True: [], False: []}
        for i, j in plain_pairs(miner, d, labels):
            different = bool(labels[i] != labels[j])
            zero = torch.zeros((), dtype=torch.float64)
            value = torch.maximum(zero, MARGIN - apart(i, j)) if different else apart(i, j)
            value = 0.5 * value**2 if loss == "contrastive" else value
            groups[different].append(value)
        return mean_of_positive(groups[True]) + mean_of_positive(groups[False])
    values = []
    for a, p, n in plain_triplets(miner, d, labels):
        terms = [apart(a, p), apart(a, n)]
        if loss == "quadruplet":
            third = [m for m in everyone if labels[m] not in (labels[a], labels[n])]
            if not third:
                continue
            terms.append(apart(n, min(third, key=lambda m: d[n, m])))
        elif loss == "dlpy":
            mates = [m for m in everyone if labels[m] == labels[n] and m != n]
            if not mates:
                continue
            terms.append(apart(a, min(mates, key=lambda m: d[a, m])))
        values.append(plain_value(loss, terms))
    return mean_of_positive(values)
