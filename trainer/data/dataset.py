"""Data sets to learn from, or to validate on: a folder of class folders, a table of classes, or one of tuples.

Decision a reader would question: pixels of a few megabytes stay in memory and leave nothing on disk, unless a cache
folder is named. Decoding them again takes a second or two; a file in the user's home would outlive its use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from artifact.arrays import Flags
from artifact.errors import DataError, UsageError
from artifact.events import Report
from artifact.images.limits import DEFAULT_LIMITS
from artifact.images.preprocessing import Preprocessing
from artifact.listing import listed
from rows.formats.built_paths import with_built_paths
from rows.formats.objects.yolo_folder import is_yolo_folder
from rows.formats.opening import FORMATS, is_table_file, is_table_place, open_source
from rows.formats.reading import Reading
from rows.region_source import RegionSource
from trainer.config.config import TrainConfig
from trainer.config.settings import RegionsConfig
from trainer.data.attribute_table import AttributeFiles, Columns, columns_digest, open_attribute_table, usable_rows
from trainer.data.catalogue import Catalogue
from trainer.data.class_sets import open_class_folder, open_class_table
from trainer.data.image_files import ImageFiles
from trainer.data.images import BadImage, Images, images_left_out, read_images
from trainer.data.notices import listed_rows
from trainer.data.table_columns import CLASSES, LABEL, TableColumns, check_roles, find_roles
from trainer.data.tuple_table import TupleFiles, TupleRows, open_tuple_table, usable_tuples
from trainer.data.usable_classes import lost_classes
from trainer.pixels.cache import PixelCache
from trainer.pixels.cache_key import default_folder

DatasetFiles = ImageFiles | TupleFiles | AttributeFiles
"""A data set before any image of it is read."""

WHOLE = RegionsConfig()
"""Of tables whose images are no objects."""
_MB = 2**20
_WORTH_A_FILE = 16 * _MB


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Images with their classes, or tuples of images, or images with their attributes, without.

    Attributes:
        images: of tuples, each content once, without classes.
        tuples: over the images; None where there are classes or attributes.
        columns: the attributes of the images; None where there are none.
    """

    images: Images
    tuples: TupleRows | None = None
    columns: Columns | None = None

    @property
    def sha256(self) -> str:
        """Hash over the sorted content hashes, and over the tuples in their order; hexadecimal."""
        hashes = list(self.images.hashes)
        digest = hashlib.sha256("\n".join(sorted(hashes)).encode())
        if self.tuples is not None:
            different = self.tuples.different
            for row, images in enumerate(self.tuples.images):
                mark = "" if different is None else f" {int(different[row])}"
                digest.update(f"\n{' '.join([hashes[image] for image in images.tolist()])}{mark}".encode())
        if self.columns is not None:
            digest.update(columns_digest(self.columns, hashes).encode())
        return digest.hexdigest()


def open_dataset(
    path: Path,
    *,
    kind: str,
    columns: Mapping[str, str],
    attributes: Sequence[str] = (),
    what: str = "image folder",
    folder_has_columns: bool = False,
    split_folders: bool = True,
    needs_classes: bool = True,
    regions: RegionsConfig = WHOLE,
    max_image_bytes: int = DEFAULT_LIMITS.max_bytes,
    catalogue: Catalogue | None = None,
) -> DatasetFiles:
    """Find out what a path holds; no image is read yet.

    Args:
        path: a folder of class folders, a table file, or a folder of Parquet files.
        kind: decides the streams that a table of tuples must have.
        columns: {role: column} of a table.
        attributes: columns with what is known of each image; none: images have classes, or are in tuples.
        what: names a folder in messages.
        split_folders: refuse a folder of splits, as open_class_folder does.
        needs_classes: refuse images without classes that are in no tuples either.
        folder_has_columns: `columns` and `regions` may be given although the path is a folder: they are for another
            path.
        regions: make the objects of a table its images, each a crop of its picture.
        max_image_bytes: of images that travel through a table.
        catalogue: whose rows the cells of a table of tuples name; None: they are the images themselves.

    Raises:
        UsageError: columns or regions of a folder, or roles that make no sense.
        DataError: nothing there, or nothing that this kind can be trained on.
    """
    check_roles(columns, kind=kind)
    if _is_table(path, regions.reading):
        source, _ = open_source(path, regions.reading)
        source.allow_images(max_image_bytes)
        source = with_built_paths(source, columns.values(), where=path.name)
        if attributes and catalogue is not None:
            raise _no_tuples(f"{path.name}, whose rows have attributes")
        if attributes:
            return open_attribute_table(path, columns, attributes, source)
        try:
            found = find_roles(
                source.schema,
                kind=kind,
                columns=columns,
                where=path.name,
                settle=source.settle,
                needs_classes=needs_classes,
                of_catalogue=catalogue is not None,
            )
        except DataError as error:
            if source.boxes is None or regions.options is not None:
                raise
            raise error.but(mend="its objects have classes: cut them out with --regions crop") from None
        if found.shape == CLASSES and catalogue is not None:
            raise _no_tuples(f"{path.name}, whose rows have classes")
        if regions.options is not None:
            source = RegionSource(source, regions.options, _image_column(found, path), where=path.name)
        if found.shape == CLASSES:
            return open_class_table(path, found, source, needs_classes=needs_classes or LABEL in columns)
        return open_tuple_table(path, found, source, catalogue)
    if path.is_dir() and not folder_has_columns:
        _require_whole_images(path, regions)
    if not path.is_dir() and (path.exists() or is_table_file(path.name)):
        folder = "with one folder of images per class" if needs_classes else "of images"
        raise DataError(
            "images",
            expected=f"a folder {folder}, or a table ({' '.join(FORMATS)})",
            got="another file" if path.exists() else "nothing there",
            where=path,
        )
    if attributes and (path.is_dir() or not path.exists()):
        got = "a folder" if path.is_dir() else "nothing there"
        raise DataError("images with attributes", expected="a table with a column of each", got=got, where=path)
    if columns and not folder_has_columns and path.is_dir():
        got = ",".join(f"{role}={column}" for role, column in columns.items())
        raise UsageError(
            "columns of an image folder", expected="none, its folders are the classes", got=got, where="--columns"
        )
    if catalogue is not None and not folder_has_columns:
        raise _no_tuples(f"the folder {path}")
    return open_class_folder(path, what=what, split_folders=split_folders, needs_classes=needs_classes)


def _require_whole_images(folder: Path, regions: RegionsConfig) -> None:
    """Raise UsageError for settings of objects of a folder of images, which has none."""
    said = {"--regions": regions.by, "--set regions.images": regions.images}
    for flag, value in said.items():
        if value is not None:
            expected = "a table with boxes, or a COCO or YOLO data set"
            raise UsageError(f"{flag} {value}", expected=expected, got="a folder of images", where=folder)


def _no_tuples(got: str) -> UsageError:
    mend = "leave --catalogue away, or name a table of q, p and n"
    return UsageError("what a catalogue is for", expected="a table of tuples", got=got, where="--catalogue", mend=mend)


def _image_column(found: TableColumns, path: Path) -> list[str]:
    """The column of images that are cut out of; raises UsageError for tuples, whose boxes nobody could tell apart."""
    if found.shape != CLASSES:
        raise UsageError(
            "--regions", expected="a table of images with their classes", got="one of tuples", where=path.name
        )
    return list(found.images.values())


def files_of(opened: DatasetFiles) -> ImageFiles:
    """The images of either shape."""
    return opened if isinstance(opened, ImageFiles) else opened.files


def tell_opened(opened: DatasetFiles, report: Report, *, what: str = "") -> None:
    """Report what was left out so far.

    Args:
        what: stands before each line.
    """
    of_rows = () if isinstance(opened, ImageFiles) else opened.notices
    for notice in (*files_of(opened).notices, *of_rows):
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
    if isinstance(opened, AttributeFiles):
        if bad:
            report(images_left_out(bad, len(files)).to_event())
        images, columns = usable_rows(opened, images, bad)
        return Dataset(images=images, columns=columns)
    if not isinstance(opened, TupleFiles):
        if bad:
            lost = lost_classes(files, images)
            also = f", and with them the whole class{'es' if len(lost) > 1 else ''} {listed(lost)}" if lost else ""
            classes = {"classes": len(lost)} if lost else {}
            report(images_left_out(bad, len(files), also, **classes).to_event())
        return Dataset(images=images)
    images, tuples, notices = usable_tuples(opened, images, bad)
    if bad:
        rows = opened.tuples.rows[_with_bad_images(opened, bad)]
        where = listed_rows(rows.tolist(), opened.source)
        also = f", and {len(rows):,} of {len(opened.tuples):,} tuples with them ({where})"
        report(images_left_out(bad, len(files), also, tuples=len(rows)).to_event())
    for each in notices:
        report(each.to_event())
    return Dataset(images=images, tuples=tuples)


def _is_table(path: Path, reading: Reading) -> bool:
    """Whether the path is a table file, a folder of such files and nothing else to look into, or one of objects."""
    if path.is_dir():
        return reading.format is not None or (reading.objects and is_yolo_folder(path)) or is_table_place(path)
    return is_table_place(path)


def _with_bad_images(opened: TupleFiles, bad: list[BadImage]) -> Flags:
    """bool [tuples], whether one of its images is bad."""
    is_bad = np.zeros(len(opened.files), bool)
    is_bad[[image.index for image in bad]] = True
    return np.asarray(is_bad[opened.tuples.images].any(axis=1))
