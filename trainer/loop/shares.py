"""Smallest batches that a network's layers take, found by a forward pass before training; smaller ones are filled up.

Batch normalisation refuses a single image whose maps have one place ("Expected more than 1 value per channel"), and a
user's own layer may refuse more. A process alone always has two images; several that share a small batch may have one.

Decision a reader would question: on GPUs batch normalisation is left out of the trial, for there it counts the images
of all ranks (trainer/networks/joined_statistics.py).
"""

from __future__ import annotations

import torch

from artifact.errors import DataError
from trainer.config.config import TrainConfig
from trainer.config.length import num_epochs
from trainer.loop.distributed import Ranks
from trainer.networks.base_networks import BaseNetwork
from trainer.networks.branch import Branch
from trainer.networks.joined_statistics import joins
from trainer.sampling.batch import Batches
from trainer.sampling.filling import FilledBatches, filled_size
from trainer.weights.freezing import apply_freeze


def fill_batches(
    batches: Batches, branch: Branch, base: BaseNetwork, config: TrainConfig, *, ranks: Ranks, num_images: int
) -> Batches:
    """The batches as they are, or filled up where some could be smaller than the layers bear.

    Args:
        branch: before its first step; weights, statistics and random numbers stay as they are.
        base: its base network.
        config: resolved.
        num_images: to train on.

    Raises:
        DataError: all images together are too few for so many ranks.
    """
    if batches.smallest >= 2 * ranks.size:
        return batches
    reasons = _refused(branch, base, config, ranks)
    if not reasons:
        return batches
    needed = filled_size(batches.smallest, num_ranks=ranks.size, refused=reasons)
    if needed > num_images:
        raise DataError(
            f"images to train on in {ranks.size} processes",
            expected=f"at least {needed}, for a layer refuses a batch of {min(reasons)} image in a process "
            f"({reasons[min(reasons)]})",
            got=str(num_images),
            mend=f"train in {max(1, num_images // 2)} process{'es' * (num_images > 3)} at most",
        )
    return FilledBatches(
        batches=batches, num_images=num_images, num_ranks=ranks.size, refused=reasons, seed=config.seed
    )


def _refused(branch: Branch, base: BaseNetwork, config: TrainConfig, ranks: Ranks) -> dict[int, str]:
    """{number of images: why it is refused} of the numbers below 2; in the epoch in which most layers train."""
    modes = [(module, module.training) for module in branch.modules()]
    apply_freeze(branch, base, config.freeze, num_epochs(config) - 1)
    if ranks.device.type == "cuda":
        for module in branch.modules():
            if joins(module):
                module.training = False
    statistics = [(buffer, buffer.clone()) for buffer in branch.buffers()]
    found: dict[int, str] = {}
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), torch.no_grad():
        for count in (0, 1):
            images = torch.zeros(count, base.size, base.size, 3, dtype=torch.uint8, device=ranks.device)
            try:
                branch(images)
            except Exception as error:  # a user's own layer may raise anything
                found[count] = " ".join(str(error).split())[:120]
    for buffer, before in statistics:
        buffer.copy_(before)
    for module, mode in modes:
        module.training = mode
    return found
