"""Features that relevance is measured on: vectors of a table, found by id, or the images' own small pixels.

A source of them is iterated once, in its own order, and gives some rows at a time; nothing of all rows is in memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.datasets.triplets.class_images import ClassImages
from artifact.arrays import Indices, Vectors
from artifact.errors import DataError
from artifact.images.decoding import Pixels
from artifact.images.image_error import ImageError
from artifact.images.limits import DEFAULT_LIMITS, Limits
from artifact.images.preprocessing import Preprocessing, load_pixels
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S
from rows.ids import ids_as_text, repeated_id
from rows.images import ImageRef
from rows.pictures.ahead import in_order
from rows.vectors.table import VectorTable

PIXELS = "pixels"
SIDE_PX = 16
"""Of pictures that are compared as they are: what is left there is composition and colour."""

_PIXELS_DISTANCE = "euclidean"
_IMAGES_PER_READ = 512


_NAMED = 20


@dataclass
class Unusable:
    """Images and rows of vectors that could not be used: how many, and the first of them with their reasons."""

    num: int = 0
    first: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, reason: str) -> None:
        """Count one."""
        self.num += 1
        if len(self.first) < _NAMED:
            self.first.append((name, reason))


@dataclass(kw_only=True)
class Features:
    """Rows of images with what they are compared by.

    Attributes:
        dim: numbers of each.
        distance: a key of artifact.distances.DISTANCES.
        batches: gives (int64 [b] rows of the images, float32 [b, dim]); iterated once.
        bad: what was left out, filled as `batches` goes on.
        num_without: images with a class that have no features, known at its end.
    """

    dim: int
    distance: str
    batches: Callable[[], Iterator[tuple[Indices, Vectors]]]
    bad: Unusable = field(default_factory=Unusable)
    num_without: int = 0


def features_of_vectors(images: ClassImages, table: VectorTable, *, distance: str) -> Features:
    """The vectors of a table; its rows are those of the images by their ids.

    Raises (as they are iterated):
        DataError: none of its ids is one of the images, or one of either comes twice.
    """
    features = Features(dim=table.dim, distance=distance, batches=lambda: batches())

    def batches() -> Iterator[tuple[Indices, Vectors]]:
        has_ids, is_found = "id" in table.schema.names, np.zeros(len(images.ids), bool)
        if (got := repeated_id(images.ids)) is not None:
            raise _not_once("images", got, images.table.source)
        for batch in table.batches(["id"] if has_ids else []):
            if has_ids:
                ids = ids_as_text(batch.columns["id"])
            else:
                ids = ids_as_text(pa.array(np.arange(batch.first_row, batch.first_row + len(batch))))
            rows = pc.fill_null(pc.index_in(ids, value_set=images.ids), -1).to_numpy(zero_copy_only=False)
            is_known = rows >= 0
            known, times = np.unique(rows[is_known], return_counts=True)
            again = known[is_found[known] | (times > 1)]
            if len(again):
                raise _not_once("vectors", f"{images.ids[int(again[0])].as_py()!r} in several rows", table.source)
            is_found[known] = True
            for row in np.flatnonzero(~is_known).tolist():
                features.bad.add(str(ids[row].as_py()), "no image has this id")
            yield rows[is_known].astype(np.int64), batch.vectors[is_known]
        features.num_without = int((~is_found & (images.labels >= 0)).sum())
        if not is_found.any():
            raise DataError(
                "vectors to measure relevance by",
                expected=f"ids of {images.table.source}, such as {images.ids[0].as_py()!r}",
                got=repr(features.bad.first[0][0]) if features.bad.num else "no row",
                where=table.source,
            )

    return features


def _not_once(what: str, got: str, where: object) -> DataError:
    return DataError(f"ids of {what}", expected="each once, for vectors are found by them", got=got, where=where)


def features_of_pixels(
    images: ClassImages, *, limits: Limits = DEFAULT_LIMITS, read_timeout_s: float = DEFAULT_READ_TIMEOUT_S
) -> Features:
    """The images' own pixels at 16 px, in 0..1, compared by euclidean distance."""
    how = Preprocessing(height=SIDE_PX, width=SIDE_PX)
    features = Features(dim=SIDE_PX * SIDE_PX * 3, distance=_PIXELS_DISTANCE, batches=lambda: batches())

    def read(ref: ImageRef, turn: threading.Semaphore, is_wanted: Callable[[], bool]) -> Pixels | ImageError:
        try:
            content = ref.read(limits.max_bytes, timeout_s=read_timeout_s)
            with turn:
                return load_pixels(content, how, limits)
        except ImageError as error:
            return error

    def refs() -> Iterator[tuple[tuple[int, str], ImageRef]]:
        for batch in images.table.batches(_IMAGES_PER_READ):
            (of_batch,) = batch.images.values()
            for row, (name, ref) in enumerate(zip(batch.ids, of_batch, strict=True), batch.first_row):
                if images.labels[row] >= 0:
                    yield (row, name), ref

    def batches() -> Iterator[tuple[Indices, Vectors]]:
        rows: list[int] = []
        some: list[Pixels] = []
        for (row, name), result in in_order(refs(), read):
            if isinstance(result, ImageError):
                features.bad.add(name, str(result))
                continue
            rows.append(row)
            some.append(result)
            if len(rows) == _IMAGES_PER_READ:
                yield np.array(rows), _as_vectors(some)
                rows, some = [], []
        if rows:
            yield np.array(rows), _as_vectors(some)

    return features


def _as_vectors(pixels: list[Pixels]) -> Vectors:
    return np.stack(pixels).reshape(len(pixels), -1).astype(np.float32) / np.float32(255)
