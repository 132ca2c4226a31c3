"""Tables of tuples: each row names the images of its streams, and of siamese pairs whether they are different.

Decisions a reader would question:
- The images of a row are different images, by content: one that is its own positive teaches nothing, and one that is
  its own negative cannot be learned. Such rows are left out and told, as those are that do not say whether their pair
  is different. Where most cells of a target say something else than 1 and 0, it is another column that was meant.
- An image that cannot be read takes its tuples with it.
- There are no classes here: nothing says that the anchors of two rows are different. So nothing is mined, retrieval is
  not measured, and what is held out are tuples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from artifact.arrays import Flags, Indices
from artifact.errors import DataError
from artifact.listing import listed
from rows.formats.source import Source
from rows.pair_target import is_different
from trainer.data.catalogue import Catalogue
from trainer.data.cell_images import AnyIndices, catalogued_images, first_places, named_images
from trainer.data.image_files import ImageFiles
from trainer.data.images import BadImage, Images
from trainer.data.notices import Notice, left_out, listed_rows
from trainer.data.table_columns import TableColumns
from trainer.data.table_images import column_values


@dataclass(frozen=True, kw_only=True)
class TupleRows:
    """Tuples of images.

    Attributes:
        images: int32 [T, streams], indices into Images; int64 of tuples that are drawn.
        different: bool [T], of siamese pairs: True where the two are different; else None.
        rows: int64 [T], where each stood in its table, from 0.
    """

    images: AnyIndices
    different: Flags | None = None
    rows: Indices

    def __len__(self) -> int:
        return len(self.images)

    def take(self, chosen: Indices) -> TupleRows:
        """Some of the tuples, in the order asked for."""
        different = None if self.different is None else self.different[chosen]
        return TupleRows(images=self.images[chosen], different=different, rows=self.rows[chosen])

    def with_images(self, numbers: AnyIndices) -> TupleRows:
        """The same tuples where image i is now called numbers[i]: integers [images]."""
        return TupleRows(images=numbers[self.images], different=self.different, rows=self.rows)


@dataclass(frozen=True, kw_only=True)
class TupleFiles:
    """A table of tuples before its images are read.

    Attributes:
        files: each image that the table names, once; by path, or by content where the table holds it.
        tuples: over these.
        source: the table itself.
        streams: names of the columns of `tuples.images`.
        notices: what the user should know of rows that were left out.
    """

    files: ImageFiles
    tuples: TupleRows
    source: Source
    streams: tuple[str, ...]
    notices: tuple[Notice, ...] = ()


def open_tuple_table(
    path: Path, columns: TableColumns, source: Source, catalogue: Catalogue | None = None
) -> TupleFiles:
    """The tuples of a table and the images they name; no image is decoded yet.

    Args:
        catalogue: the table whose rows the cells name; None: the cells are images themselves.

    Raises:
        DataError: a table that cannot be read further down, a target that is neither 0 nor 1 in most rows, or no row
            whose images are all in the catalogue.
    """
    named = (
        named_images(source, columns, path)
        if catalogue is None
        else catalogued_images(source, columns, path, catalogue)
    )
    tuples, warnings = TupleRows(images=named.images, rows=named.rows), list(named.notices)
    if columns.target is not None:
        tuples, others = _with_targets(tuples, source, columns.target, path)
        warnings += others
    return TupleFiles(
        files=named.files, tuples=tuples, source=source, streams=tuple(columns.images), notices=tuple(warnings)
    )


def usable_tuples(
    opened: TupleFiles, images: Images, bad: Sequence[BadImage]
) -> tuple[Images, TupleRows, list[Notice]]:
    """The tuples whose images have all been read and are different ones, over these images with each content once.

    Args:
        opened: the table.
        images, bad: what `read_images` made of `opened.files`.

    Returns:
        The images, the tuples, and what was left out: a line each.

    Raises:
        DataError: no tuple is left.
    """
    is_good = np.ones(len(opened.files), bool)
    is_good[[image.index for image in bad]] = False
    contents: AnyIndices = (
        images.hashes.array.dictionary_encode().indices.to_numpy()
    )  # in the order in which they first come
    numbers = np.full(len(opened.files), -1, np.int32)
    numbers[is_good] = contents
    complete = np.flatnonzero(is_good[opened.tuples.images].all(axis=1))
    tuples = opened.tuples.take(complete).with_images(numbers)
    if not len(tuples):
        raise DataError(
            "table of tuples", expected="a tuple whose images can all be read", got="none", where=opened.files.root
        )
    distinct = images.take(first_places(contents))
    tuples, warnings = _without_repeated(tuples, distinct, opened)
    return distinct, tuples, warnings


def only_used(images: Images, tuples: TupleRows) -> tuple[Images, TupleRows]:
    """The images that the tuples need, and the tuples over these."""
    used = np.unique(tuples.images).astype(np.int64)
    numbers = np.full(len(images), -1, np.int32)
    numbers[used] = np.arange(len(used))
    return images.take(used), tuples.with_images(numbers)


def _without_repeated(tuples: TupleRows, images: Images, opened: TupleFiles) -> tuple[TupleRows, list[Notice]]:
    """The rows whose images are different ones; a line for each two streams that are the same somewhere."""
    warnings = []
    is_sound = np.ones(len(tuples), bool)
    for first in range(len(opened.streams)):
        for second in range(first + 1, len(opened.streams)):
            same = np.flatnonzero(is_sound & (tuples.images[:, first] == tuples.images[:, second]))
            if len(same):
                name = images.files.names[tuples.images[same[0], first]]
                what = f"whose {opened.streams[first]} and {opened.streams[second]} are one image"
                told = left_out(len(same), f"row {what}", f"rows {what}")
                message = f"{told}: {listed_rows(tuples.rows[same].tolist(), opened.source)} ({name})"
                warnings.append(Notice(message, {"rows": len(same)}))
                is_sound[same] = False
    if not is_sound.any():
        raise DataError(
            "table of tuples",
            expected="a tuple of different images",
            got=f"none: {warnings[0].message}",
            where=opened.files.root,
        )
    return tuples.take(np.flatnonzero(is_sound)), warnings


def _with_targets(
    tuples: TupleRows, source: Source, target: tuple[str, str], path: Path
) -> tuple[TupleRows, list[Notice]]:
    """The tuples that say whether they are different, and a line for the others; DataError where those are most."""
    cells = column_values(source, target[1])
    says, different = np.zeros(len(tuples), bool), np.zeros(len(tuples), bool)
    empty: list[int] = []
    odd: list[int] = []
    for place, row in enumerate(tuples.rows.tolist()):  # some of the table's rows, where others name no image
        try:
            is_apart = is_different(cells[row], target, place=f"row {row}", where=path.name, may_be_empty=True)
        except DataError:
            odd.append(row)
            continue
        if is_apart is None:
            empty.append(row)
        else:
            says[place], different[place] = True, is_apart
    if odd and len(odd) >= says.sum():  # again, for the message
        is_different(cells[odd[0]], target, place=source.places(odd[:1])[0], where=path.name, may_be_empty=True)
    if not says.any():
        raise DataError(
            f'column "{target[1]}"', expected=f"1 ({target[0]}) or 0 in some rows", got="none", where=path.name
        )
    warnings = []
    if empty:
        what = f'with nothing in "{target[1]}"'
        told = f"{left_out(len(empty), f'row {what}', f'rows {what}')}: {listed_rows(empty, source)}"
        warnings.append(Notice(told, {"rows": len(empty)}))
    if odd:
        what, values = f'with neither 1 nor 0 in "{target[1]}"', listed([repr(cells[row]) for row in odd], limit=3)
        told = f"{left_out(len(odd), f'row {what}', f'rows {what}')}: {listed_rows(odd, source)} ({values})"
        warnings.append(Notice(told, {"rows": len(odd)}))
    kept = tuples.take(np.flatnonzero(says))
    return TupleRows(images=kept.images, different=different[says], rows=kept.rows), warnings
