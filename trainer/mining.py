"""Which tuples of a batch the loss sees, read off the masked distance matrix of the batch.

A batch is identity-balanced (trainer/sampling.py), so its [N, N] matrix holds far more pairs, triplets and quartets
than the images it cost. No tuple is ever listed in Python: miners mask, reduce and index whole matrices. A new miner is
one function per form and one line in PAIR_MINERS or TRIPLET_MINERS.

Decisions a reader would question:
- A quartet is a mined triplet and, as its fourth image, the nearest one of a third class to the negative. The full
  product with every fourth image is N times larger and mostly far apart. Three classes must be in the batch.
- Mining looks at detached distances; gradients flow through the chosen ones only, as in the sources.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.losses import PAIR, QUARTET, TRIPLET


@dataclass(frozen=True)
class Tuples:
    """The T tuples of a batch as the loss of that form takes them.

    Attributes:
        form: `pair`, `triplet` or `quartet`.
        terms: pair: distance float [T], different bool [T]; triplet: anchor-positive and anchor-negative, float [T];
            quartet: the same two and negative-negative2, float [T].
    """

    form: str
    terms: tuple[Tensor, ...]

    def __len__(self) -> int:
        return int(self.terms[0].shape[0])


Pairs = tuple[Tensor, Tensor]
Triplets = tuple[Tensor, Tensor, Tensor]


def _masks(labels: Tensor) -> tuple[Tensor, Tensor]:
    """bool [N, N] twice: same class but another image; different class."""
    same = labels[:, None] == labels[None, :]
    different = ~same
    return same.fill_diagonal_(False), different


def _farthest(distances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Per row, the index of the largest distance under the mask and whether the mask has any: int64 [N], bool [N]."""
    return distances.masked_fill(~mask, -torch.inf).argmax(dim=1), mask.any(dim=1)


def _nearest(distances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Per row, the index of the smallest distance under the mask and whether the mask has any: int64 [N], bool [N]."""
    return distances.masked_fill(~mask, torch.inf).argmin(dim=1), mask.any(dim=1)


def all_pairs(distances: Tensor, labels: Tensor) -> Pairs:
    """Every unordered pair of the batch once: int64 [T] twice."""
    first, second = torch.triu_indices(len(labels), len(labels), offset=1, device=labels.device)
    return first, second


def batch_hard_pairs(distances: Tensor, labels: Tensor) -> Pairs:
    """Per image its farthest positive and its nearest negative: int64 [T] twice, T up to 2 N."""
    same, different = _masks(labels)
    positive, has_positive = _farthest(distances, same)
    negative, has_negative = _nearest(distances, different)
    rows = torch.arange(len(labels), device=labels.device)
    first = torch.cat([rows[has_positive], rows[has_negative]])
    return first, torch.cat([positive[has_positive], negative[has_negative]])


def all_triplets(distances: Tensor, labels: Tensor) -> Triplets:
    """Every (anchor, positive, negative): int64 [T] three times."""
    same, different = _masks(labels)
    anchor, positive = same.nonzero(as_tuple=True)
    pair, negative = different[anchor].nonzero(as_tuple=True)
    return anchor[pair], positive[pair], negative


def batch_hard_triplets(distances: Tensor, labels: Tensor) -> Triplets:
    """Per anchor its farthest positive and its nearest negative (Hermans et al. 2017): int64 [T], T up to N."""
    same, different = _masks(labels)
    positive, has_positive = _farthest(distances, same)
    negative, has_negative = _nearest(distances, different)
    anchor = (has_positive & has_negative).nonzero().squeeze(1)
    return anchor, positive[anchor], negative[anchor]


def semi_hard_triplets(distances: Tensor, labels: Tensor) -> Triplets:
    """Per (anchor, positive) the nearest negative farther than the positive (FaceNet); if none is, the farthest.

    Returns:
        int64 [T] three times, T = the number of ordered positive pairs.
    """
    same, different = _masks(labels)
    anchor, positive = (same & different.any(dim=1, keepdim=True)).nonzero(as_tuple=True)
    rows, mask = distances[anchor], different[anchor]
    nearest, has_any = _nearest(rows, mask & (rows > distances[anchor, positive][:, None]))
    farthest, _ = _farthest(rows, mask)
    return anchor, positive, torch.where(has_any, nearest, farthest)


def _third_class(distances: Tensor, labels: Tensor, anchor: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest image to `negative` that is of neither its class nor the anchor's, and whether there is one: [T], [T].

    Per image the nearest of another class is found, and the nearest of a class that is neither its own nor that one's;
    a quartet takes the second where the first is of the anchor's class. [N, N] work instead of [T, N].
    """
    _, different = _masks(labels)
    first, has_first = _nearest(distances, different)
    second, has_second = _nearest(distances, different & (labels[None, :] != labels[first][:, None]))
    clash = labels[first][negative] == labels[anchor]
    third = torch.where(clash, second[negative], first[negative])
    return third, torch.where(clash, has_second[negative], has_first[negative])


PAIR_MINERS: dict[str, Callable[[Tensor, Tensor], Pairs]] = {"all": all_pairs, "batch_hard": batch_hard_pairs}
TRIPLET_MINERS: dict[str, Callable[[Tensor, Tensor], Triplets]] = {
    "all": all_triplets,
    "batch_hard": batch_hard_triplets,
    "semi_hard": semi_hard_triplets,
}
MINERS: dict[str, tuple[str, ...]] = {PAIR: tuple(PAIR_MINERS), TRIPLET: tuple(TRIPLET_MINERS)}
MINERS[QUARTET] = MINERS[TRIPLET]


def mine(distances: Tensor, labels: Tensor, *, form: str, miner: str) -> Tuples:
    """The tuples of one batch.

    Args:
        distances: float [N, N], from trainer/distances.py.
        labels: int64 [N], classes.
        form: `pair`, `triplet` or `quartet`.
        miner: a name in MINERS[form].

    Returns:
        Tuples whose terms carry gradients to `distances`; may be empty.
    """
    fixed = distances.detach()
    if form == PAIR:
        first, second = PAIR_MINERS[miner](fixed, labels)
        return Tuples(PAIR, (distances[first, second], labels[first] != labels[second]))
    anchor, positive, negative = TRIPLET_MINERS[miner](fixed, labels)
    if form == TRIPLET:
        return Tuples(TRIPLET, (distances[anchor, positive], distances[anchor, negative]))
    third, exists = _third_class(fixed, labels, anchor, negative)
    anchor, positive, negative, third = anchor[exists], positive[exists], negative[exists], third[exists]
    terms = (distances[anchor, positive], distances[anchor, negative], distances[negative, third])
    return Tuples(QUARTET, terms)
