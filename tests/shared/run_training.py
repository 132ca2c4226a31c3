"""A training run as a process of its own, from JSON settings, for tests that kill it.

python run_training.py SETTINGS.json RUN PAUSE      after step PAUSE a line is written and one is waited for
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from trainer.config.config import make_config
from trainer.loop.fit import fit

if __name__ == "__main__":
    torch.set_num_threads(1)
    settings, output, pause = sys.argv[1:]

    def report(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["step"] == int(pause):
            sys.stdout.write("paused\n")
            sys.stdout.flush()
            sys.stdin.readline()

    fit(make_config(json.loads(Path(settings).read_text())), Path(output), report=report)
