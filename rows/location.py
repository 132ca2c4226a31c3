"""Locations of files: a plain Path, or a UPath (the same calls, over fsspec) for text with a protocol such as s3://.

fsspec is imported only for such text: a scorer of local tables does not pay for it.
"""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias, cast

from artifact.errors import DataError

if TYPE_CHECKING:
    from upath import UPath

Location: TypeAlias = "Path | UPath"
"""A file or folder, here or in object storage."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_FILES_TO_LIST = 8
_VERSION_FACTS = ("ETag", "etag", "generation", "mtime", "LastModified", "updated", "last_modified", "created")
"""What file systems call the fact by which two versions of a file differ, the surest first."""
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}


def is_url(text: str) -> bool:
    """True for text that starts with a protocol."""
    return "://" in text and _URL.match(text) is not None


def locate(place: str | os.PathLike[str] | Location) -> Location:
    """Text as a Path, or with a protocol as a UPath; raises DataError where the protocol's package is missing."""
    if isinstance(place, os.PathLike):
        return Path(place)
    if not isinstance(place, str):
        return place
    match = _URL.match(place)
    if match is None:
        return Path(place)
    protocol = match[1].lower()
    complaint = _complaint(protocol)
    if complaint is not None:
        raise complaint
    from upath import UPath

    found = UPath(place)
    return Path(found.path) if protocol in ("file", "local") else found


def beside(folder: Location, text: str) -> Location:
    """The file that a table in `folder` means by `text`: a URL, an absolute path, or one relative to the folder."""
    if is_url(text):
        # a protocol that nobody knows is a file that is not there
        return locate(text) if _is_known(text.partition(":")[0].lower()) else Path(text)
    if isinstance(folder, Path):
        return folder / text
    return (folder / text).resolve() if ".." in text else folder / text


@contextmanager
def opened(path: Location, *, decompress: bool = False) -> Iterator[IO[bytes]]:
    """A table's file for reading; gunzipped where asked and the name ends in .gz. Raises DataError."""
    try:
        file: IO[bytes] = path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from None
    with file:
        if decompress and path.name.lower().endswith(".gz"):
            with gzip.open(file, "rb") as inner:
                yield cast(IO[bytes], inner)
        else:
            yield file


def unreadable(path: Location, error: BaseException) -> DataError:
    """One line for an error of the operating system or of a network."""
    missing = isinstance(error, FileNotFoundError)
    reason = "nothing there" if missing else getattr(error, "strerror", None) or str(error) or type(error).__name__
    return DataError("table", expected="a file that can be read", got=reason[:300], where=path)


def stamps(files: Sequence[Location]) -> list[str]:
    """One text a file that changes when the file does: size and time of change, or what the object store tells.

    Not the contents: a table can hold terabytes of images. A touched file counts as changed: the safe side.
    """
    remote = [file for file in files if not isinstance(file, Path)]
    for folder in {file.parent: None for file in remote}:
        folder.fs.invalidate_cache(folder.path)
        if len(remote) > _FILES_TO_LIST:
            folder.fs.ls(folder.path, detail=True)  # a request for a thousand files, and not a thousand
    return [_stamp(file) for file in files]


def file_stamp(path: str | Path) -> str:
    """The stamp of a local file."""
    try:
        status = os.stat(path)
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"


def _stamp(file: Location) -> str:
    if isinstance(file, Path):
        return file_stamp(file)
    try:
        facts = file.fs.info(file.path)
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        raise unreadable(file, error) from None
    return f"{facts.get('size')} {next((facts[name] for name in _VERSION_FACTS if facts.get(name)), '')}"


@cache
def _complaint(protocol: str) -> DataError | None:
    from fsspec import get_filesystem_class

    try:
        get_filesystem_class(protocol)
    except ValueError:
        return DataError(f"{protocol}:// in a location", expected="a protocol that fsspec knows", got=protocol)
    except ImportError as error:
        extra = _EXTRAS.get(protocol)
        mend = f"pip install 'lookalike[{extra}]'" if extra else "pip install what it names"
        return DataError(
            f"{protocol}:// in a location", expected="the package of that protocol", got=str(error), mend=mend
        )
    return None


@cache
def _is_known(protocol: str) -> bool:
    from fsspec import available_protocols

    return protocol in available_protocols()
