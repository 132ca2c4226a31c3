"""Tables of tuples: each row names the images of its streams, and of siamese pairs whether they are different.

Decisions a reader would question:
- The images of a row are different images, by content: one that is its own positive teaches nothing, and one that is
  its own negative cannot be learned. Such rows are refused, not skipped: the table does not mean what it says.
- An image that cannot be read takes its tuples with it, within the limit on bad images.
- There are no classes here: nothing says that the anchors of two rows are different. So nothing is mined, retrieval is
  not measured, and what is held out are tuples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from artifact.arrays import Flags, Indices
from artifact.errors import DataError
from rows.formats.source import Source
from rows.images import ImageRef
from rows.pair_target import is_different
from trainer.data.image_files import ImageFiles
from trainer.data.images import BadImage, Images
from trainer.data.table_columns import TableColumns
from trainer.data.table_images import TableImages, column_values, listed_rows


@dataclass(frozen=True, kw_only=True)
class TupleRows:
    """Tuples of images.

    Attributes:
        images: int64 [T, streams], indices into Images.
        different: bool [T], of siamese pairs: True where the two are different; else None.
        rows: int64 [T], where each stood in its table, from 0.
    """

    images: Indices
    different: Flags | None = None
    rows: Indices

    def __len__(self) -> int:
        return len(self.images)

    def take(self, chosen: Indices) -> TupleRows:
        """Some of the tuples, in the order asked for."""
        different = None if self.different is None else self.different[chosen]
        return TupleRows(images=self.images[chosen], different=different, rows=self.rows[chosen])

    def with_images(self, numbers: Indices) -> TupleRows:
        """The same tuples where image i is now called numbers[i]: int64 [images]."""
        return TupleRows(images=numbers[self.images], different=self.different, rows=self.rows)


@dataclass(frozen=True, kw_only=True)
class TupleFiles:
    """A table of tuples before its images are read.

    Attributes:
        files: each image that the table names, once; by path, or by content where the table holds it.
        tuples: over these.
        streams: names of the columns of `tuples.images`.
    """

    files: ImageFiles
    tuples: TupleRows
    streams: tuple[str, ...]


def open_tuple_table(path: Path, columns: TableColumns, source: Source) -> TupleFiles:
    """The tuples of a table and the images they name; no image is decoded yet.

    Raises:
        DataError: a table that cannot be read further down, or a target that is neither 0 nor 1.
    """
    names: list[str] = []
    wanted: list[int] = []
    numbers: dict[object, int] = {}
    rows: list[list[int]] = []
    images = TableImages(source, tuple(columns.images.values()))
    for row, refs in enumerate(images.by_row()):
        found = []
        for position, (stream, ref) in enumerate(zip(columns.images, refs, strict=True)):
            key = _key(ref, row, stream)
            if key not in numbers:
                numbers[key] = len(names)
                names.append(_name(ref, row, stream, path))
                wanted.append(row * len(refs) + position)
            found.append(numbers[key])
        rows.append(found)
    different = _targets(source, columns.target, path) if columns.target is not None else None
    tuples = TupleRows(
        images=np.array(rows, np.int64).reshape(-1, len(columns.images)),
        different=different,
        rows=np.arange(len(rows), dtype=np.int64),
    )
    chosen = TableImages(source, images.columns, np.array(wanted, np.int64))
    files = ImageFiles(path, tuple(names), np.zeros(len(names), np.int64), (), chosen)
    return TupleFiles(files=files, tuples=tuples, streams=tuple(columns.images))


def usable_tuples(opened: TupleFiles, images: Images, bad: Sequence[BadImage]) -> tuple[Images, TupleRows]:
    """The tuples whose images have all been read, over these images with each content once.

    Args:
        opened: the table.
        images, bad: what `read_images` made of `opened.files`.

    Raises:
        DataError: no tuple is left, or one has an image twice.
    """
    is_good = np.ones(len(opened.files), bool)
    is_good[[image.index for image in bad]] = False
    first: dict[str, int] = {}
    for index, digest in enumerate(images.hashes):
        first.setdefault(digest, index)
    order = {digest: number for number, digest in enumerate(first)}
    numbers = np.full(len(opened.files), -1, np.int64)
    numbers[is_good] = [order[digest] for digest in images.hashes]
    complete = np.flatnonzero(is_good[opened.tuples.images].all(axis=1))
    tuples = opened.tuples.take(complete).with_images(numbers)
    if not len(tuples):
        raise DataError(
            "table of tuples", expected="a tuple whose images can all be read", got="none", where=opened.files.root
        )
    distinct = images.take(np.array(list(first.values()), np.int64))
    _refuse_repeated(tuples, distinct, opened)
    return distinct, tuples


def only_used(images: Images, tuples: TupleRows) -> tuple[Images, TupleRows]:
    """The images that the tuples need, and the tuples over these."""
    used = np.unique(tuples.images)
    numbers = np.full(len(images), -1, np.int64)
    numbers[used] = np.arange(len(used))
    return images.take(used), tuples.with_images(numbers)


def _refuse_repeated(tuples: TupleRows, images: Images, opened: TupleFiles) -> None:
    for first in range(len(opened.streams)):
        for second in range(first + 1, len(opened.streams)):
            same = np.flatnonzero(tuples.images[:, first] == tuples.images[:, second])
            if len(same):
                name = images.files.names[tuples.images[same[0], first]]
                raise DataError(
                    f"{opened.streams[first]} and {opened.streams[second]} of a tuple",
                    expected="different images",
                    got=f"the same in {listed_rows(tuples.rows[same].tolist())}: {name}",
                    where=opened.files.root,
                    mend="remove the row" + ("s" if len(same) > 1 else ""),
                )


def _key(ref: ImageRef, row: int, stream: str) -> object:
    if ref.data is not None:
        return hashlib.sha256(ref.data).digest()
    return ref.digest if ref.digest is not None else (row, stream) if ref.is_empty else (str(ref.path), ref.span)


def _name(ref: ImageRef, row: int, stream: str, path: Path) -> str:
    if ref.file is None:
        return f"row {row}, {stream}" if ref.path is None or ref.span is not None else str(ref.path)
    folder = path if path.is_dir() else path.parent
    return ref.file.relative_to(folder).as_posix() if ref.file.is_relative_to(folder) else str(ref.file)


def _targets(source: Source, target: tuple[str, str], path: Path) -> Flags:
    """bool [rows], True = different."""
    cells = column_values(source, target[1])
    return np.array([is_different(value, target, row=row, where=path.name) for row, value in enumerate(cells)], bool)
