"""Detections of one picture by numpy, out of what a foreign detector gives for it: the reference of adoption.

A detection is a box, a score and a vector, the surest first. What is no box once it is cut at the picture's border, and
what has no finite score, is no detection.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.errors import UsageError
from export.adoption.pooling import MEAN, Pooling
from export.region_reference import regions_of
from export.regions import Alignment, alignment_for

UNITS = ("px", "share")
FORMATS = ("xyxy", "xywh", "cxcywh")
DEFAULT_DETECTIONS = 100
"""Of a picture, where a detector does not fix how many it gives."""
MOST_DETECTIONS = 10_000
"""Of a picture: each has so many rows in every answer and golden example, whatever is found."""
BESIDES = 6
"""Numbers of a packed detection beside its vector: the box, the score, and 1 where there is one."""
_LARGEST_SHARE = 2.0
"""What half of all boxes in shares never reach, and those in pixels do; single ones may be of any size."""
Floats = npt.NDArray[np.float32]
Raw = Mapping[str, Any]
"""{value of the graph: what a run gave for it}."""


@dataclass(frozen=True, kw_only=True)
class DetectorOutputs:
    """What a user says of a detector's outputs.

    Attributes:
        boxes, scores, features: values of the graph.
        unit: of boxes, `px` of the network's input or `share` of it.
        box_format: `xyxy`, `xywh` (corner and size) or `cxcywh` (middle and size).
        limit: detections of a picture, the surest first; None: those that the network fixes, else DEFAULT_DETECTIONS.
        pooling: of a map's cells in a box: `avg` or `max`; None: `avg`, where there is a map.
    """

    boxes: str
    scores: str
    features: str
    unit: str = "px"
    box_format: str = "xyxy"
    limit: int | None = None
    pooling: Pooling | None = None

    def __post_init__(self) -> None:
        for option, value, known in (("--box-unit", self.unit, UNITS), ("--box-format", self.box_format, FORMATS)):
            if value not in known:
                raise UsageError(option, expected=f"one of {', '.join(known)}", got=repr(value))
        if self.pooling is not None and self.pooling.kind == "grid":
            raise UsageError("--pool with --boxes", expected="avg or max", got=str(self.pooling))
        if self.limit is not None and not 1 <= self.limit <= MOST_DETECTIONS:
            raise UsageError("--limit", expected=f"1 to {MOST_DETECTIONS:,} detections", got=str(self.limit))


@dataclass(frozen=True, kw_only=True)
class DetectorShapes:
    """How a detector's values are laid out, as seen in one run.

    Attributes:
        is_batched: boxes are [N, A, 4], and not those of one picture [A, 4].
        is_map: features are a map [N, C, h, w], and not a vector for each box.
        width: n, numbers of a vector.
        map_sides: (h, w) of the map.
    """

    is_batched: bool
    is_map: bool
    width: int
    map_sides: tuple[int, int] | None

    @property
    def alignment(self) -> Alignment:
        """How boxes are sampled from the map."""
        assert self.map_sides is not None
        return alignment_for(self.map_sides)


def shapes_of(runs: Sequence[Raw], asked: DetectorOutputs, *, batch: int, where: object) -> DetectorShapes:
    """The layout of what some runs gave; raises UsageError with what was expected of which value.

    Args:
        runs: {value: array} of each.
        batch: pictures of a run.
    """
    is_batched = runs[0][asked.boxes].ndim == 3
    is_map = all(_is_map(raw[asked.features], batch) for raw in runs)
    for raw in runs:
        _require_shapes(raw, asked, batch=batch, is_batched=is_batched, is_map=is_map, where=where)
    if asked.pooling is not None and not is_map:
        raise UsageError(
            f"--pool {asked.pooling}",
            expected="a map [N, channels, height, width], whose cells in a box it pools",
            got=f"--features {asked.features}, a vector for each box",
            where=where,
            mend="leave --pool out, or name a map with --features",
        )
    features = runs[0][asked.features]
    sides = None
    if is_map:
        width, sides = int(features.shape[1]), (int(features.shape[2]), int(features.shape[3]))
    else:
        kept = runs[0][asked.boxes].shape[:-1]
        width = math.prod(_by_box(features, kept).shape[len(kept) :])
    return DetectorShapes(
        is_batched=is_batched,
        is_map=is_map,
        width=width,
        map_sides=sides,
    )


def require_unit(runs: Sequence[Raw], asked: DetectorOutputs, *, where: object) -> None:
    """Raise UsageError where most boxes are in the other unit; what has no size is none, and says nothing."""
    boxes = np.concatenate([raw[asked.boxes].astype(np.float32).reshape(-1, 4) for raw in runs])
    sides = boxes[:, 2:] - boxes[:, :2] if asked.box_format == "xyxy" else boxes[:, 2:]
    boxes = boxes[np.isfinite(boxes).all(axis=1) & (sides > 0).all(axis=1)]
    if not len(boxes):
        return
    typical = float(np.median(np.abs(boxes).max(axis=1)))
    if (asked.unit == "share") != (typical <= _LARGEST_SHARE):
        other = "px" if asked.unit == "share" else "share"
        got = f"boxes up to {typical:.4g}, the median one"
        raise UsageError(f"--box-unit {asked.unit}", got=got, where=where, mend=f"try --box-unit {other}")


def _require_shapes(
    raw: Raw, asked: DetectorOutputs, *, batch: int, is_batched: bool, is_map: bool, where: object
) -> None:
    boxes, scores, features = (raw[name] for name in (asked.boxes, asked.scores, asked.features))
    for option, name in (("--boxes", asked.boxes), ("--scores", asked.scores), ("--features", asked.features)):
        if raw[name].dtype not in (np.float32, np.float16):
            raise UsageError(f"{option} {name}", expected="float32 or float16", got=str(raw[name].dtype), where=where)
    if boxes.ndim != (3 if is_batched else 2) or boxes.shape[-1] != 4 or (is_batched and len(boxes) != batch):
        _refuse("--boxes", asked.boxes, f"[detections, 4] of one picture, or [{batch}, detections, 4]", boxes, where)
    if not is_batched and batch > 1:
        _refuse("--boxes", asked.boxes, f"[{batch}, detections, 4] of a network of batch {batch}", boxes, where)
    count = boxes.shape[-2]
    kept = (batch, count) if is_batched else (count,)
    if scores.size != math.prod(kept) or (is_batched and len(scores) != batch):
        mend = "of scores by class, name the value with the largest" if scores.size > math.prod(kept) else None
        _refuse("--scores", asked.scores, f"one score a box, {list(kept)}", scores, where, mend)
    if not is_map and tuple(_by_box(features, kept).shape[: len(kept)]) != kept:
        expected = f"a vector a box, {[*kept, 'n']}, or a map [{batch}, channels, height, width]"
        _refuse("--features", asked.features, expected, features, where)


def _is_map(features: Any, batch: int) -> bool:
    return bool(features.ndim == 4 and len(features) == batch and features.shape[2] * features.shape[3] > 1)


def _by_box(features: Any, kept: tuple[int, ...]) -> Any:
    """Features with the axis of boxes where boxes have it: those of one picture may come as [1, D, n]."""
    is_led = len(kept) == 1 and features.ndim == 3 and features.shape[:2] == (1, *kept)
    return features[0] if is_led else features


def detections_of(raw: Raw, asked: DetectorOutputs, shapes: DetectorShapes, most: int, size: tuple[int, int]) -> Floats:
    """The detections of the first picture of a run, packed: float32 [most, n + BESIDES], zeros where there is none.

    Args:
        most: detections to keep.
        size: height and width of the network's input in pixels.
    """
    boxes = raw[asked.boxes].astype(np.float32)
    boxes = as_shares(boxes[0] if shapes.is_batched else boxes, asked, size)
    scores = raw[asked.scores].astype(np.float32)
    scores = (scores[0] if shapes.is_batched else scores).reshape(-1)
    with np.errstate(invalid="ignore"):  # a NaN is larger than nothing
        is_one = (boxes[:, 2:] > boxes[:, :2]).all(axis=1) & np.isfinite(scores)
    places = np.flatnonzero(is_one)
    places = places[np.argsort(-scores[places], kind="stable")][:most]
    features = raw[asked.features].astype(np.float32)
    vectors: Floats
    if shapes.is_map:
        cells, _ = regions_of(features[:1], boxes[places][None], shapes.alignment)
        vectors = (asked.pooling or MEAN).of_map(cells)
    else:
        of_boxes = features[0] if shapes.is_batched else _by_box(features, (len(boxes),))
        vectors = of_boxes[places].reshape(len(places), shapes.width)
    packed = np.zeros((most, shapes.width + BESIDES), np.float32)
    packed[: len(places), : shapes.width] = vectors
    packed[: len(places), -6:-2] = boxes[places]
    packed[: len(places), -2] = scores[places]
    packed[: len(places), -1] = 1
    return packed


def as_shares(boxes: Floats, asked: DetectorOutputs, size: tuple[int, int]) -> Floats:
    """Boxes [A, 4] of any unit and format as x1, y1, x2, y2 in shares of the picture, cut at its border."""
    first, second = boxes[:, :2], boxes[:, 2:]
    if asked.box_format == "xywh":
        second = first + second
    elif asked.box_format == "cxcywh":
        half = second * np.float32(0.5)
        first, second = first - half, first + half
    corners: npt.NDArray[Any] = np.concatenate([first, second], axis=1)
    if asked.unit == "px":
        corners /= np.array([size[1], size[0]] * 2, np.float32)
    return np.asarray(np.clip(corners, 0, 1), np.float32)


def _refuse(option: str, name: str, expected: str, value: Any, where: object, mend: str | None = None) -> None:
    raise UsageError(f"{option} {name}", expected=expected, got=str(list(value.shape)), where=where, mend=mend)
