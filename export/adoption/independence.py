"""Independence of a batch: no picture's vector may move with the pictures beside it, at any precision.

Decision a reader would question: the limit is rounding at float32 for quantised networks too. A picture is kept in its
place in a batch of one size while its neighbours change; kernels then compute its numbers in the same order, so an
honest network of any precision gives the very same vector (measured: difference 0 on 7 networks in 4 formats each),
and one that quantises by the range of its whole batch does not (0.4 to 4 %). Against itself alone a picture may move
more, for kernels round otherwise in a batch of another size, and a rounding moves whole steps where numbers are coarse.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from artifact.arrays import Vectors
from artifact.images.decoding import Pixels
from export.folding import read_by
from serving.probe import plain_pixels, probe_pixels

if TYPE_CHECKING:
    import onnx

MOST_BESIDE_OTHERS = 1e-5
"""Of a vector's length: how far it may move with its neighbours."""
MOST_BESIDE_NONE = {"fp32": 1e-4, "fp16": 5e-3, "int8": 1e-2}
"""Of a vector's length, by precision: how far it may be in a batch from what it is alone."""
_CASES = ((2, 1, False), (3, 0, True), (3, 1, True), (3, 2, True), (5, 4, True))
"""(images of a batch, the place where one is kept, whether that one is quiet)."""

Run = Callable[[Pixels], Vectors]
"""uint8 [N, H, W, 3] -> float32 [N, n]."""


@dataclass(frozen=True)
class Dependence:
    """A vector that moved: by this share of its length, in a batch of this size, beside others or from itself alone."""

    moved: float
    limit: float
    batch: int
    beside: str


def find_dependence(run: Run, height: int, width: int, *, precision: str) -> Dependence | None:
    """Where a picture's vector depends on its batch; None where it does not.

    Beside pictures of little contrast first, then beside white, black, grey and full noise, which change what a network
    takes from its whole batch: ranges, means, spreads. The one that is kept is quiet as well, or its own range would
    hide theirs; and once an ordinary one, of which a network may see more.
    """
    pictures = probe_pixels(np.random.default_rng(1), 5, height, width)
    quiet, plain = (pictures // 4 + 96).astype(np.uint8), plain_pixels(height, width)
    for size, place, is_quiet in _CASES:
        kept = (quiet if is_quiet else pictures)[place]
        alone = run(kept[None])[0]
        if not np.isfinite(alone).all():
            continue
        beside_quiet = run(_with(quiet[:size], place, kept))[place]
        beside_plain = run(_with(np.concatenate([plain, plain])[:size], place, kept))[place]
        moved, limit = _moved(beside_quiet, alone), MOST_BESIDE_NONE[precision]
        if not moved <= limit:  # also catches NaN
            return Dependence(moved, limit, size, "others of its kind")
        moved, limit = _moved(beside_plain, beside_quiet), MOST_BESIDE_OTHERS
        if not moved <= limit:
            return Dependence(moved, limit, size, "white, black and noise")
    return None


def batch_wide_node(model: onnx.ModelProto, image: str) -> str | None:
    """Operator and name of a node that quantises images by the range of their whole batch; None without one."""
    of_image = {image}
    for node in model.graph.node:
        if not of_image.isdisjoint(read_by(node)):
            of_image.update(node.output)
            if node.op_type.startswith("DynamicQuantize"):
                return f"{node.op_type} {node.name!r}"
    return None


def _moved(vector: Vectors, still: Vectors) -> float:
    """The length of the difference, as a share of a vector's length; NaN where either is not finite."""
    length = float(np.linalg.norm(still.astype(np.float64)))
    difference = float(np.linalg.norm(vector.astype(np.float64) - still))
    return difference / length if length else difference


def _with(others: Pixels, place: int, kept: Pixels) -> Pixels:
    """A batch with one picture in its place among others."""
    batch = others.copy()
    batch[place] = kept
    return batch
