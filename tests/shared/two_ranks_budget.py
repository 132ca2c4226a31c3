"""A program for two processes that torchrun's variables join: a run with a time budget into which seven steps fit.

python two_ranks_budget.py IMAGES RUN
"""

import sys
from pathlib import Path

import torch

from trainer.config.config import make_config
from trainer.loop import budget
from trainer.loop.fit import fit


def seven(*arguments: object, per_epoch: int) -> int:
    """The same on every machine."""
    return 7


if __name__ == "__main__":
    torch.set_num_threads(1)
    budget.steps_within, budget.TRIAL_SHARE = seven, 1e-3
    values = {"images": sys.argv[1], "kind": "triplet", "dim": 8, "size": 16, "minutes": 5, "max_disk_mb": 0}
    run = fit(make_config(values), Path(sys.argv[2]))
    sys.stdout.write(run.checkpoint_sha256)
