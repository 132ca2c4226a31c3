"""Mining: the tuples of a batch that the loss sees, read off the batch's matrix of distances.

A batch is identity-balanced (trainer/sampling/batches.py), so its [N, N] matrix holds far more pairs, triplets and
quartets than the images it cost. No tuple is ever listed (trainer/objective/tuples.py). The miners are in
pair_mining.py and triplet_mining.py.

    name               of triplets                                           source
    all                every one                                             batch-all, Hermans et al. 2017
    easy               d_an > d_ap + m                                       trainer/objective/tuples.py
    semi_hard          d_ap < d_an <= d_ap + m                               FaceNet 2015, pytorch-metric-learning
    hard               d_an <= d_ap                                          FaceNet 2015, pytorch-metric-learning
    nearest_semi_hard  per positive the nearest negative beyond it           FaceNet 2015, TensorFlow Addons
    batch_hard         per anchor farthest positive, nearest negative        Hermans et al. 2017
    multi_similarity   positives beyond the nearest negative, negatives      Wang et al. 2019
                       within the farthest positive, with slack 0.1

Mining looks at detached distances; gradients flow through the chosen ones only, as in the sources.
"""

from __future__ import annotations

from torch import Tensor

from artifact.losses import LOSSES, Loss
from artifact.losses.loss import PAIR, QUARTET, TRIPLET
from trainer.objective.pair_mining import PAIR_MINERS, mine_pairs
from trainer.objective.triplet_mining import TRIPLET_MINERS, mine_quartets, mine_triplets
from trainer.objective.tuples import Masks, Tuples

MINERS: dict[str, tuple[str, ...]] = {
    PAIR: tuple(PAIR_MINERS),
    TRIPLET: tuple(TRIPLET_MINERS),
    QUARTET: tuple(TRIPLET_MINERS),
}


def losses_of_miner(miner: str | None, *, kind: str) -> list[str]:
    """Names of our losses that a model of the kind may have and whose tuples the miner finds."""
    return [name for name, loss in LOSSES.items() if kind in loss.kinds and miner in MINERS[loss.form]]


def mine(distances: Tensor, masks: Masks, *, loss: Loss, miner: str, margin: float) -> Tuples:
    """The tuples of one batch.

    Args:
        distances: float [N, N], from trainer/objective/distances.py.
        masks: of the batch's labels.
        loss: whom the tuples are for; its form and, of quartets, its second negative decide what they hold.
        miner: a name in MINERS of that form.
        margin: what easy and semi-hard are measured by, in units of the distance.

    Returns:
        Tuples whose terms carry gradients to `distances`; maybe none is valid.
    """
    if loss.form == PAIR:
        return mine_pairs(distances, masks, miner=miner, margin=margin)
    if loss.form == TRIPLET:
        return mine_triplets(distances, masks, miner=miner, margin=margin)
    return mine_quartets(distances, masks, miner=miner, margin=margin, second_negative=str(loss.second_negative))
