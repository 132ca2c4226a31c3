"""OpenMP's manner of waiting: threads that have nothing to do spin for some microseconds, and then sleep.

torch and faiss bring OpenMP, whose threads spin at the end of every parallel part until the last one is done. Beside
one busy process the last one waits for a core on which another spins; threads that sleep at once were a sixth slower on
a quiet machine, for most parts end together. A thousand turns win most of that back and cost nothing beside the other
process (benchmarks/README.md). onnxruntime is told in serving/engine.py.

Decision a reader would question: this is for the command alone. The environment belongs to the program, so `import
lookalike` leaves it as it is; docs/training.md says what an embedding program sets itself.
"""

from __future__ import annotations

import os

SETTINGS = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}
"""The second is read by GNU's library, which then heeds the first no more; others read the first alone."""
_SAID_BY_USERS = (*SETTINGS, "KMP_BLOCKTIME")


def wait_asleep() -> None:
    """Set them, for this process and those that it starts, unless the user has said how to wait in any of three ways.

    OpenMP looks once, when the first library that brings it is loaded, so this has to come before.
    """
    if not any(name in os.environ for name in _SAID_BY_USERS):
        os.environ |= SETTINGS
