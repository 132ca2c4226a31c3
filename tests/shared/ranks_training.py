"""A program for processes that torchrun's variables join: whole training runs, each rank with a folder of its own.

python ranks_training.py SETTINGS.json FOLDER

SETTINGS.json holds a list of settings; run N is trained into FOLDER/rankR/runN, where only the first rank should write
anything, and every rank leaves the weights, facts and SHA-256 that `fit` gave it in FOLDER/rankR-N.pt. Settings with
"interrupt_at" are those of a run that the first rank is asked to stop after that step, as Ctrl-C would, and resumed.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from trainer.config.config import make_config
from trainer.loop.fit import fit
from trainer.run.saved_run import Run


def plain_network() -> nn.Module:
    """A base network without batch statistics, for torch joins these on GPUs only."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.GroupNorm(2, 8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()
    )


def train(values: dict[str, Any], output: Path) -> Run:
    """Train; where that is asked for, in two goes."""
    step = values.pop("interrupt_at", None)
    config = make_config(values)
    if step is None:
        return fit(config, output)

    def interrupt(event: Any) -> None:
        if event["event"] == "step" and event["step"] == step:
            os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        fit(config, output, report=interrupt)
    except (KeyboardInterrupt, SystemExit):
        return fit(config, output, resume=True)
    raise AssertionError("the run was not stopped")


if __name__ == "__main__":
    torch.set_num_threads(1)
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group("gloo")  # once: a second group in one process may find the first one's store
    rank, folder = os.environ["RANK"], Path(sys.argv[2])
    for number, values in enumerate(json.loads(Path(sys.argv[1]).read_text())):
        run = train(values, folder / f"rank{rank}" / f"run{number}")
        found = {"weights": run.branch.state_dict(), "facts": run.facts, "sha256": run.checkpoint_sha256}
        torch.save(found, folder / f"rank{rank}-{number}.pt")
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
