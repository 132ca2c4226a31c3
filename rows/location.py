"""Locations of files: a plain Path, or a UPath (the same calls, over fsspec) for text with a protocol such as s3://.

fsspec is imported only for such text: a scorer of local tables does not pay for it.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from artifact.errors import DataError, bounded
from rows.network_errors import HEADER_BYTES, is_network_error, network_words

if TYPE_CHECKING:
    from upath import UPath

Location: TypeAlias = "Path | UPath"
"""A file or folder, here or in object storage."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_FILES_TO_LIST = 8
_VERSION_FACTS = ("ETag", "etag", "generation", "mtime", "LastModified", "updated", "last_modified", "created")
"""What file systems call the fact by which two versions of a file differ, the surest first."""
_READ_BYTES = 1024 * 1024
_CONNECT_S, _SILENCE_S = 30.0, 60.0
_LONGEST_SHOWN = 300
_WITH_PORT = ("http", "https", "ftp", "sftp", "ssh")
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "http": "http", "https": "http"}


class UrlError(DataError):
    """A text that starts as a URL and is none; in a table it is a bad row."""

    @classmethod
    def of(cls, text: str, error: ValueError) -> UrlError:
        """Of what a parser says of the text."""
        why = str(error)
        shown = bounded(text, _LONGEST_SHOWN)
        return cls("location", expected="a path or a URL", got=why[:1].lower() + why[1:], where=shown)

    @property
    def reason(self) -> str:
        """What a bad row says."""
        return f"not a URL ({self.got}): {self.where}"


def is_url(text: str) -> bool:
    """True for text that starts with a protocol."""
    return "://" in text and _URL.match(text) is not None


def locate(place: str | os.PathLike[str] | Location) -> Location:
    """Text as a Path, or with a protocol, in letters of any case, as a UPath.

    Raises:
        UrlError: it starts with a protocol and is no URL.
        DataError: the protocol's package is missing.
    """
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

    try:
        if protocol in _WITH_PORT:  # others have names of their own there, as ARNs of s3
            urlsplit(place).port  # noqa: B018 - reading it is the check
        rest = place[match.end() :]
        if protocol in ("file", "local") and rest.lower().startswith("localhost/"):
            rest = rest[len("localhost") :]
        found = UPath(f"{protocol}://{rest}", **_options(protocol))
        hash(found)  # some parts are parsed only here
    except ValueError as error:
        raise UrlError.of(place, error) from None
    return Path(found.path) if protocol in ("file", "local") else found


def beside(folder: Location, text: str) -> Location:
    """The file that a table in `folder` means by `text`: a URL, an absolute path, or one relative to the folder.

    Raises as `locate`.
    """
    if is_url(text):
        # a protocol that nobody knows is a file that is not there
        return locate(text) if _is_known(text.partition(":")[0].lower()) else Path(text)
    if isinstance(folder, Path):
        return folder / text
    try:
        return (folder / text).resolve() if ".." in text else folder / text
    except ValueError as error:
        raise UrlError.of(text, error) from None


def shown(place: object) -> str:
    """A place in words, with its host, which some file systems keep apart from the path."""
    text = str(place)
    options: Any = getattr(place, "storage_options", {})
    if not options.get("host") or ":///" not in text:
        return text
    protocol, _, path = text.partition("://")
    port = f":{options['port']}" if options.get("port") else ""
    return f"{protocol}://{options['host']}{port}{path}"


def readable_name(name: str) -> str:
    r"""A file name as valid Unicode: bytes that are not UTF-8 become `\xff`, so that it fits in tables and messages."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@contextmanager
def opened(path: Location) -> Iterator[IO[bytes]]:
    """A table's file for reading. Raises DataError."""
    try:
        file: IO[bytes] = path.open("rb")
    except Exception as error:
        if not is_network_error(error):
            raise
        raise unreadable(path, error) from None
    with file if isinstance(path, Path) else io.BufferedReader(_Remote(path, file), _READ_BYTES) as file:
        yield file


class _Remote(io.RawIOBase):
    """A file elsewhere whose errors are of us: readers take those of the system for what they know of files here."""

    def __init__(self, path: Location, file: IO[bytes]) -> None:
        self._path, self._file = path, file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with from_elsewhere(self._path):
            return self._file.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        with from_elsewhere(self._path):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


@contextmanager
def from_elsewhere(*places: object) -> Iterator[None]:
    """What within reads one of these places: an error of the network becomes a DataError in one line.

    Nothing changes where all are of this machine.
    """
    try:
        yield
    except Exception as error:
        remote = [place for place in places if _is_elsewhere(place)]
        if not remote or not is_network_error(error):
            raise
        raise unreadable(remote[0], error) from None


def _is_elsewhere(place: object) -> bool:
    return is_url(place) if isinstance(place, str) else hasattr(place, "fs")  # as a UPath has, and no Path


def unreadable(path: object, error: BaseException) -> DataError:
    """One line for an error of the operating system or of a network."""
    return DataError("table", expected="a file that can be read", got=network_words(error), where=shown(path))


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


def _options(protocol: str) -> dict[str, Any]:
    """The options of a protocol's file system; with those of the user, which fsspec has read from its own files.

    A table may take hours, and aiohttp would end each of its requests after five minutes; what must not be is silence.
    """
    if protocol not in ("http", "https"):
        return {}
    import aiohttp
    from fsspec.config import conf

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
    own = {"timeout": timeout, "max_line_size": HEADER_BYTES, "max_field_size": HEADER_BYTES}
    return {"client_kwargs": {**own, **conf.get(protocol, {}).get("client_kwargs", {})}}


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
