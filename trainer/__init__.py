"""Images in, run out: base networks, losses, mining, sampling, the training loop and its checkpoints.

Importing this package loads neither torch nor anything else; the public names are loaded when first used:

    fit(config, output)       train and write a run folder            trainer/loop/fit.py
    load_run(path)            read one                                trainer/run/saved_run.py
    make_config(values)       plain values to a checked TrainConfig   trainer/config/config.py
    with_overrides(...)       apply `--set a.b=v`                     trainer/config/config.py
    TrainConfig, Run          their types
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Run": "trainer.run.saved_run",
    "TrainConfig": "trainer.config.config",
    "fit": "trainer.loop.fit",
    "load_run": "trainer.run.saved_run",
    "make_config": "trainer.config.config",
    "with_overrides": "trainer.config.config",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
