"""Images with their classes: ids and classes of a table of images in Arrow, and how a table of triplets names them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from artifact.arrays import Indices
from artifact.errors import DataError
from rows.location import readable_name
from rows.tables import ImageTable

_ROWS_PER_READ = 4096
_LABEL = "label"


@dataclass(frozen=True, kw_only=True)
class ClassImages:
    """The images of a table.

    Attributes:
        table: of images.
        ids: large_string [rows].
        labels: int32 [rows], numbers of classes; -1 where a row has none.
        num_classes: different classes.
    """

    table: ImageTable
    ids: Any
    labels: npt.NDArray[np.int32]
    num_classes: int

    def names(self, rows: Indices, folder: Path) -> list[str]:
        """How a table in `folder` names the images of some rows (sorted): by their paths.

        Raises:
            DataError: an image that is no file.
        """
        names: list[str] = []
        above = os.path.realpath(folder)  # of a link too: what reads the table goes up from where it leads
        for batch in self.table.batches(_ROWS_PER_READ):
            first, last = np.searchsorted(rows, [batch.first_row, batch.first_row + len(batch)])
            for row in (rows[first:last] - batch.first_row).tolist():
                (images,) = batch.images.values()
                ref = images[row]
                if ref.path is None or ref.span is not None:
                    raise DataError(
                        "images to name in triplets",
                        expected="files",
                        got=f"row {batch.first_row + row}, which holds its image itself",
                        where=self.table.source,
                        mend="write row numbers with --numbers, and train with --catalogue",
                    )
                name = str(ref.path) if ref.file is None else _relative(ref.file, above)
                if name != readable_name(name):
                    raise DataError(
                        "images to name in triplets",
                        expected="names that are UTF-8, as tables are",
                        got=readable_name(name),
                        where=self.table.source,
                        mend="rename the file",
                    )
                names.append(name)
        return names


def read_classes(table: ImageTable, label: str) -> ClassImages:
    """Ids and classes of all images; the images are not opened.

    Args:
        table: opened with `label` among the columns that are copied.
        label: its column of classes.

    Raises:
        DataError: fewer than two classes.
    """
    ids = [pa.array([], pa.large_string())]
    labels: list[Any] = [pa.array([], pa.large_string()).dictionary_encode()]
    for batch in table.batches(_ROWS_PER_READ):
        ids.append(pa.array(batch.ids, pa.large_string()))
        values = [
            None if value is None or value == "" or value != value else str(value)  # NaN is none
            for value in batch.copied[label].to_pylist()
        ]
        labels.append(pa.array(values, pa.large_string()).dictionary_encode())
    whole: Any = pa.chunked_array(labels).unify_dictionaries().combine_chunks()
    if len(whole.dictionary) < 2:
        raise DataError(
            "classes to draw triplets from",
            expected="two or more",
            got=str(len(whole.dictionary)),
            where=table.source,
            mend="name the column of classes with --label" if label != _LABEL else None,
        )
    numbers = pc.fill_null(whole.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
    every = pa.chunked_array(ids).combine_chunks()
    return ClassImages(table=table, ids=every, labels=numbers, num_classes=len(whole.dictionary))


def _relative(file: Path, folder: str) -> str:
    """The path from a folder on, with slashes; the whole path where there is none."""
    try:
        return Path(os.path.relpath(os.path.abspath(file), folder)).as_posix()
    except ValueError:  # another drive
        return str(file)
