"""Prefixes of vectors, measured: how well the first 8, 16, 32, ... numbers of each do on what is held out.

Only a closed-form head has its dimensions in order of importance; the first numbers of a trained vector promise
nothing. Where nothing is held out they are promised all the same, for the order is the formula's, and have no figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.evaluation.counts import training_counts
from analysis.measures.support import as_facts
from artifact.arrays import Vectors
from artifact.prefixes import cut
from trainer.loop.assessed import Assessed
from trainer.loop.assessment import find_threshold, held_out_pairs, measure, why_no_threshold

SHORTEST = 8


def prefix_dims(num_dims: int) -> list[int]:
    """8, 16, 32, ... below the number of dimensions in use.

    Example:
        >>> prefix_dims(64)
        [8, 16, 32]
    """
    found = []
    dims = SHORTEST
    while dims < num_dims:
        found.append(dims)
        dims *= 2
    return found


def measure_prefixes(run: Assessed, vectors: Vectors | None, head: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One entry a prefix, shortest first.

    Args:
        run: at its end.
        vectors: float32 [N, n] of the held-out images; None where nothing is held out.
        head: its facts: numbers from its `directions` on are 0 in every vector, and a prefix that ends there is the
            whole vector.

    Returns:
        {"dims", "metrics" and "rests_on" (None where nothing is held out, or vectors are not finite), "threshold" as
        the run has it, and "why_no_threshold" where there is none}.
    """
    return [_measured(run, vectors, dims) for dims in prefix_dims(head.get("directions", run.config.dim))]


def _measured(run: Assessed, vectors: Vectors | None, dims: int) -> dict[str, Any]:
    shorter = None if vectors is None else cut(vectors, dims, normalized=bool(run.config.normalize))
    pairs = held_out_pairs(run, shorter)
    metrics = None if shorter is None or not np.isfinite(shorter).all() else measure(run, shorter)
    why = why_no_threshold(run, pairs)
    return {
        "dims": dims,
        "metrics": metrics,
        "rests_on": None if metrics is None else as_facts(training_counts(metrics)),
        "threshold": find_threshold(run, pairs),
        **({} if why is None else {"why_no_threshold": why}),
    }
