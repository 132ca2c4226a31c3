"""YOLO data sets on disk: which images they have, where the labels of each are, and what the classes are called."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import yaml

from artifact.errors import DataError
from rows.formats.folder import list_images
from rows.location import Location, readable_name

_SPLITS = ("train", "val", "valid", "test")
_SETTINGS = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_SUFFIXES = (".yaml", ".yml")
_IMAGES, _LABELS = "images", "labels"
_CLASSES = "classes.txt"
_MEND = "name the folder that holds images and labels, or its data.yaml"


@dataclass(frozen=True, kw_only=True)
class YoloFolder:
    """A data set.

    Attributes:
        root: what the names are relative to.
        names: of the images: relative POSIX paths, sorted within a split.
        splits: of each image, "" where there are none.
        classes: names of the classes by their number; None: nobody says them.
        settings: the file that says so, where there is one.
        missing: what the settings name as images and is not there, each as `split: place`.
    """

    root: Path
    names: Sequence[str]
    splits: Sequence[str]
    classes: dict[int, str] | None
    settings: Path | None
    missing: Sequence[str] = ()

    def labels_of(self, name: str) -> Path:
        """The file of an image's objects, which need not be there: `labels` in the place of the last `images`."""
        beside = PurePosixPath(name).with_suffix(".txt")
        if _IMAGES in beside.parts[:-1]:
            return self.root / _with_labels(beside)
        if _IMAGES not in self.root.parts or (self.root / beside).exists():
            return self.root / beside
        return Path(_with_labels(self.root / beside))


def _with_labels(path: PurePath) -> PurePath:
    parts = path.parts
    last = len(parts) - 1 - parts[::-1].index(_IMAGES, 1)
    return type(path)(*parts[:last], _LABELS, *parts[last + 1 :])


def is_yolo_folder(folder: Location) -> bool:
    """Whether it is laid out as one: a data.yaml that names classes, or images beside labels."""
    if not isinstance(folder, Path) or not folder.is_dir():
        return False
    if any("names" in _facts(folder / name) for name in _SETTINGS if (folder / name).is_file()):
        return True
    return any(_has_text(each.parent / _LABELS) for each in _image_folders(folder))


def open_yolo_folder(place: Location) -> YoloFolder:
    """A data set by its folder or its settings file.

    Raises:
        DataError: it is not on this machine, is none, or has no images.
    """
    if not isinstance(place, Path):
        raise DataError("YOLO data set", expected="a folder of this machine", got="another place", where=place)
    if not place.exists():
        raise DataError("YOLO data set", expected="a folder or a data.yaml", got="nothing there", where=place)
    if place.is_file() and place.suffix.lower() not in _SUFFIXES:
        raise DataError("YOLO data set", expected="a folder or a data.yaml", got=place.name, where=place.parent)
    settings = place if place.is_file() else next(filter(Path.is_file, (place / name for name in _SETTINGS)), None)
    facts = _facts(settings) if settings is not None else {}
    root = place.parent if place.is_file() else place
    named = facts.get("path")
    if isinstance(named, str) and (root / named).is_dir():
        root = root / named
    classes = _classes(facts, root, settings)
    named_places = list(_named_images(root, facts))
    given, root = root, root.resolve()  # what a link's `..` is only the system knows
    missing = [f"{split}: {place}" for split, place, folder in named_places if folder is None]
    found = [(split, folder) for split, _, folder in named_places if folder is not None]
    found = found or [("", folder) for folder in _image_folders(root)]
    images = [(split, name) for split, folder in found for name in _images_in((given, root), folder)]
    if not images:
        got = "none" if settings is not None or found else "neither a data.yaml nor a folder images"
        raise DataError("YOLO data set", expected="images", got=got, where=place, mend=_MEND)
    names = list(dict.fromkeys(name for _, name in images))
    split_of = {name: split for split, name in reversed(images)}
    return YoloFolder(
        root=root,
        names=names,
        splits=[split_of[name] for name in names],
        classes=classes,
        settings=settings,
        missing=missing,
    )


def _image_folders(root: Path) -> list[Path]:
    """`images` in the folder, or in each of its folders."""
    own = root / _IMAGES
    return [own] if own.is_dir() else sorted(each for each in root.glob(f"*/{_IMAGES}") if each.is_dir())


def _has_text(folder: Path) -> bool:
    """Whether a text file lies in a folder or below it; the first ends the search."""
    return any(name.endswith(".txt") for _, _, names in os.walk(folder) for name in names)


def _named_images(root: Path, facts: dict[str, Any]) -> Iterator[tuple[str, str, Path | None]]:
    """(split, place as the settings say it, the folder or list of images that is there; None: nothing is)."""
    for split in _SPLITS:
        places = facts.get(split)
        for place in places if isinstance(places, list) else [places]:
            if not isinstance(place, str) or not place:
                continue
            # some exporters write ../train/images of a folder that lies beside the file
            ways = [root / place, root / place.removeprefix("../"), root / place.removeprefix("../../")]
            yield split, place, next((way for way in ways if way.exists()), None)


def _within(path: Path, roots: tuple[Path, Path]) -> str:
    """A path relative to the root, which is given as it was named and without links."""
    return os.path.relpath(path, next((root for root in roots if path.is_relative_to(root)), roots[1]))


def _images_in(roots: tuple[Path, Path], place: Path) -> Iterator[str]:
    """Names relative to the root of the images in a folder, or of those that a text file lists."""
    if place.is_dir():
        within = _within(place, roots)
        yield from (PurePosixPath(within, name).as_posix() for name in list_images(place).names)
        return
    try:
        lines = place.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise DataError("list of images", expected="a text in UTF-8", got="another file", where=place) from None
    for line in filter(None, map(str.strip, lines)):
        yield PurePosixPath(_within(roots[0] / line.removeprefix("./"), roots)).as_posix()


def _classes(facts: dict[str, Any], root: Path, settings: Path | None) -> dict[int, str] | None:
    names = facts.get("names")
    if isinstance(names, list):
        return {number: str(name) for number, name in enumerate(names)}
    if isinstance(names, dict) and all(isinstance(number, int) for number in names):
        return {number: str(name) for number, name in names.items()}
    if names is not None:
        raise DataError(
            "names of the classes", expected="a list, or numbers with names", got=repr(names)[:100], where=settings
        )
    for folder in (root, root / _LABELS):
        if (folder / _CLASSES).is_file():
            text = (folder / _CLASSES).read_text("utf-8", "replace")
            return dict(enumerate(filter(None, map(str.strip, text.splitlines()))))
    return None


def _facts(settings: Path) -> dict[str, Any]:
    try:
        facts = yaml.safe_load(settings.read_text("utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # ValueError: a date that is none
        reason = " ".join(str(error).split())[:200]
        raise DataError("settings of a YOLO data set", expected="YAML in UTF-8", got=reason, where=settings) from None
    if not isinstance(facts, dict):
        raise DataError(
            "settings of a YOLO data set",
            expected="keys such as names and train",
            got=f"{type(facts).__name__} {readable_name(str(facts))[:60]}",
            where=settings,
        )
    return facts
