"""The losses: one file each, with its formula of distances and every fact that another room asks for.

A new loss is one file here and one entry in LOSSES; nobody else knows its name. Formulas run on NumPy arrays and on
tensors of torch (artifact/namespace.py). Not here: torch, manifests, and how tuples are mined and batches reduced
(trainer/objective). A user's own `module:function` becomes a Loss in trainer/objective/own_loss.py.

Decision a reader would question: no multi-similarity, NT-Xent or proxy loss. Each is a logarithm over all of an
anchor's distances, not a value per tuple, so it would be a fourth form with miners and statistics of its own. The
distance is chosen apart from the loss: FaceNet's triplet loss is `triplet` with `squared_euclidean`, and Chen's
quadruplet loss, published with squared distances, is `quadruplet` with the same.
"""

from collections import ChainMap
from collections.abc import Mapping

from artifact.losses.contrastive import CONTRASTIVE
from artifact.losses.contrastive_linear import CONTRASTIVE_LINEAR
from artifact.losses.dlpy import DLPY
from artifact.losses.loss import Loss
from artifact.losses.quadruplet import QUADRUPLET
from artifact.losses.softmax import SOFTMAX
from artifact.losses.triplet import TRIPLET_LOSS
from artifact.losses.triplet_capped import TRIPLET_CAPPED
from artifact.losses.triplet_soft import TRIPLET_SOFT
from artifact.registry import registry

__all__ = ["DEFAULT_LOSSES", "DEFAULT_TOWER_LOSSES", "LOSSES", "MARGIN_LOSSES", "TOWER_LOSSES", "Loss"]

LOSSES: dict[str, Loss] = registry(
    CONTRASTIVE, CONTRASTIVE_LINEAR, TRIPLET_LOSS, TRIPLET_SOFT, TRIPLET_CAPPED, QUADRUPLET, DLPY
)

TOWER_LOSSES: Mapping[str, Loss] = ChainMap(LOSSES, registry(SOFTMAX))
"""The losses of a run with two towers: softmax takes whole batches, in which nothing is mined. One more entry in LOSSES
is one here."""

DEFAULT_TOWER_LOSSES: dict[str, str] = {"siamese": "contrastive_linear", "triplet": "softmax"}
"""The loss of a kind with two towers when none is asked for (docs/decisions/0051-two-towers.md)."""

DEFAULT_LOSSES: dict[str, str] = {
    "siamese": "contrastive_linear",
    "triplet": "contrastive_linear",
    "quartet": "contrastive_linear",
}
"""The loss of a kind when none is asked for: the best measured (docs/decisions/0003-default-recipe-of-training.md)."""

MARGIN_LOSSES: dict[str, str] = {
    "siamese": "contrastive_linear",
    "triplet": "triplet",
    "quartet": "quadruplet",
}
"""The loss of a kind when none is asked for but a margin is: the one whose margin people mean by that of the kind."""
