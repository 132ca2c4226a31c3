"""Seeded uniform samples of rows, for whatever grows too large with all of them."""

from __future__ import annotations

import numpy as np

from artifact.arrays import Indices
from artifact.errors import UsageError


def sample_rows(num_rows: int, count: int, rng: np.random.Generator) -> Indices:
    """A uniform sample of rows, rising, or all of them."""
    if count >= num_rows:
        return np.arange(num_rows)
    return np.sort(rng.choice(num_rows, count, replace=False))


def check_sampling(*, bootstrap: int, seed: int, max_queries: int | None = None) -> None:
    """Raise UsageError unless there can be so many resamples and queries, drawn by this seed."""
    if max_queries is not None and max_queries < 1:
        raise UsageError("max_queries", expected="at least 1", got=str(max_queries))
    if bootstrap < 0:
        raise UsageError("bootstrap", expected="at least 0 resamples", got=str(bootstrap))
    check_seed(seed)


def check_seed(seed: int) -> None:
    """Raise UsageError for a seed below 0."""
    if seed < 0:
        raise UsageError("seed", expected="at least 0", got=str(seed))
