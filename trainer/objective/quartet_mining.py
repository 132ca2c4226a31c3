"""Miners of quartets: a mined triplet and its second negative, of a third class or of the first negative's own.

Decisions a reader would question:
- The second negative is one image and not every one. For Chen's loss it is the nearest to the first negative of a third
  class, the one that its second term is largest for; the full product is N times larger and mostly zeros. It depends on
  (anchor's class, negative) only, so quartets cost what triplets do.
- In a batch of DLPy's quartets it is the image of the first negative's class that lies nearest to the anchor.
- A miner's name says which triplets; a quartet is as hard as its triplet.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from trainer.objective.losses import OTHER_CLASS, QUARTET
from trainer.objective.masks import Masks, nearest
from trainer.objective.triplet_mining import TRIPLET_MINERS, lay_out
from trainer.objective.tuples import FILLER, Tuples

QUARTET_MINERS = tuple(TRIPLET_MINERS)


def mine_quartets(distances: Tensor, masks: Masks, *, miner: str, margin: float, second_negative: str) -> Tuples:
    """Quartets of a batch; see trainer.objective.mining.mine."""
    triplets = TRIPLET_MINERS[miner](distances.detach(), masks, margin)
    second = of_a_third_class if second_negative == OTHER_CLASS else of_the_negatives_class
    apart, exists = second(distances, masks)
    tuples, exists = lay_out(triplets, distances, masks), triplets.against(exists)
    terms = (*tuples.terms, triplets.against(apart.where(masks.different, FILLER)))
    valid, mined = triplets.valid & exists, triplets.mined & exists
    return replace(tuples, form=QUARTET, terms=terms, valid=valid, mined=mined)


def of_a_third_class(distances: Tensor, masks: Masks) -> tuple[Tensor, Tensor]:
    """Distance of each negative to the nearest image that is of neither its class nor the anchor's.

    Per image the nearest of another class is found, and the nearest of a class that is neither its own nor that one's;
    a quartet takes the second where the first is of the anchor's class.

    Returns:
        float [N, N] over (anchor, negative) with gradients, FILLER where there is none; bool [N, N], whether there is.
    """
    fixed, labels = distances.detach(), masks.labels
    _, first, has_first = nearest(fixed, masks.different)
    another = masks.different & (labels != labels[first][:, None])
    _, second, has_second = nearest(fixed, another)
    clash = labels[:, None] == labels[first]  # [anchor, negative]
    apart = torch.where(
        clash,
        distances.gather(1, second[:, None])[:, 0].where(has_second, FILLER),
        distances.gather(1, first[:, None])[:, 0].where(has_first, FILLER),
    )
    return apart, torch.where(clash, has_second, has_first)


def of_the_negatives_class(distances: Tensor, masks: Masks) -> tuple[Tensor, Tensor]:
    """Distance of each anchor to the nearest image of the negative's class that is not the negative itself.

    Returns:
        float [N, N] over (anchor, negative) with gradients, FILLER where there is none; bool [N, N], whether there is.
    """
    fixed = distances.detach()
    least, chosen = torch.full_like(fixed, torch.inf), torch.zeros_like(fixed, dtype=torch.int64)
    for mate, is_one in zip(masks.positives.unbind(1), masks.has_positive.unbind(1), strict=True):  # N^2 memory so
        apart = fixed.index_select(1, mate).masked_fill_(~is_one, torch.inf)
        chosen = torch.where(apart < least, mate, chosen)
        least = torch.minimum(least, apart)
    exists = masks.has_positive.any(dim=1).expand(chosen.shape)
    return distances.gather(1, chosen).where(exists, FILLER), exists
