"""Prefixes of vectors: the first D numbers of each are a vector themselves, where the artifact promises D.

Decisions a reader would question:
- Whoever reads vectors cuts them, and every reader cuts here: servers answer whole vectors and know of no prefixes.
- The lengths are computed in float32, as `v[:, :D] / np.linalg.norm(v[:, :D], axis=1, keepdims=True)` has them. So a
  table that is cut while it is read holds the same bytes as one that was scored with D.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from artifact.arrays import Vectors
from artifact.distances.cosine import unit_vectors
from artifact.errors import UsageError

_FIGURES = ("recall@1", "mAP@R", "held_out_pct_correct")
"""Of images with classes, and of tuples."""


def measured_names(metrics: Iterable[Mapping[str, Any] | None]) -> list[str]:
    """Names of the figures that prefixes were measured by, first the one to go by; none where nothing was held out.

    Args:
        metrics: of each prefix, in any order: a manifest sorts them.
    """
    measured = {name for each in metrics for name in each or {}}
    return [name for name in _FIGURES if name in measured]


def cut(vectors: Vectors, dims: int, *, normalized: bool) -> Vectors:
    """The first numbers of each vector.

    Args:
        vectors: float32 [N, n].
        dims: D, from 1 to n.
        normalized: of an artifact whose vectors have length 1: put them on the unit sphere again. A vector that begins
            with D zeros stays one of zeros.

    Returns:
        float32 [N, D], C-contiguous, a copy.
    """
    prefixes: Vectors = np.array(vectors[:, :dims], np.float32, order="C")
    with np.errstate(over="ignore", invalid="ignore"):  # a vector that is not finite stays one, and is named by others
        return unit_vectors(prefixes, out=prefixes) if normalized else prefixes


def require_promised(dims: int, promised: Sequence[int], *, whole: int, where: object) -> None:
    """See that `dims` is a prefix that is promised, or the whole vector.

    Args:
        promised: ascending, each below `whole`.
        whole: numbers of a vector as it is.
        where: the artifact or the table, for the message.

    Raises:
        UsageError: names those that are promised.
    """
    if dims == whole or dims in promised:
        return
    raise UsageError(
        "dims",
        expected=f"one of {', '.join(map(str, promised))} (or {whole}, the whole vector)"
        if promised
        else f"{whole}, the whole vector: no prefix of it is promised",
        got=str(dims),
        where=where,
        mend=None if promised else "leave it out; an artifact whose head is lda or pca promises some",
    )
