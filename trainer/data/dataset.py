"""Data sets to learn from, or to validate on: a folder of class folders, a table of classes, or one of tuples.

Decision a reader would question: pixels of a few megabytes stay in memory and leave nothing on disk, unless a cache
folder is named. Decoding them again takes a second or two; a file in the user's home would outlive its use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from artifact.errors import DataError, UsageError
from artifact.events import Report
from artifact.images.limits import DEFAULT_LIMITS
from artifact.images.preprocessing import Preprocessing
from artifact.listing import listed
from rows.formats.built_paths import with_built_paths
from rows.formats.opening import FORMATS, is_table_file, open_source, table_files
from trainer.config.config import TrainConfig
from trainer.data.class_sets import open_class_folder, open_class_table
from trainer.data.image_files import ImageFiles
from trainer.data.images import BadImage, Images, images_left_out, read_images
from trainer.data.table_columns import CLASSES, LABEL, check_roles, find_roles
from trainer.data.tuple_table import TupleFiles, TupleRows, open_tuple_table, usable_tuples
from trainer.data.usable_classes import lost_classes
from trainer.pixels.cache import PixelCache
from trainer.pixels.cache_key import default_folder

DatasetFiles = ImageFiles | TupleFiles
"""A data set before any image of it is read."""

_MB = 2**20
_WORTH_A_FILE = 16 * _MB


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Images with their classes, or tuples of images without.

    Attributes:
        images: of tuples, each content once, without classes.
        tuples: over the images; None where there are classes.
    """

    images: Images
    tuples: TupleRows | None = None

    @property
    def sha256(self) -> str:
        """Hash over the sorted content hashes, and over the tuples in their order; hexadecimal."""
        hashes = self.images.hashes
        digest = hashlib.sha256("\n".join(sorted(hashes)).encode())
        if self.tuples is not None:
            for row, images in enumerate(self.tuples.images.tolist()):
                mark = "" if self.tuples.different is None else f" {int(self.tuples.different[row])}"
                digest.update(f"\n{' '.join(hashes[image] for image in images)}{mark}".encode())
        return digest.hexdigest()


def open_dataset(
    path: Path,
    *,
    kind: str,
    columns: Mapping[str, str],
    what: str = "image folder",
    folder_has_columns: bool = False,
    split_folders: bool = True,
    needs_classes: bool = True,
    max_image_bytes: int = DEFAULT_LIMITS.max_bytes,
) -> DatasetFiles:
    """Find out what a path holds; no image is read yet.

    Args:
        path: a folder of class folders, a table file, or a folder of Parquet files.
        kind: decides the streams that a table of tuples must have.
        columns: {role: column} of a table.
        what: names a folder in messages.
        split_folders: refuse a folder of splits, as open_class_folder does.
        needs_classes: refuse images without classes that are in no tuples either.
        folder_has_columns: `columns` may be given although the path is a folder: they are for another path.
        max_image_bytes: of images that travel through a table.

    Raises:
        UsageError: columns of a folder, or roles that make no sense.
        DataError: nothing there, or nothing that this kind can be trained on.
    """
    check_roles(columns, kind=kind)
    if _is_table(path):
        source, _ = open_source(path)
        source.allow_images(max_image_bytes)
        source = with_built_paths(source, columns.values(), where=path.name)
        found = find_roles(
            source.schema,
            kind=kind,
            columns=columns,
            where=path.name,
            settle=source.settle,
            needs_classes=needs_classes,
        )
        if found.shape == CLASSES:
            return open_class_table(path, found, source, needs_classes=needs_classes or LABEL in columns)
        return open_tuple_table(path, found, source)
    if not path.is_dir() and (path.exists() or is_table_file(path.name)):
        folder = "with one folder of images per class" if needs_classes else "of images"
        raise DataError(
            "images",
            expected=f"a folder {folder}, or a table ({' '.join(FORMATS)})",
            got="another file" if path.exists() else "nothing there",
            where=path,
        )
    if columns and not folder_has_columns and path.is_dir():
        got = ",".join(f"{role}={column}" for role, column in columns.items())
        raise UsageError(
            "columns of an image folder", expected="none, its folders are the classes", got=got, where="--columns"
        )
    return open_class_folder(path, what=what, split_folders=split_folders, needs_classes=needs_classes)


def files_of(opened: DatasetFiles) -> ImageFiles:
    """The images of either shape."""
    return opened.files if isinstance(opened, TupleFiles) else opened


def tell_opened(opened: DatasetFiles, report: Report, *, what: str = "") -> None:
    """Report what was left out so far.

    Args:
        what: stands before each line.
    """
    of_tuples = opened.notices if isinstance(opened, TupleFiles) else ()
    for notice in (*files_of(opened).notices, *of_tuples):
        report(notice.to_event(what=what))


def open_cache(
    config: TrainConfig, preprocessing: Preprocessing, *, num_images: int, report: Report
) -> PixelCache | None:
    """Where decoded pixels are kept on disk; None where they are too few, or are not to be."""
    folder = config.cache or default_folder()
    num_bytes = num_images * preprocessing.height * preprocessing.width * 3
    if folder is None or config.max_disk_mb == 0 or (config.cache is None and num_bytes < _WORTH_A_FILE):
        return None
    return PixelCache(
        folder,
        preprocessing,
        max_bytes=config.max_disk_mb * _MB,
        warn=lambda message: report({"event": "warning", "message": message}),
    )


def read_dataset(
    opened: DatasetFiles, config: TrainConfig, preprocessing: Preprocessing, *, cache: PixelCache | None, report: Report
) -> Dataset:
    """Read and decode every image once; `report` gets {"event": "read", "done", "total"} and what was left out.

    Raises:
        DataError: more bad images than `config.max_bad_images`, or nothing left to train on.
    """
    files = files_of(opened)
    images, bad = read_images(
        files,
        preprocessing,
        limits=config.limits,
        read_timeout_s=config.read_timeout_s,
        max_cache_bytes=config.max_cache_mb * _MB,
        max_bad_images=config.max_bad_images,
        progress=lambda done, total: report({"event": "read", "done": done, "total": total}),
        cache=cache,
        workers=config.workers,
    )
    if not isinstance(opened, TupleFiles):
        if bad:
            lost = lost_classes(files, images)
            also = f", and with them the whole class{'es' if len(lost) > 1 else ''} {listed(lost)}" if lost else ""
            classes = {"classes": len(lost)} if lost else {}
            report(images_left_out(bad, len(files), also, **classes).to_event())
        return Dataset(images=images)
    images, tuples, notices = usable_tuples(opened, images, bad)
    if bad:
        num_tuples = len(opened.tuples) - _num_complete(opened, bad)
        also = f", and {num_tuples} of {len(opened.tuples)} tuples with them"
        report(images_left_out(bad, len(files), also, tuples=num_tuples).to_event())
    for each in notices:
        report(each.to_event())
    return Dataset(images=images, tuples=tuples)


def _is_table(path: Path) -> bool:
    """Whether the path is a table file, or a folder of such files and nothing else to look into."""
    if path.is_dir():
        return bool(table_files(path))
    return path.is_file() and is_table_file(path.name)


def _num_complete(opened: TupleFiles, bad: list[BadImage]) -> int:
    """Tuples none of whose images is bad."""
    is_bad = np.zeros(len(opened.files), bool)
    is_bad[[image.index for image in bad]] = True
    return int((~is_bad[opened.tuples.images].any(axis=1)).sum())
