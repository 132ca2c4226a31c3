"""Golden examples: small synthetic pictures that every artifact carries with the vectors they must give.

They are drawn, never taken from the training data: an artifact travels, and a real photograph would travel with it.
Their sizes differ from the network's and their modes from RGB, so that they exercise decoding and resizing too.
"""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from artifact.model.manifest import Golden

TOLERANCE = 1e-3
"""Relative to max(1, largest |value|): other processors round differently; a damaged graph is off by far more."""


def golden_images() -> list[bytes]:
    """Four PNG files: colour gradient, discs on a transparent ground, stripes in a palette, 16-bit grey rings."""
    rows, columns = np.mgrid[0:36, 0:48].astype(np.float64)
    gradient = np.stack([columns * 255 / 47, rows * 255 / 35, 255 - columns * 255 / 47], axis=-1).astype(np.uint8)

    rows, columns = np.mgrid[0:40, 0:40]
    discs = np.zeros((40, 40, 4), np.uint8)
    for top, left, radius, color in ((14, 12, 10, (220, 40, 40)), (25, 26, 11, (30, 90, 200))):
        discs[(rows - top) ** 2 + (columns - left) ** 2 <= radius**2] = (*color, 255)

    rows, columns = np.mgrid[0:30, 0:52]
    stripes = Image.fromarray((((rows + 2 * columns) // 7) % 4).astype(np.uint8), "P")
    stripes.putpalette([0, 0, 0, 250, 200, 30, 20, 140, 80, 255, 255, 255])

    rows, columns = np.mgrid[0:44, 0:32].astype(np.float64)
    radius = np.sqrt((rows - 22) ** 2 + (columns - 16) ** 2)
    rings = ((np.sin(radius / 2) + 1) * 32767).astype(np.uint16)

    images = (Image.fromarray(gradient), Image.fromarray(discs), stripes, Image.fromarray(rings))
    return [_png(image) for image in images]


def make_golden(images: list[bytes], vectors: npt.NDArray[np.float32]) -> Golden:
    """Bundle encoded images with their vectors [images, embedding_dim]."""
    return Golden(
        images=[base64.b64encode(image).decode() for image in images],
        vectors=base64.b64encode(np.ascontiguousarray(vectors, "<f4").tobytes()).decode(),
        tolerance=TOLERANCE,
    )


def read_golden(golden: Golden, embedding_dim: int) -> tuple[list[bytes], npt.NDArray[np.float32]]:
    """The encoded images and their vectors [images, embedding_dim]."""
    images = [base64.b64decode(image) for image in golden.images]
    vectors = np.frombuffer(base64.b64decode(golden.vectors), "<f4").reshape(len(images), embedding_dim)
    return images, vectors.astype(np.float32)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
