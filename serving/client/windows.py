"""A window of rows: which distinct images it holds, and their vectors back into rows with the distances between them.

The distances are computed here, by artifact/distances, for any artifact: equal to those of a full graph; a branch
artifact has none of its own.

Decision a reader would question: a file is known by its name, of which `./a.png`, `a.png` and the whole path are one.
A link to it, or a copy, runs again and gives the same vector: to look where each name leads would cost every table more
than it would save a few.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from artifact.arrays import AnyArray, Vectors
from artifact.distances import DISTANCES
from artifact.errors import LookalikeError
from artifact.images.image_error import ImageError
from artifact.images.limits import DEFAULT_LIMITS, Limits
from artifact.kinds import ATTRIBUTES, BRANCH_INPUT, BRANCH_OUTPUT, KINDS, distance_name, embedding_name
from artifact.model.manifest import Manifest
from rows.attribute_rows import AttributeRow
from rows.images import ImageRef
from rows.pictures.thumbnail import Thumbnail
from rows.vectors.cut_vectors import SAME, is_same
from serving.client.detections import detection_columns
from serving.client.pictures import ImageLike, picture
from serving.client.thumbnailing import Thumbnailing
from serving.client.vector_error import VectorError

ROWS_PER_WINDOW = 512
"""Rows that are put together at a time."""


@dataclass(frozen=True, kw_only=True)
class ScoredRows:
    """The answer for one window.

    Attributes:
        num_rows: rows of the window.
        num_images: distinct images that were run.
        rows: numbers, from 0, of the rows whose every image has a vector and whose distances are finite; K of them. Of
            an artifact of detections each stands there as often as its image has objects, and `columns` are those of
            serving/client/detections.py.
        columns: one value each for those rows: `embedding` float32 [K, n]; or `embedding_<stream>`,
            `distance_<a>_<b>` float32 [K] and, where the artifact has a threshold, `same` bool [K].
        bad: (row, stream, reason) of every image that could not be read or has no finite vector, by row; and of the
            longer vector of each distance that is not finite.
        unembedded: (row, stream) of those in `bad` whose image was read: it is the network that gave nothing of use.
        thumbnails: of the K rows, where they were asked for; None for an image of which none can be made.
    """

    num_rows: int
    num_images: int
    rows: npt.NDArray[np.int64]
    columns: dict[str, AnyArray]
    bad: list[tuple[int, str, str]]
    unembedded: frozenset[tuple[int, str]] = frozenset()
    thumbnails: Sequence[Thumbnail | None] | None = None

    @property
    def num_errors(self) -> int:
        """Rows with a bad image."""
        return len({row for row, _, _ in self.bad})


class Seen:
    """Images met so far, with a number each, and what became of them; windows that share one run no image twice.

    Its memory grows by a key and a vector for each distinct image: give every part of a job its own.

    Args:
        dim: n of the vectors.
        thumbnails_px: make a thumbnail of each image too, at most that wide and high; for single images only.
    """

    def __init__(self, dim: int, *, thumbnails_px: int | None = None) -> None:
        self.thumbnails_px = thumbnails_px
        self.thumbnails: dict[int, Thumbnail] = {}
        self.numbers: dict[Hashable, int] = {}
        self.reasons: dict[int, str] = {}
        self.unembedded: set[int] = set()
        self.detections: dict[int, Vectors] = {}
        self._num_known = 0
        self._vectors = np.zeros((64, dim), np.float32)

    @property
    def vectors(self) -> Vectors:
        """float32 [at least as many as are known, n]: row i belongs to the image numbered i, zeros where it is bad."""
        return self._vectors

    def add(self, results: Sequence[Vectors | ImageError]) -> None:
        """The vectors, or why there is none, of the next images by number."""
        end = self._num_known + len(results)
        if end > len(self._vectors):
            grown = np.zeros((max(end, 2 * len(self._vectors)), self._vectors.shape[1]), np.float32)
            grown[: self._num_known] = self._vectors[: self._num_known]
            self._vectors = grown
        for number, result in enumerate(results, start=self._num_known):
            if isinstance(result, ImageError):
                self.reasons[number] = str(result)  # not the error, which would keep all that its frames hold
                if isinstance(result, VectorError):
                    self.unembedded.add(number)
            elif result.ndim == 2:
                self.detections[number] = result
            else:
                self._vectors[number] = result
        self._num_known = end


class Window:
    """Rows of one stream or several.

    Args:
        streams: {stream: images}, as many in each; or {"attributes": rows of attributes}.
        seen: the images of the windows before it, which are answered before it.
        limits: of PIL images, which are decoded here.
        first_row: rows before it, for those who are told of a row.

    Raises:
        UsageError: something that is no image, with its row.

    Attributes:
        num_rows: its rows.
        fresh: the images, or rows of attributes, that none of these windows has, each once, in order of first sight.
        num_bytes: of the files and pixels that they hold.
    """

    def __init__(
        self,
        streams: Mapping[str, Sequence[ImageLike | AttributeRow]],
        seen: Seen,
        *,
        limits: Limits = DEFAULT_LIMITS,
        first_row: int = 0,
    ) -> None:
        self.fresh: list[ImageRef | AttributeRow] = []
        self.num_bytes = 0
        self._seen, self._limits, self._first_row = seen, limits, first_row
        self._first_fresh = len(seen.numbers)
        self._bad: list[tuple[int, str, str]] = []
        self._places = {
            name: np.array([self._place(image, row, name) for row, image in enumerate(images)], np.int64)
            for name, images in streams.items()
        }
        self.num_rows = len(next(iter(self._places.values())))

    def thumbnailing(self, at: int) -> tuple[Thumbnailing, ...]:
        """What a batch of the fresh images from place `at` on makes besides vectors: nothing, or their thumbnails."""
        px, first, made = self._seen.thumbnails_px, self._first_fresh + at, self._seen.thumbnails
        if px is None:
            return ()
        return (Thumbnailing(px=px, keep=lambda place, thumbnail: made.__setitem__(first + place, thumbnail)),)

    def answer(self, results: Sequence[Vectors | ImageError], manifest: Manifest) -> ScoredRows:
        """Put the rows together from what became of each fresh image."""
        seen = self._seen
        seen.add(results)
        bad = self._bad + [
            (row, name, seen.reasons[number])
            for name, places in (self._places.items() if seen.reasons else ())
            for row, number in enumerate(places.tolist())
            if number in seen.reasons
        ]
        unembedded = {(row, name) for row, name, _ in bad if self._places[name][row] in seen.unembedded}
        bad.sort()
        rows = _without(self.num_rows, [row for row, _, _ in bad])
        if manifest.detections is not None:
            (numbers,) = (places[rows].tolist() for places in self._places.values())
            found = [seen.detections[number] for number in numbers]
            vectors, columns = {}, detection_columns(found, manifest.embedding_dim)
            rows = np.repeat(rows, [len(each) for each in found])
        else:
            vectors = {name: seen.vectors[places[rows]] for name, places in self._places.items()}
            columns = columns_of(vectors, manifest)
        if too_long := _too_long(vectors, columns, manifest):
            bad = sorted([*bad, *((int(rows[row]), name, reason) for row, name, reason in too_long)])
            unembedded |= {(int(rows[row]), name) for row, name, _ in too_long}
            kept = _without(len(rows), [row for row, _, _ in too_long])
            rows, columns = rows[kept], {name: values[kept] for name, values in columns.items()}
        return ScoredRows(
            num_rows=self.num_rows,
            num_images=sum(not isinstance(result, ImageError) for result in results),
            rows=rows,
            columns=columns,
            bad=bad,
            unembedded=frozenset(unembedded),
            thumbnails=self._thumbnails(rows),
        )

    def _thumbnails(self, rows: npt.NDArray[np.int64]) -> list[Thumbnail | None] | None:
        if self._seen.thumbnails_px is None:
            return None
        (places,) = self._places.values()
        return [self._seen.thumbnails.get(number) for number in places[rows].tolist()]

    def _place(self, image: ImageLike | AttributeRow, row: int, name: str) -> int:
        """The number of the image; -1 where it can have none, and its row is bad."""
        try:
            if isinstance(image, AttributeRow):
                return self._number_of_row(image)
            return self._number(picture(image, self._limits))
        except ImageError as error:
            self._bad.append((row, name, str(error)))
            return -1
        except LookalikeError as error:
            where = f"row {self._first_row + row}" + (f" of {name}" if name != BRANCH_INPUT else "")
            raise error.but(where=where) from None

    def _number(self, image: ImageRef) -> int:
        # by content where the table holds it: a part's worth of files, pixels or masks must not stay in memory
        key: Hashable = image.whole
        if image.data is not None:
            key = hashlib.sha256(image.data).digest()
        elif image.digest is not None:
            key = image.digest
        if image.region is not None:
            key = (key, image.region.key)
        return self._numbered(key, image)

    def _number_of_row(self, row: AttributeRow) -> int:
        if row.fault is not None:
            raise ImageError(row.fault)
        return self._numbered(row, row)

    def _numbered(self, key: Hashable, given: ImageRef | AttributeRow) -> int:
        known = len(self._seen.numbers)
        number = self._seen.numbers.setdefault(key, known)
        if number == known:
            self.fresh.append(given)
            self.num_bytes += given.num_bytes
        return number


def _without(num_rows: int, left_out: Sequence[int]) -> npt.NDArray[np.int64]:
    """The rows that are not left out, ascending; numpy's set functions import their parts amid the first call, and a
    module that a thread is importing at a fork is locked in the child for ever."""
    is_kept = np.ones(num_rows, bool)
    is_kept[list(left_out)] = False
    return np.flatnonzero(is_kept)


def columns_of(vectors: Mapping[str, Vectors], manifest: Manifest) -> dict[str, AnyArray]:
    """The columns of ScoredRows from {stream: float32 [K, n]}."""
    if set(vectors) in ({BRANCH_INPUT}, {ATTRIBUTES}):
        ((_, alone),) = vectors.items()
        return {BRANCH_OUTPUT: alone}
    kind = KINDS[manifest.kind]
    columns: dict[str, AnyArray] = {embedding_name(name): vectors[name] for name in kind.streams}
    for a, b in kind.pairs:
        with np.errstate(over="ignore", invalid="ignore"):  # of long vectors: such rows are bad
            columns[distance_name((a, b))] = DISTANCES[manifest.distance](vectors[a], vectors[b])
    if manifest.threshold:
        columns[SAME] = is_same(columns[distance_name(kind.pairs[0])], manifest.threshold["value"])
    return columns


def _too_long(
    vectors: Mapping[str, Vectors], columns: Mapping[str, AnyArray], manifest: Manifest
) -> list[tuple[int, str, str]]:
    """(row, stream, reason) of finite vectors so long that float32 has no number for a distance of theirs."""
    found: dict[tuple[int, str], str] = {}
    for a, b in KINDS[manifest.kind].pairs:
        distances = columns.get(distance_name((a, b)))
        if distances is None or np.isfinite(distances).all():
            continue
        for row in np.flatnonzero(~np.isfinite(distances)).tolist():
            longer, other = (a, b) if np.abs(vectors[a][row]).max() >= np.abs(vectors[b][row]).max() else (b, a)
            found.setdefault(
                (row, longer), f"the network gave a vector so long that the distance to {other} is not finite"
            )
    return [(row, name, reason) for (row, name), reason in found.items()]


def empty_columns(streams: Sequence[str], manifest: Manifest) -> dict[str, AnyArray]:
    """The columns for no rows: their names, types and widths."""
    return columns_of({name: np.empty((0, manifest.embedding_dim), np.float32) for name in streams}, manifest)
