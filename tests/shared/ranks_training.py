"""A program for processes that torchrun's variables join: a whole training run each, in a folder of its own.

python ranks_training.py SETTINGS.json FOLDER [resume]

SETTINGS.json holds settings of a run, or a list of them; run N is written to FOLDER/rankR/runN by the first rank, and
every rank leaves what `fit` gave it in FOLDER/rankR-N.pt: weights and facts. No rank sees another's folder.
"""

import json
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from trainer.config.config import make_config
from trainer.loop.fit import fit


def plain_network(num_channels: int = 8) -> nn.Module:
    """A base network without batch statistics, for torch synchronises them on GPUs only."""
    return nn.Sequential(
        nn.Conv2d(3, num_channels, 3, stride=2),
        nn.GroupNorm(2, num_channels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group("gloo")  # once: a second group in one process may find the first one's store
    rank, folder = os.environ.get("RANK", "0"), Path(sys.argv[2])
    settings = json.loads(Path(sys.argv[1]).read_text())
    for number, values in enumerate(settings if isinstance(settings, list) else [settings]):
        run = fit(make_config(values), folder / f"rank{rank}" / f"run{number}", resume=sys.argv[3:] == ["resume"])
        torch.save(
            {"weights": run.branch.state_dict(), "facts": run.facts, "sha256": run.checkpoint_sha256},
            folder / f"rank{rank}-{number}.pt",
        )
