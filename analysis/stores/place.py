"""Where a store is: one URL that names the program, and a host, a file or a folder.

Decision a reader would question: `http://` alone is refused, for it does not tell which program answers there. Keys
stay out of the URL where the program has an environment variable for them, and a password in it is never shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from artifact.errors import UsageError

FORMS = (
    "qdrant://HOST:PORT, qdrant:///FOLDER, milvus://HOST:PORT, milvus:///FILE.db (each host also with +https) "
    "or postgresql://USER@HOST/DATABASE"
)
_TRANSPORTS = {"": "http", "http": "http", "https": "https"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A parsed URL of a store.

    Attributes:
        url: as given, password included.
        shown: the same without the password, for messages.
        program: what stands before `://` or `+`, such as "qdrant".
        address: http(s)://HOST:PORT, or None where the URL names a file or folder.
        path: that file or folder, or None.
    """

    url: str
    shown: str
    program: str
    address: str | None
    path: Path | None


def parse_place(url: str) -> Place:
    """Parse `PROGRAM[+http|+https]://HOST[:PORT]`, `PROGRAM:///PATH` or `PROGRAM:RELATIVE/PATH`.

    Raises:
        UsageError: no URL of any of these forms.
    """
    try:
        split = urlsplit(url)
        program, _, transport = split.scheme.partition("+")
        host = f"[{split.hostname}]" if ":" in (split.hostname or "") else split.hostname
        port = f":{split.port}" if split.port else ""
    except ValueError as error:
        raise UsageError("URL of a store", expected=FORMS, got=str(error)) from None
    if transport not in _TRANSPORTS or not program or not (split.netloc or split.path.strip("/")):
        raise UsageError("URL of a store", expected=FORMS, got=repr(url))
    return Place(
        url=url,
        shown=_without_password(url, split),
        program=program,
        address=f"{_TRANSPORTS[transport]}://{host}{port}" if host else None,
        path=Path(split.path) if not split.netloc else None,
    )


def _without_password(url: str, split: SplitResult) -> str:
    if split.password is None:
        return url
    user, host = split.netloc.rsplit("@", 1)
    return split._replace(netloc=f"{user.partition(':')[0]}:***@{host}").geturl()
