"""The one walk through folders of images, here and in object storage.

Decisions a reader would question:
- A file counts by its suffix, in any case (rows/image_suffixes.py). Its content tells whether it really is an image.
- Hidden files and folders are passed over, and so is what systems and network drives leave behind (JUNK).
- Links to files and folders are followed. A link to a folder that is being walked, or to one above it, is passed over,
  so that no walk goes in a circle; nor are more than MAX_WAYS links to one folder followed, for a dozen folders that
  are all linked from each other have millions of ways through them. An image that links make reachable twice has two
  names and counts twice; training keeps both on one side of a split, for it goes by content.
- A broken link with the suffix of an image counts: its image cannot be read, and the user should be told.
- A folder below that cannot be listed, or that vanishes meanwhile, is told and passed over: the rest is still worth
  having. The folder that was named has to be listed.
- What is passed over is counted, by suffix and for each first-level folder, so that it can be told.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from artifact.errors import DataError
from rows.formats.passed_over import HIDDEN, REPEATED, UNLISTED, UPWARD
from rows.image_suffixes import (
    HEAD_BYTES,
    file_holds_image,
    has_image_suffix,
    is_looked_into,
    looks_like_image,
    suffix_of,
)
from rows.location import Location, readable_name

JUNK = {
    name.lower(): name
    for name in (
        "@eaDir",  # Synology
        "@tmp",
        "#recycle",
        "#snapshot",
        "@Recycle",  # QNAP
        "@Recently-Snapshot",
        "@__thumb",
        "__MACOSX",  # archives made on a Mac
        "Network Trash Folder",
        "Temporary Items",
        "$RECYCLE.BIN",  # Windows
        "System Volume Information",
        "Thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "lost+found",  # ext file systems
        "~snapshot",  # NetApp
    )
}
"""Names of what systems and network drives put beside users' files: in lower case -> as they are written."""

MAX_WAYS = 100
"""Links to one folder that are followed, those that lie least deep."""


@dataclass
class Walked:
    """What a walk found.

    Attributes:
        names: relative POSIX paths of the images, as the operating system has them.
        passed_over: first-level folder, or "" for what lies in none -> what was passed over, by suffix or other name.
            Every first-level folder that is not passed over itself is a key. What lies in folders that are passed
            over is not counted.
        unlisted: folders that cannot be listed, each with the reason.
    """

    names: list[str] = field(default_factory=list)
    passed_over: dict[str, Counter[str]] = field(default_factory=dict)
    unlisted: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Take an image."""
        self.names.append(name)
        self._folder(name)

    def pass_over(self, name: str, kind: str) -> None:
        """Count something as passed over."""
        self._folder(name)[kind] += 1

    def _folder(self, name: str) -> Counter[str]:
        first, slash, _ = name.partition("/")
        return self.passed_over.setdefault(first if slash else "", Counter())


def walk(folder: Location) -> Walked:
    """Walk a folder.

    Raises:
        DataError: it cannot be listed.
    """
    found = Walked()
    if isinstance(folder, Path):
        _walk_local(folder, found)
    else:
        _walk_remote(folder, found)
    return found


def kind_of_junk(name: str) -> str | None:
    """What a file or folder of this name is counted as where it is passed over for its name; None where it is not."""
    return HIDDEN if name.startswith(".") else JUNK.get(name.lower())


def is_folder(entry: os.DirEntry[str]) -> bool:
    """False for a link that leads round in a circle, as for any other broken one."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _walk_local(root: Path, found: Walked) -> None:
    waiting: deque[tuple[str, str, tuple[str, ...]]] = deque([(str(root), "", (os.path.realpath(root),))])
    ways: Counter[str] = Counter()
    while waiting:  # and not by calls of itself: folders may lie deeper than Python calls
        folder, prefix, above = waiting.popleft()
        try:
            with os.scandir(folder) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            if not prefix:
                raise DataError(
                    "image folder", expected="a folder that can be listed", got=reason, where=root
                ) from None
            found.pass_over(prefix, UNLISTED)
            found.unlisted.append(f"{readable_name(prefix.rstrip('/'))} ({reason})")
            continue
        for entry in entries:
            name = prefix + entry.name
            junk = kind_of_junk(entry.name)
            if junk is not None:
                found.pass_over(name, junk)
            elif is_folder(entry):
                is_link = entry.is_symlink()
                real = os.path.realpath(entry.path) if is_link else os.path.join(above[-1], entry.name)
                if is_link and any(f"{each}/".startswith(f"{real.rstrip('/')}/") for each in above):
                    found.pass_over(name, UPWARD)
                elif is_link and ways[real] == MAX_WAYS:
                    found.pass_over(name, REPEATED)
                else:
                    ways[real] += is_link
                    found.passed_over.setdefault(name.partition("/")[0], Counter())
                    waiting.append((entry.path, f"{name}/", (*above, real)))
            elif has_image_suffix(entry.name) or (is_looked_into(entry.name) and file_holds_image(entry.path)):
                found.add(name)
            else:
                found.pass_over(name, suffix_of(entry.name))


def _walk_remote(folder: Any, found: Walked) -> None:
    """Names in object storage, which has neither links nor folders that are empty."""
    root = folder.path.rstrip("/")
    try:
        listed = folder.fs.find(root)
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise DataError("image folder", expected="a folder that can be listed", got=reason, where=folder) from None
    seen: set[str] = set()
    unsure: list[str] = []
    for path in listed:
        name = path.lstrip("/").removeprefix(root.lstrip("/")).lstrip("/")
        parts = PurePosixPath(name).parts
        if not parts or name.endswith("/"):  # a mark that a folder is there
            continue
        junk = next(((at, kind) for at, part in enumerate(parts) if (kind := kind_of_junk(part)) is not None), None)
        if junk is not None:
            at, kind = junk
            top = "/".join(parts[: at + 1])
            if top not in seen:  # a folder counts once, as on a disk
                seen.add(top)
                found.pass_over(top, kind)
        elif has_image_suffix(parts[-1]):
            found.add(name)
        elif is_looked_into(parts[-1]):
            unsure.append(name)
        else:
            found.pass_over(name, suffix_of(parts[-1]))
    for name, is_image in zip(unsure, _heads_of_images(folder, root, unsure), strict=True):
        if is_image:
            found.add(name)
        else:
            found.pass_over(name, suffix_of(name))


def _heads_of_images(folder: Any, root: str, names: list[str]) -> list[bool]:
    """Whether each file begins as an image does; many are asked for at once."""
    if not names:
        return []
    paths = [f"{root}/{name}" for name in names]
    heads = folder.fs.cat_ranges(paths, [0] * len(paths), [HEAD_BYTES] * len(paths), on_error="return")
    return [isinstance(head, bytes) and looks_like_image(name, head) for name, head in zip(names, heads, strict=True)]
