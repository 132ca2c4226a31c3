"""The golden examples of an artifact, as its graph takes them, and what it must give for them.

Those of one artifact may be run by another that takes the same: a full artifact takes the images of a branch. So they
are read for all modes alike, and `golden_feeds` says what a mode makes of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from artifact.arrays import AnyArray, Vectors
from artifact.distances import DISTANCES
from artifact.errors import ArtifactError
from artifact.images.decoding import Pixels
from artifact.images.image_error import ImageError
from artifact.images.preprocessing import Preprocessing, load_pixels
from artifact.kinds import ATTRIBUTES, BRANCH_INPUT, BRANCH_OUTPUT, KINDS, distance_name, embedding_name
from artifact.model.golden import read_boxes, read_golden, read_golden_rows, read_scores
from artifact.model.manifest import Manifest
from artifact.model.parts import Golden
from artifact.modes import BOXES, DETECTIONS, FULL, OF_ATTRIBUTES, OF_BOXES, REGIONS, SCORES, TOWER_STREAMS, TOWERS


@dataclass(frozen=True, kw_only=True)
class GoldenExamples:
    """Golden examples; None is what the artifact that carries them has none of.

    Attributes:
        pixels: uint8 [N, H, W, 3] of the images.
        vectors: float32 [N, embedding_dim] of the images; with boxes [N, R, embedding_dim].
        rows: float32 [N, A] of attributes.
        row_vectors: float32 [N, embedding_dim] of these rows.
        boxes: float32 [N, R, 4] in the images, NaN for none.
        scores: float32 [N, R] of boxes that are found.
    """

    pixels: Pixels | None = None
    vectors: Vectors | None = None
    rows: Vectors | None = None
    row_vectors: Vectors | None = None
    boxes: Vectors | None = None
    scores: Vectors | None = None

    def __len__(self) -> int:
        return len(self.first_vectors)

    @property
    def first_vectors(self) -> Vectors:
        """Those of the first stream, or of the only one."""
        return _there(self.row_vectors if self.vectors is None else self.vectors)


def golden_examples(manifest: Manifest, preprocessing: Preprocessing | None, *, where: object) -> GoldenExamples:
    """The golden examples of an artifact.

    Args:
        preprocessing: how to read its images, as the artifact does that is to run them; None leaves them out.

    Raises:
        ArtifactError: they cannot be read, or do not fit together.
    """
    golden, attributes = manifest.golden, manifest.attribute_set
    assert golden is not None
    try:
        read = {} if preprocessing is None else _images(manifest, golden, preprocessing)
        if manifest.mode in OF_ATTRIBUTES and attributes is not None:
            rows, vectors = read_golden_rows(golden, attributes.width, manifest.embedding_dim)
            if len(rows) != len(read.get("vectors", rows)):
                raise ValueError(f"{len(rows)} rows")
            read |= {"rows": rows, "row_vectors": vectors}
        return GoldenExamples(**read)
    except (ValueError, ImageError) as error:
        raise ArtifactError(
            "golden examples cannot be read", got=str(error), where=where, mend="export it again"
        ) from None


def _images(manifest: Manifest, golden: Golden, preprocessing: Preprocessing) -> dict[str, AnyArray]:
    images, vectors = read_golden(golden, manifest.embedding_dim)
    of_boxes = {"boxes": read_boxes(golden)} if manifest.mode in OF_BOXES else {}
    of_boxes |= {"scores": read_scores(golden)} if manifest.mode == DETECTIONS else {}
    for name, values in of_boxes.items():
        if values.shape[:2] != vectors.shape[:2]:
            raise ValueError(f"other {name} than vectors")
    pixels = np.stack([load_pixels(image, preprocessing) for image in images])
    read = {"vectors": vectors, **of_boxes}
    return {"pixels": pixels, **(read if manifest.detections is None else _padded(read, manifest.detections))}


def _padded(found: Mapping[str, Vectors], most: int) -> dict[str, Vectors]:
    """Golden detections [N, R, ...] with the rows of none behind, [N, most, ...]; ValueError where R is more."""
    missing = most - found["boxes"].shape[1]
    if missing < 0:
        raise ValueError(f"{most - missing} detections of a picture that has {most} at most")
    none = {name: np.nan if name == "boxes" else 0.0 for name in found}
    return {
        name: np.pad(values, [(0, 0), (0, missing)] + [(0, 0)] * (values.ndim - 2), constant_values=none[name])
        for name, values in found.items()
    }


def golden_feeds(manifest: Manifest, examples: GoldenExamples) -> tuple[dict[str, AnyArray], dict[str, Vectors]]:
    """What an artifact is fed for golden examples, and what it must give for them.

    Stream s of a full artifact takes the images rotated by s places; rows of attributes are taken in their order.
    """
    mode, kind = manifest.mode, KINDS[manifest.kind]
    if mode == ATTRIBUTES:
        return {ATTRIBUTES: _there(examples.rows)}, {BRANCH_OUTPUT: _there(examples.row_vectors)}
    pixels, vectors = _there(examples.pixels), _there(examples.vectors)
    if mode == FULL:
        rotated = {stream: np.roll(vectors, -shift, axis=0) for shift, stream in enumerate(kind.streams)}
        feeds = {stream: np.roll(pixels, -shift, axis=0) for shift, stream in enumerate(kind.streams)}
        return feeds, _with_distances(rotated, kind.pairs, manifest)
    feeds = {BRANCH_INPUT: pixels}
    if mode == TOWERS:
        of_towers = dict(zip(TOWER_STREAMS, (vectors, _there(examples.row_vectors)), strict=True))
        feeds[ATTRIBUTES] = _there(examples.rows)
        return feeds, _with_distances(of_towers, (TOWER_STREAMS,), manifest)
    expected = {BRANCH_OUTPUT: vectors}
    if mode == REGIONS:
        feeds[BOXES] = _there(examples.boxes)
    if mode == DETECTIONS:
        expected |= {BOXES: _there(examples.boxes), SCORES: _there(examples.scores)}
    return feeds, expected


def _with_distances(
    vectors: Mapping[str, Vectors], pairs: tuple[tuple[str, str], ...], manifest: Manifest
) -> dict[str, Vectors]:
    """The outputs of an artifact of several streams from their vectors [N, embedding_dim]."""
    distance = DISTANCES[manifest.distance]
    apart = {distance_name((a, b)): distance(vectors[a], vectors[b])[:, None] for a, b in pairs}
    return {embedding_name(stream): of_stream for stream, of_stream in vectors.items()} | apart


def _there(array: AnyArray | None) -> AnyArray:
    """What examples of such an artifact always have."""
    assert array is not None
    return array
