"""Regions of a feature map by plain loops: the reference of everything that aligns boxes with maps."""

from __future__ import annotations

import numpy as np


def bilinear(plane: np.ndarray, y: float, x: float) -> float:
    """The value of a plane [h, w] between its cells, whose centres are whole numbers; 0 beyond one cell outside."""
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = max(y, 0.0), max(x, 0.0)
    top, left = min(int(y), height - 1), min(int(x), width - 1)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, over = (0.0 if bottom == top else y - top), (0.0 if right == left else x - left)
    upper = (1 - over) * plane[top, left] + over * plane[top, right]
    lower = (1 - over) * plane[bottom, left] + over * plane[bottom, right]
    return float((1 - down) * upper + down * lower)


def plain_regions(
    maps: np.ndarray, boxes: np.ndarray, sides: tuple[int, int], samples: int, inset: float = 0.0
) -> np.ndarray:
    """Features float64 [N, R, C, *sides] of maps [N, C, h, w] in boxes [N, R, 4], shares; zeros for what is no box."""
    num_images, num_channels, height, width = maps.shape
    result = np.zeros((num_images, boxes.shape[1], num_channels, *sides))
    for image in range(num_images):
        for row, box in enumerate(boxes[image].astype(np.float64)):
            if np.isnan(box).any():
                continue
            x1, y1, x2, y2 = (min(max(float(share), 0.0), 1.0) for share in box)
            if x2 <= x1 or y2 <= y1:
                continue
            over, down = inset * (x2 - x1), inset * (y2 - y1)
            x1, x2 = x1 + min(over, x1), x2 - min(over, 1 - x2)
            y1, y2 = y1 + min(down, y1), y2 - min(down, 1 - y2)
            bin_height, bin_width = (y2 - y1) * height / sides[0], (x2 - x1) * width / sides[1]
            for channel in range(num_channels):
                plane = maps[image, channel].astype(np.float64)
                for i in range(sides[0]):
                    for j in range(sides[1]):
                        values = [
                            bilinear(
                                plane,
                                y1 * height - 0.5 + (i + (a + 0.5) / samples) * bin_height,
                                x1 * width - 0.5 + (j + (b + 0.5) / samples) * bin_width,
                            )
                            for a in range(samples)
                            for b in range(samples)
                        ]
                        result[image, row, channel, i, j] = sum(values) / len(values)
    return result
