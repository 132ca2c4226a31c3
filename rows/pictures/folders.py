"""Image folders among tables of images: their ids are paths, so one picture is found without reading any other."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from artifact.errors import DataError
from rows.formats.opening import table_files
from rows.images import ImageRef


def is_image_folder(place: str | Path) -> bool:
    """Whether it is a folder of this machine that is no table of table files."""
    folder = Path(place)
    try:
        return folder.is_dir() and not table_files(folder)
    except DataError:
        return False


def image_inside(folder: Path | None, name: str) -> ImageRef:
    """The image of an id that is a path relative to a folder; an empty ref where it leads out of it.

    Ids are data, of whoever made the table: absolute ones and `..` lead nowhere.
    """
    path = PurePosixPath(name)
    if folder is None or path.is_absolute() or ".." in path.parts:
        return ImageRef()
    return ImageRef(path=folder / path)
