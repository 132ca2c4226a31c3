"""Hints for a file that is not there: a name beside it that may have been meant, and how to write it.

Only a missing file costs a look, and only some of them in a minute: a table of a million missing files does not become
a million searches.
"""

from __future__ import annotations

import os
import re
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from urllib.parse import unquote

from rows.image_suffixes import has_image_suffix
from rows.location import readable_name

_LOOKS_PER_MINUTE = 200
_MOST_ENTRIES = 2000
_MOST_FOLDERS = 32
_STEPS_UP = 4
_USUAL = (".jpg", ".jpeg", ".png", ".webp")
"""Suffixes that are tried where a folder has more entries than are looked at."""

_PROTOCOL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_ONE_SLASH = ("http:", "https:", "ftp:", "s3:", "gs:")
_DRIVE = re.compile(r"[A-Za-z]:\\")

_looks = [0.0, 0.0]
"""When the minute began, and the looks since."""


def nearby(path: Path) -> str:
    """A hint for the reason, such as `; "0001.jpg" is there: ...`; empty where nothing is found or looked for."""
    now = time.monotonic()
    if now - _looks[0] > 60:
        _looks[:] = [now, 0]
    if _looks[1] >= _LOOKS_PER_MINUTE:
        return ""
    _looks[1] += 1
    try:
        return next((f"; {hint}" for hint in _hints(path)), "")
    except (OSError, ValueError):
        return ""


def _hints(path: Path) -> Iterator[str]:
    text = str(path)
    folder, name = path.parent, path.name
    for other, why in _spellings(text):
        if os.path.isfile(other):
            yield f"{_shown(other)} is there: {why}"
    here = _listed(str(folder))
    for found in (
        *here.stems.get(_folded(name), ()),
        *(name + end for suffix in _USUAL for end in (suffix, suffix.upper())),
    ):
        if name and found.startswith(name) and os.path.isfile(folder / found):
            yield f"{_shown(found)} is there: --columns image='{{COLUMN}}{found[len(name) :]}' adds the suffix"
    for found in (here.files.get(_folded(name)), *here.stems.get(_folded(path.stem), ())):
        if found is not None and os.path.isfile(folder / found):
            yield f"{_shown(found)} is there: the name is written in another way"
    for sub in here.folders:
        below = _listed(str(folder / sub))
        for found in (name, *below.stems.get(_folded(name), ()), *(name + suffix for suffix in _USUAL)):
            if name and found.startswith(name) and os.path.isfile(folder / sub / found):
                end = found.removeprefix(name)
                yield f"{_shown(f'{sub}/{found}')} is there: --columns image='{sub}/{{COLUMN}}{end}' builds paths"
    for sub in ("", *(f"{each}/" for each in here.folders)):
        yield from _numbered(folder, sub, name)
    yield from _steps_up(path)
    yield from _foreign(path)
    if not folder.is_dir():
        missing = next((each for each in reversed([folder, *folder.parents]) if not each.is_dir()), folder)
        yield f"there is no folder {_shown(str(missing))}"


def _spellings(text: str) -> Iterator[tuple[str, str]]:
    """Other ways to write a path, and what is to be done about it."""
    if "\\" in text:
        yield text.replace("\\", "/"), "write / where Windows writes a backslash"
    if "%" in text:
        yield unquote(text), "the name is written as in a URL, with % for letters"
    parts = Path(text).parts
    stripped = os.path.join(*(part.strip() for part in parts)) if parts else ""
    if stripped != text:
        yield stripped, "the cell has spaces around the name"
    if text.strip("'\"") != text or (parts and parts[-1].strip("'\"") != parts[-1]):
        yield os.path.join(*parts[:-1], parts[-1].strip("'\"")), "the cell has quotes around the name"
    for form in ("NFC", "NFD"):
        other = unicodedata.normalize(form, text)
        if other != text:
            yield other, "letters with marks are written in another way (Unicode NFC and NFD)"
    if "~" in parts:
        at = parts.index("~")
        yield (
            os.path.expanduser(os.path.join(*parts[at:])),
            "~ stands for a folder in a shell only: write the whole path",
        )
    for protocol in ("file:", "http:", "https:"):
        if protocol in parts:
            yield "/" + "/".join(parts[parts.index(protocol) + 1 :]), f"write it without {protocol}//"


def _foreign(path: Path) -> Iterator[str]:
    """Texts that are no paths of this machine."""
    parts = path.parts
    lost = next((part for part in parts if part.lower() in _ONE_SLASH), None)
    if lost is not None:
        yield f"a slash is missing: URLs begin with {lost}//"
    elif parts and _PROTOCOL.fullmatch(parts[0]):
        yield f"{parts[0]}// is no protocol that is known here"
    if any(_DRIVE.match(part) for part in parts) or path.name.startswith("\\\\"):
        yield "it is a path of Windows"
    if "~" in parts:
        yield "~ stands for a folder in a shell only: write the whole path"


def _steps_up(path: Path) -> Iterator[str]:
    """The path as it would be from a folder above, from the working folder, or without a folder that stands twice."""
    parts = path.parts
    for length in range(2, min(len(parts), _STEPS_UP + 1) + 1):
        tail = os.path.join(*parts[-length:])
        if os.path.isfile(tail):
            yield f"{_shown(tail)} is there in the working folder: paths are relative to the table's own folder"
    for place in range(max(1, len(parts) - 1 - _STEPS_UP), len(parts) - 1):
        without = os.path.join(*parts[:place], *parts[place + 1 :])
        if os.path.isfile(without):
            yield f"{_shown(without)} is there: paths are relative to the table's own folder, without {parts[place]}/"


def _numbered(folder: Path, sub: str, name: str) -> Iterator[str]:
    """The image of that number whose name has more zeros before it, or fewer."""
    stem, suffix = (name, "") if name.isdecimal() else os.path.splitext(name)
    if not (stem.isascii() and stem.isdecimal() and has_image_suffix(f"1{suffix or '.jpg'}")):
        return
    for width, end in sorted(_listed(str(folder / sub)).numbers):
        number = (stem.lstrip("0") or "0").zfill(width)
        found = sub + number + (suffix or end)
        if number == stem or not os.path.isfile(folder / found):
            continue
        if suffix or stem.zfill(width) != number:
            yield f"{_shown(found)} is there: its number has {'more' if len(number) > len(stem) else 'fewer'} zeros"
        else:
            yield f"{_shown(found)} is there: --columns image='{sub}{{COLUMN:0{width}}}{end}' adds zeros and the suffix"


@dataclass
class _Listing:
    """Some of the entries of a folder.

    Attributes:
        files: the files by their folded names.
        stems: the images by their folded names without suffix.
        numbers: of images that are called by numbers: (digits, suffix).
        folders: sub-folders.
    """

    files: dict[str, str] = field(default_factory=dict)
    stems: dict[str, list[str]] = field(default_factory=dict)
    numbers: set[tuple[int, str]] = field(default_factory=set)
    folders: list[str] = field(default_factory=list)


@lru_cache(maxsize=_MOST_FOLDERS)
def _listed(folder: str) -> _Listing:
    found = _Listing()
    try:
        with os.scandir(folder) as entries:
            for entry in islice(entries, _MOST_ENTRIES):
                if entry.is_dir():
                    found.folders.append(entry.name)
                else:
                    found.files.setdefault(_folded(entry.name), entry.name)
                    if has_image_suffix(entry.name):
                        stem, suffix = os.path.splitext(entry.name)
                        found.stems.setdefault(_folded(stem), []).append(entry.name)
                        if stem.isdecimal():
                            found.numbers.add((len(stem), suffix))
    except OSError:
        pass
    found.folders = sorted(found.folders)[:_MOST_FOLDERS]
    return found


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _shown(name: str) -> str:
    shown = readable_name(name)
    return f'"{shown if len(shown) <= 120 else "..." + shown[-117:]}"'
