"""OpenMP's manner of waiting: threads that have nothing to do sleep instead of spinning.

torch and faiss bring OpenMP, whose threads spin at the end of every parallel part until the last one is done. Alone on
a machine that gains little; beside one busy process the last one waits for a core on which another spins
(benchmarks/README.md has what that costs). onnxruntime is told in serving/engine.py.

Decision a reader would question: this is for the command alone. The environment belongs to the program, so `import
lookalike` leaves it as it is; docs/training.md says what an embedding program sets itself.
"""

from __future__ import annotations

import os

WAIT_POLICY = "OMP_WAIT_POLICY"
_SAID_BY_USERS = (WAIT_POLICY, "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def wait_asleep() -> None:
    """Set the policy, for this process and those that it starts, unless the user has said one in any of three ways.

    OpenMP looks once, when the first library that brings it is loaded, so this has to come before.
    """
    if not any(name in os.environ for name in _SAID_BY_USERS):
        os.environ[WAIT_POLICY] = "passive"
