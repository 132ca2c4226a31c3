"""A subspace of many features that holds what a head is made of: randomised PCA by subspace iteration.

Halko, Martinsson, Tropp 2011, "Finding Structure with Randomness", algorithm 4.4. An eigenproblem of 8,192 features
takes minutes; one of a thousand directions a second.

Decisions a reader would question:
- With classes, half of the directions are those of the class means, the others those in which images of a class
  differ most. LDA's directions are the means less their part along the latter, so they lie in this subspace but for
  what is below lambda. The PCA of all images, of as many directions, lost one to two points of recall@1
  (docs/decisions/0024).
- The basis is found on a sample of rows; what is computed inside it sees every row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from artifact.arrays import Indices, Numbers, Vectors
from trainer.head.sample import sample_by_class

MAX_FEATURES = 1024
"""More than so many features are reduced to so many directions, unless the head has more than half as many neurons."""

_MAX_ROWS = 16_384
_BLOCK_NUMBERS = 2**24
_MAX_NUMBERS = 2**25
"""Of a basis: 256 MiB of float64, some copies of which are in memory at once; more where the head itself has more."""
_SEED = 0


def num_directions(num_features: int, max_features: int = MAX_FEATURES, *, dim: int, has_classes: bool) -> int:
    """How many directions stay of so many features; fewer where there are so many that a basis would be too large.

    Without classes half as many: there are no class means to be spanned. A head of so many neurons takes as many
    directions, and the last of those that are kept are found badly: twice as many are kept, and `dim` whatever a basis
    takes, for the head is as large.
    """
    kept = max(max_features if has_classes else max_features // 2, 2 * dim)
    if num_features <= max(max_features, kept):
        return num_features
    return min(kept, max(dim, _MAX_NUMBERS // num_features))


def find_subspace(features: Vectors, mean: Numbers, codes: Indices | None, count: int) -> Numbers:
    """Orthonormal directions of large variance; the same for the same features.

    Args:
        features: float32 [N, F].
        mean: float64 [F], theirs.
        codes: int64 [N], their classes, or None.
        count: k, at most F.

    Returns:
        float64 [F, k], columns in no order.
    """
    rows = sample_by_class(np.zeros(len(features), np.int64) if codes is None else codes, _MAX_ROWS, seed=_SEED)
    if codes is not None:
        rows = rows[np.argsort(codes[rows], kind="stable")]
    at_once = max(1, _BLOCK_NUMBERS // features.shape[1])
    blocks = [slice(first, min(first + at_once, len(rows))) for first in range(0, len(rows), at_once)]
    centre = mean.astype(np.float32)
    largest = max(float(np.abs(features[rows[block]] - centre).max()) for block in blocks)
    unit = np.float32(1.0 / largest if largest > 0 else 1.0)  # squares of any features stay within float32

    def centred(block: slice) -> Vectors:
        found: Vectors = (features[rows[block]] - centre) * unit
        return found

    if codes is None:
        return _orthonormal(_leading(centred, blocks, features.shape[1], count, passes=2))
    sizes = np.unique(codes[rows], return_counts=True)[1]
    of_row = np.repeat(np.arange(len(sizes)), sizes)
    means = np.zeros((len(sizes), features.shape[1]), np.float32)
    for block in blocks:
        np.add.at(means, of_row[block], centred(block))
    means /= sizes[:, None].astype(np.float32)
    weighted = means * np.sqrt(sizes[:, None].astype(np.float32))
    num_between = max(1, count // 2)
    if num_between < len(sizes) - 1:
        of_means = [slice(0, len(sizes))]
        between = _leading(lambda block: weighted[block], of_means, features.shape[1], num_between, passes=2)
    else:
        between = weighted[:-1].T  # the last one is a sum of the others
    if count == between.shape[1]:
        return _orthonormal(between)
    within = _leading(
        lambda block: centred(block) - means[of_row[block]],
        blocks,
        features.shape[1],
        count - between.shape[1],
        passes=1,
    )
    return _orthonormal(np.concatenate([between, within], axis=1))


def _leading(
    rows: Callable[[slice], Vectors], blocks: Sequence[slice], num_features: int, count: int, *, passes: int
) -> Vectors:
    """What spans the directions in which these rows are long: float32 [F, count]."""
    basis = np.random.default_rng(_SEED).standard_normal((num_features, count), dtype=np.float32)
    for number in range(passes):
        if number:
            basis = np.linalg.qr(basis)[0]
        found = np.zeros((num_features, count))
        for block in blocks:
            some = rows(block)
            found += some.T @ (some @ basis)
        basis = (found / max(float(np.abs(found).max()), 1e-30)).astype(np.float32)
    return basis


def _orthonormal(basis: Vectors) -> Numbers:
    return np.linalg.qr(basis.astype(np.float64))[0]


def find_span(features: Vectors, mean: Numbers) -> Numbers:
    """Orthonormal directions that hold all variance of fewer images than features: float64 [F, N]."""
    return np.linalg.qr((features - mean).T)[0]
