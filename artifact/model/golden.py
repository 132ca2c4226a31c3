"""Golden examples: small synthetic pictures, boxes or rows of attributes, in every artifact, with their vectors.

They are drawn, never taken from the training data: an artifact travels, and a real photograph would travel with it.
The pictures' sizes differ from the network's and their modes from RGB, so that they exercise decoding and resizing too.
"""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from artifact.arrays import Vectors
from artifact.attributes import CATEGORY, FLAG, Attributes
from artifact.model.parts import Golden

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


def golden_attribute_rows(attributes: Attributes) -> Vectors:
    """Four rows, float32 [4, A]: another value of each attribute in each, and every other one missing in the last."""
    rows = np.zeros((4, attributes.width), np.float32)
    for place, (attribute, columns) in enumerate(zip(attributes.attributes, attributes.slices.values(), strict=True)):
        for row in range(4):
            if row == 3 and place % 2:
                continue
            if attribute.type == CATEGORY:
                rows[row, columns.start + (row + place) % attribute.width] = 1
            elif attribute.type == FLAG:
                rows[row, columns] = 1 if (row + place) % 2 else -1
            else:
                rows[row, columns] = (-1.5, -0.25, 0.5, 2.0)[(row + place) % 4], 1
    return rows


def golden_boxes(num_images: int) -> npt.NDArray[np.float32]:
    """float32 [images, 3, 4]: the whole picture, a part of it, another in each, and a row that is no box."""
    part = np.array([[0.1, 0.2, 0.6, 0.7], [0.4, 0.0, 1.0, 0.5], [0.0, 0.55, 0.45, 1.0], [0.3, 0.3, 0.9, 0.6]], "<f4")
    whole, none = np.array([0, 0, 1, 1], "<f4"), np.full(4, np.nan, "<f4")
    return np.stack([np.stack([whole, part[number % len(part)], none]) for number in range(num_images)])


def make_golden(
    images: list[bytes], vectors: Vectors, boxes: Vectors | None = None, scores: Vectors | None = None
) -> Golden:
    """Bundle encoded images with their vectors [images, embedding_dim]; of boxes [images, R, 4] with [images, R, n].

    Args:
        scores: of detections, [images, R].
    """
    return Golden(
        images=[base64.b64encode(image).decode() for image in images],
        vectors=_as_text(vectors),
        tolerance=TOLERANCE,
        boxes=None if boxes is None else _as_text(boxes),
        scores=None if scores is None else _as_text(scores),
    )


def make_golden_rows(rows: Vectors, vectors: Vectors) -> Golden:
    """Bundle rows of attributes [rows, A] with their vectors [rows, embedding_dim]."""
    return Golden(rows=_as_text(rows), vectors=_as_text(vectors), tolerance=TOLERANCE)


def with_golden_rows(golden: Golden, rows: Vectors, vectors: Vectors) -> Golden:
    """Golden images, and as many rows of attributes with theirs."""
    return golden.model_copy(update={"rows": _as_text(rows), "row_vectors": _as_text(vectors)})


def read_golden(golden: Golden, embedding_dim: int) -> tuple[list[bytes], Vectors]:
    """The encoded images and their vectors [images, embedding_dim]; with boxes [images, R, embedding_dim].

    Raises:
        ValueError: there are no images, or not as many vectors.
    """
    images = [base64.b64decode(image) for image in golden.images]
    if not images:
        raise ValueError("no images")
    of_boxes = () if golden.boxes is None else (-1,)
    return images, _from_text(golden.vectors, "vectors", (len(images), *of_boxes, embedding_dim))


def read_golden_rows(golden: Golden, width: int, embedding_dim: int) -> tuple[Vectors, Vectors]:
    """The rows of attributes [rows, A] and their vectors [rows, embedding_dim]; ValueError where there are none."""
    rows = _from_text(golden.rows, "rows", (-1, width))
    vectors = golden.vectors if golden.row_vectors is None else golden.row_vectors
    return rows, _from_text(vectors, "row_vectors", (len(rows), embedding_dim))


def read_boxes(golden: Golden) -> Vectors:
    """The boxes in golden images, float32 [images, R, 4]; ValueError where there are none."""
    return _from_text(golden.boxes, "boxes", (len(golden.images), -1, 4))


def read_scores(golden: Golden) -> Vectors:
    """The scores of golden detections, float32 [images, R]; ValueError where there are none."""
    return _from_text(golden.scores, "scores", (len(golden.images), -1))


def _as_text(array: Vectors) -> str:
    """Little-endian float32, the last axis first, as base64."""
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode()


def _from_text(text: str | None, name: str, shape: tuple[int, ...]) -> Vectors:
    """float32 of a shape, in which -1 stands for what is there; ValueError where it is none, or of another shape."""
    if not text:
        raise ValueError(f"no {name}")
    return np.frombuffer(base64.b64decode(text), "<f4").reshape(shape).astype(np.float32)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
