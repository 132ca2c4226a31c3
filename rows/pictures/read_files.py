"""Files that tables of images are read from: a file is not to be written over one, nor to become one."""

from __future__ import annotations

from pathlib import Path

from artifact.errors import DataError
from rows.formats.opening import is_part_of_folder, matching_places
from rows.image_suffixes import has_image_suffix
from rows.location import UrlError
from rows.pictures.folders import is_image_folder


def is_read(file: Path, images: str) -> bool:
    """Whether a file is read with a table of images, or would be once it is there. What is elsewhere is no such file.

    Args:
        images: as rows.tables.open_table takes it: a file, a folder, a pattern or a URL.
    """
    target = file.resolve()
    try:
        places = matching_places(images)
    except (DataError, UrlError):  # nothing there, which is told when it is opened
        return False
    return any(_is_of(target, place) for place in places if isinstance(place, Path))


def _is_of(target: Path, place: Path) -> bool:
    source = place.resolve()
    if target == source:
        return not place.is_dir()  # a folder is no file to write, which is told where it is written
    if source not in target.parents:
        return False
    if is_image_folder(place):
        return has_image_suffix(target.name)
    return target.parent == source and is_part_of_folder(target.name)
