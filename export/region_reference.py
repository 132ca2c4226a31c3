"""Regions of feature maps by numpy: the reference that a graph with boxes has to match before it is published.

Not the way of the node: there samples are looked up one by one, here a box is two small matrices, one of rows and one
of columns, that interpolate the whole map at once. A test holds both against plain loops.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from artifact.arrays import Vectors
from export.regions import Alignment

Floats = npt.NDArray[np.float32]


def regions_of(maps: Floats, boxes: Floats, alignment: Alignment) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The bins of each box, float32 [N * R, C, *sides], zeros for what is no box; and which are boxes, bool [N, R].

    Args:
        maps: float32 [N, C, h, w].
        boxes: float32 [N, R, 4], shares of the picture.
    """
    inside = np.clip(np.nan_to_num(boxes, nan=0.0), 0, 1)
    is_box: npt.NDArray[np.bool_] = np.logical_and(
        ~np.isnan(boxes).any(axis=2), (inside[..., 2:] > inside[..., :2]).all(axis=2)
    )
    features = np.zeros((*boxes.shape[:2], maps.shape[1], *alignment.sides), np.float32)
    for image, row in zip(*np.nonzero(is_box), strict=True):
        x1, y1, x2, y2 = _inset(inside[image, row].astype(np.float64), alignment.inset)
        down = _interpolation(y1, y2, maps.shape[2], alignment.sides[0], alignment.samples)
        across = _interpolation(x1, x2, maps.shape[3], alignment.sides[1], alignment.samples)
        features[image, row] = down @ maps[image].astype(np.float64) @ across.T
    return features.reshape(-1, *features.shape[2:]), is_box


def _inset(box: npt.NDArray[np.float64], share: float) -> npt.NDArray[np.float64]:
    """A box without a share of each side, but for what is nearer to the picture's border than that."""
    left_out = share * (box[2:] - box[:2])
    return np.concatenate([box[:2] + np.minimum(left_out, box[:2]), box[2:] - np.minimum(left_out, 1 - box[2:])])


def probe_boxes(random: np.random.Generator, num_images: int, num_boxes: int) -> Floats:
    """float32 [N, R, 4] to try a graph on: the whole picture, boxes of all sizes, and a last row that is none."""
    corners = np.sort(random.random((num_images, num_boxes, 2, 2)), axis=2)
    boxes = corners.reshape(num_images, num_boxes, 4).astype(np.float32)
    boxes[:, 0] = (0, 0, 1, 1)
    if num_boxes > 1:
        boxes[:, -1] = np.nan
    return boxes


def as_rows(vectors: Vectors, is_box: npt.NDArray[np.bool_]) -> Floats:
    """Vectors [N * R, n] as float32 [N, R, n], zeros for what is no box."""
    rows = np.array(vectors, np.float32).reshape(*is_box.shape, -1)
    rows[~is_box] = 0
    return rows


def _interpolation(start: float, end: float, length: int, bins: int, samples: int) -> npt.NDArray[np.float64]:
    """[bins, length]: each row the weights of the cells of an axis in the mean of a bin's samples."""
    first, width = start * length - 0.5, (end - start) * length / bins
    weights = np.zeros((bins, length))
    for number in range(bins):
        for sample in range(samples):
            at = min(max(first + (number + (sample + 0.5) / samples) * width, 0.0), length - 1.0)
            low = min(int(at), length - 1)
            weights[number, low] += (1 - (at - low)) / samples
            if low + 1 < length:
                weights[number, low + 1] += (at - low) / samples
    return weights
