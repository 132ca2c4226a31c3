"""A window of rows: which distinct images it holds, and their vectors back into rows with the distances between them.

The distances are computed here, by artifact/distances.py, for any artifact: equal to those of a full graph; a branch
artifact has none of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.distances import DISTANCES, Vectors
from artifact.kinds import BRANCH_INPUT, BRANCH_OUTPUT, KINDS, distance_name, embedding_name
from artifact.manifest import Manifest
from artifact.preprocessing import ImageError
from serving.pictures import ImageLike, Picture, picture

Columns = dict[str, npt.NDArray[Any]]
SAME = "same"


@dataclass(frozen=True, kw_only=True)
class ScoredRows:
    """The answer for one window.

    Attributes:
        num_rows: rows of the window.
        num_images: distinct images that were run.
        rows: numbers, from 0, of the rows whose every image could be read; K of them.
        columns: one value each for those rows: `embedding` float32 [K, n]; or `embedding_<stream>`,
            `distance_<a>_<b>` float32 [K] and, where the artifact has a threshold, `same` bool [K].
        bad: (row, stream, reason) of every image that could not be read, by row.
    """

    num_rows: int
    num_images: int
    rows: npt.NDArray[np.int64]
    columns: Columns
    bad: list[tuple[int, str, str]]


class Window:
    """Rows of one stream or several.

    Args:
        streams: {stream: images}, as many in each.

    Attributes:
        distinct: the images without repetition, in order of first sight.
    """

    def __init__(self, streams: Mapping[str, Sequence[ImageLike]]) -> None:
        numbers: dict[Picture, int] = {}
        self._places = {
            name: np.array([numbers.setdefault(picture(image), len(numbers)) for image in images], np.int64)
            for name, images in streams.items()
        }
        self.distinct = list(numbers)

    def answer(self, results: Sequence[Vectors | ImageError], manifest: Manifest) -> ScoredRows:
        """Put the rows together from the vector of each distinct image, or why it could not be read."""
        reasons = {number: str(result) for number, result in enumerate(results) if isinstance(result, ImageError)}
        blank = np.zeros(manifest.embedding_dim, np.float32)  # in the place of an unreadable image; no row looks there
        table = np.array([blank if isinstance(result, ImageError) else result for result in results], np.float32)
        bad = sorted(
            (row, name, reasons[number])
            for name, places in self._places.items()
            for row, number in enumerate(places.tolist())
            if number in reasons
        )
        num_rows = len(next(iter(self._places.values())))
        rows = np.setdiff1d(np.arange(num_rows), np.array([row for row, _, _ in bad], np.int64))
        table = table.reshape(len(results), manifest.embedding_dim)
        vectors = {name: table[places[rows]] for name, places in self._places.items()}
        return ScoredRows(
            num_rows=num_rows,
            num_images=len(results) - len(reasons),
            rows=rows,
            columns=columns_of(vectors, manifest),
            bad=bad,
        )


def columns_of(vectors: Mapping[str, Vectors], manifest: Manifest) -> Columns:
    """The columns of ScoredRows from {stream: float32 [K, n]}."""
    if set(vectors) == {BRANCH_INPUT}:
        return {BRANCH_OUTPUT: vectors[BRANCH_INPUT]}
    kind = KINDS[manifest.kind]
    columns: Columns = {embedding_name(name): vectors[name] for name in kind.streams}
    for a, b in kind.pairs:
        columns[distance_name((a, b))] = DISTANCES[manifest.distance](vectors[a], vectors[b])
    if manifest.threshold:
        columns[SAME] = columns[distance_name(kind.pairs[0])] <= np.float32(manifest.threshold["value"])
    return columns


def empty_columns(streams: Sequence[str], manifest: Manifest) -> Columns:
    """The columns for no rows: their names, types and widths."""
    return columns_of({name: np.empty((0, manifest.embedding_dim), np.float32) for name in streams}, manifest)
