"""Two gates that an int8 graph must pass before anything is published: cosine to the fp32 vectors, and recall@1 lost.

Decisions a reader would question:
- The gate is on the recall lost as measured; the confidence interval is told with it, and whether it too is within the
  limit. On fewer than 2,000 images it can hardly be, which is said; a gate on it would refuse every small data set.
- Only the mean cosine has a limit. The worst single image is told too, but among enough images there is always one near
  the origin, where a small error turns a vector far.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from analysis.measures.intervals import CONFIDENCE
from analysis.measures.paired import PairedRecall, paired_recall
from analysis.neighbours.labels import Labels
from artifact.arrays import Vectors
from artifact.distances.cosine import cosines_of_pairs
from artifact.errors import ParityError, UsageError
from artifact.images.decoding import Pixels
from trainer.data.images import Images

ENOUGH_IMAGES = 2000
DEFAULT_MAX_RECALL_LOSS = 0.5
DEFAULT_MIN_COSINE = 0.99
_BATCH = 16

Embed = Callable[[Pixels], Vectors]
"""uint8 [N, H, W, 3] -> float32 [N, n]."""


@dataclass(frozen=True, kw_only=True)
class Gates:
    """Limits that an int8 graph must keep.

    Attributes:
        max_recall_loss: recall@1 lost at most, in percentage points.
        min_cosine: mean cosine between fp32 and int8 vectors at least.
    """

    max_recall_loss: float = DEFAULT_MAX_RECALL_LOSS
    min_cosine: float = DEFAULT_MIN_COSINE

    def __post_init__(self) -> None:
        if not 0.0 <= self.max_recall_loss <= 100.0:
            raise UsageError("--max-recall-loss", expected="points from 0 to 100", got=f"{self.max_recall_loss:g}")
        if not -1.0 <= self.min_cosine <= 1.0:
            raise UsageError("min_cosine", expected="a cosine from -1 to 1", got=f"{self.min_cosine:g}")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The measurements of the gates, passed or not.

    Attributes:
        num_images: how many were embedded by both.
        mean_cosine, min_cosine: between the fp32 and the int8 vector of each image.
        recall: leave-one-out recall@1 of both, and its paired difference.
    """

    num_images: int
    mean_cosine: float
    min_cosine: float
    recall: PairedRecall
    limits: Gates

    @property
    def is_enough(self) -> bool:
        """Whether as many images were used as it takes to tell half a point."""
        return self.num_images >= ENOUGH_IMAGES

    @property
    def is_certain(self) -> bool:
        """Whether the whole confidence interval is within the limit."""
        return 100 * self.recall.high <= self.limits.max_recall_loss

    def lines(self) -> list[str]:
        """What to print, one line a gate, and one where the images are too few."""
        recall, limits = self.recall, self.limits
        lines = [
            f"cosine to fp32 over {self.num_images} images: mean {self.mean_cosine:.5f} (at least "
            f"{limits.min_cosine:g}), worst {self.min_cosine:.5f}",
            f"recall@1 {100 * recall.reference:.2f} % -> {100 * recall.candidate:.2f} %: {_lost(self)}",
        ]
        if not self.is_enough:
            lines.append(
                f"only {self.num_images} held-out images, and {ENOUGH_IMAGES} tell half a point: the interval is wide; "
                "give more with --evaluation DIR"
            )
        return lines

    def to_dict(self) -> dict[str, Any]:
        """For the manifest; shares as shares, the limit and the loss in percentage points."""
        recall = asdict(self.recall)
        lost, low, high = (recall.pop(key) for key in ("lost", "low", "high"))
        return {
            "num_images": self.num_images,
            "enough_images": self.is_enough,
            "cosine": {"mean": self.mean_cosine, "min": self.min_cosine, "limit": self.limits.min_cosine},
            "recall@1": {
                **recall,
                "lost_points": 100 * lost,
                "interval_points": [100 * low, 100 * high],
                "limit_points": self.limits.max_recall_loss,
                "interval_within_limit": self.is_certain,
                "method": "leave-one-out, paired; Tango's score interval",
            },
        }


def judge(reference: Vectors, candidate: Vectors, labels: Labels, *, distance: str, limits: Gates) -> Verdict:
    """Measure a candidate against the fp32 vectors of the same images, float32 [images, n] both; labels [images]."""
    for what, vectors in (("fp32", reference), ("int8", candidate)):
        if not np.isfinite(vectors).all():
            rows = int((~np.isfinite(vectors).all(axis=1)).sum())
            raise ParityError(f"{what} vectors", expected="finite numbers", got=f"NaN or infinity for {rows} images")
    cosines = cosines_of_pairs(reference, candidate)
    return Verdict(
        num_images=len(labels),
        mean_cosine=float(cosines.mean()),
        min_cosine=float(cosines.min()),
        recall=paired_recall(reference, candidate, labels, distance=distance),
        limits=limits,
    )


def require(verdict: Verdict) -> None:
    """Raise ParityError with the first gate that is shut."""
    limits = verdict.limits
    mend = "nothing was published; calibrate on more images like those to be embedded, or keep fp32 or fp16"
    if verdict.mean_cosine < limits.min_cosine:
        raise ParityError(
            "int8 vectors are too far from fp32",
            expected=f"a mean cosine of at least {limits.min_cosine:g}",
            got=f"{verdict.mean_cosine:.5f} over {verdict.num_images} images",
            mend=mend,
        )
    if 100 * verdict.recall.lost > limits.max_recall_loss:
        raise ParityError(
            "int8 loses too much recall@1",
            expected=f"at most {limits.max_recall_loss:g} points",
            got=_lost(verdict),
            mend=f"{mend}, or allow more with --max-recall-loss",
        )


def embed_images(networks: list[Embed], images: Images) -> list[Vectors]:
    """float32 [images, n] of every network; each image is decoded once."""
    parts: list[list[Vectors]] = [[] for _ in networks]
    for start in range(0, len(images), _BATCH):
        pixels = images.pixels(np.arange(start, min(start + _BATCH, len(images)), dtype=np.int64))
        for network, found in zip(networks, parts, strict=True):
            found.append(network(pixels))
    return [np.concatenate(found) for found in parts]


def _lost(verdict: Verdict) -> str:
    recall = verdict.recall
    return (
        f"{100 * recall.lost:.2f} points lost, {100 * CONFIDENCE:g} % interval {100 * recall.low:.2f} to "
        f"{100 * recall.high:.2f} (limit {verdict.limits.max_recall_loss:g}; {verdict.num_images} images, "
        f"{recall.only_reference} right in fp32 alone, {recall.only_candidate} in int8 alone)"
    )
