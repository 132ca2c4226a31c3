"""Probe pictures to try a network on: coarse coloured blocks with noise, nearer to photographs than white noise is.

White noise, which most networks map to one place, would hide a graph that ignores its input.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BATCHES = (1, 2, 7)
"""Sizes that a new graph is tried at: they catch a batch that an exporter fixed."""


def probe_pixels(random: np.random.Generator, count: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    """uint8 [count, height, width, 3], every picture another."""
    blocks = random.integers(0, 256, (count, 5, 5, 3))
    rows, columns = np.arange(height) * 5 // height, np.arange(width) * 5 // width
    noise = random.integers(-20, 21, (count, height, width, 3))
    return (blocks[:, rows][:, :, columns] + noise).clip(0, 255).astype(np.uint8)


def probe_rows(random: np.random.Generator, count: int, width: int) -> npt.NDArray[np.float32]:
    """float32 [count, width], rows of attributes of which every other number is missing, which is 0."""
    rows = random.standard_normal((count, width)).astype(np.float32)
    return np.where(random.random((count, width)) < 0.5, rows, np.float32(0))


def plain_pixels(height: int, width: int) -> npt.NDArray[np.uint8]:
    """uint8 [4, height, width, 3]: white, black, grey, and noise of the whole range; what probe pictures never are.

    A network that divides by a spread of 0, or whose numbers grow too large for half precision, shows it here.
    """
    noise = np.random.default_rng(0).integers(0, 2, (height, width, 3)) * 255
    plain = [np.full((height, width, 3), level) for level in (255, 0, 128)]
    return np.stack([*plain, noise]).astype(np.uint8)
