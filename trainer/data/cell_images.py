"""The images that the cells of a table of tuples name, each once: by path, by content, or by a row of a catalogue.

Decision a reader would question: what an image is known by is laid out in Arrow, part by part, and numbered there. A
table of a million tuples names three million images, and Python's dicts and strings of these would be a gigabyte.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from artifact.arrays import Indices
from artifact.errors import DataError
from artifact.listing import listed
from rows.formats.source import Source
from rows.images import ImageRef
from trainer.data.catalogue import Catalogue, whole_columns
from trainer.data.image_files import ImageFiles
from trainer.data.notices import Notice, left_out, listed_rows
from trainer.data.table_columns import TableColumns
from trainer.data.table_images import TableImages
from trainer.data.texts import Texts

AnyIndices = npt.NDArray[np.integer[Any]]

_NO_PATH = "\0"
"""What a key begins with that is no path: of bytes and pixels, and of cells without an image."""


@dataclass(frozen=True, kw_only=True)
class CellImages:
    """The images of a table of tuples.

    Attributes:
        files: each image once.
        images: int32 [rows, streams], indices into them.
        rows: int64 [rows], where each row stood in its table, from 0.
        notices: what the user should know of rows that were left out.
    """

    files: ImageFiles
    images: npt.NDArray[np.int32]
    rows: Indices
    notices: tuple[Notice, ...] = ()


def named_images(source: Source, columns: TableColumns, path: Path) -> CellImages:
    """The images of cells that are images: paths, bytes, pixels; in the order in which they first come, row by row.

    Args:
        source: the table.
        columns: its image columns by stream.
        path: of the table.

    Raises:
        DataError: a table that cannot be read further down.
    """
    images = TableImages(source, tuple(columns.images.values()))
    streams = tuple(columns.images)
    parts, first_cell = [pa.array([], pa.large_string()).dictionary_encode()], 0
    for refs in images.by_table():
        keys = [_key(ref, place) for place, ref in enumerate(refs, first_cell)]
        parts.append(pa.array(keys, pa.large_string()).dictionary_encode())
        first_cell += len(refs)
    whole: Any = pa.chunked_array(parts).unify_dictionaries().combine_chunks()
    codes = whole.indices.to_numpy()
    wanted = first_places(codes)
    files = ImageFiles(
        path,
        _names(whole.dictionary, wanted, streams, path, source),
        np.zeros(len(wanted), np.int64),
        (),
        TableImages(source, images.columns, wanted),
    )
    table = codes.reshape(-1, len(streams))
    return CellImages(files=files, images=table, rows=np.arange(len(table), dtype=np.int64))


def catalogued_images(source: Source, columns: TableColumns, path: Path, catalogue: Catalogue) -> CellImages:
    """The images of cells that name rows of a catalogue, in the order of its rows.

    Args:
        source: the table.
        columns: its columns by stream.
        path: of the table.
        catalogue: where the images stand.

    Raises:
        DataError: a table that cannot be read further down, or no row whose images are all in the catalogue.
    """
    names = tuple(columns.images.values())
    cells = whole_columns(source, names)
    found = np.stack([catalogue.rows_of(cells[name]) for name in names], axis=1)  # [rows, streams], -1: there is none
    is_whole = (found >= 0).all(axis=1)
    notices = []
    if not is_whole.all():
        missing = np.flatnonzero(~is_whole)
        streams = (found[missing] < 0).argmax(axis=1)  # the first of them that has none
        odd = zip(missing[:3].tolist(), [names[stream] for stream in streams[:3]], strict=True)
        shown = listed([f"{name} {cells[name][row].as_py()!r}" for row, name in odd], limit=3)
        if not is_whole.any():
            expected = f"a row whose images are all in {catalogue.shown()}"
            raise DataError("table of tuples", expected=expected, got=f"none, but {shown}", where=path.name)
        what = "that names an image which is not in the catalogue"
        told = left_out(len(missing), f"row {what}", "rows that name an image which is not in the catalogue")
        notice = f"{told}: {listed_rows(missing.tolist(), source)} ({shown}; it has {catalogue.shown()})"
        notices.append(Notice(notice, {"rows": len(missing)}))
    rows = np.flatnonzero(is_whole)
    used = np.unique(found[rows]).astype(np.int64)
    numbers = np.zeros(catalogue.num_rows, np.int32)
    numbers[used] = np.arange(len(used))
    images = catalogue.images(used)
    files = ImageFiles(catalogue.path, catalogue.names(used), np.zeros(len(used), np.int64), (), images)
    return CellImages(files=files, images=numbers[found[rows]], rows=rows, notices=tuple(notices))


def first_places(codes: AnyIndices) -> Indices:
    """int64, the place at which each number comes first, where numbers were given in that order."""
    highest = np.maximum.accumulate(codes)
    return np.flatnonzero(np.r_[True, highest[1:] > highest[:-1]]) if len(codes) else np.zeros(0, np.int64)


def _key(ref: ImageRef, place: int) -> str:
    """What tells an image from others; of a cell without one its place, for each of these is told by itself."""
    if ref.data is not None:
        return _NO_PATH + hashlib.sha256(ref.data).hexdigest()
    if ref.digest is not None:
        return _NO_PATH + ref.digest.hex()
    if ref.is_empty:
        return f"{_NO_PATH}{place}"
    return str(ref.path) if ref.span is None else f"{_NO_PATH}{ref.path}{_NO_PATH}{ref.span}"


def _names(keys: Any, wanted: Indices, streams: tuple[str, ...], path: Path, source: Source) -> Texts:
    """What messages call the images: their paths below the table's folder, or where they stand."""
    folder = f"{path if path.is_dir() else path.parent}/"
    names = pc.if_else(pc.starts_with(keys, folder), pc.utf8_slice_codeunits(keys, len(folder)), keys)
    is_other = pc.starts_with(keys, _NO_PATH).to_numpy(zero_copy_only=False)
    if is_other.any():
        rows, positions = np.divmod(wanted[is_other], len(streams))
        places = source.places(rows.tolist())
        told = [f"{place}, {streams[at]}" for place, at in zip(places, positions.tolist(), strict=True)]
        names = pc.replace_with_mask(names, pa.array(is_other), pa.array(told, pa.large_string()))
    return Texts(names)
