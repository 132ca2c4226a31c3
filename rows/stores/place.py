"""Places of stores: one URL that names the program, and a host, a file or a folder.

Decision a reader would question: `http://` alone is refused, for it does not tell which program answers there. Keys
stay out of the URL where the program has an environment variable for them, and a password in it is never shown: it is
masked in the text, not in the parsed URL, for what cannot be parsed is shown too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

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
    except ValueError:  # its text holds the part that is wrong, which may be the password
        raise _no_place(url) from None
    if transport not in _TRANSPORTS or not program or not (split.netloc or split.path.strip("/")):
        raise _no_place(url)
    if split.fragment or split.netloc.count("@") > 1 or (split.netloc and "@" in split.path):
        raise _no_place(url)  # a password with #, @ or / in it, of which a part would be taken for host or database
    return Place(
        url=url,
        shown=_without_password(url),
        program=program,
        address=f"{_TRANSPORTS[transport]}://{host}{port}" if host else None,
        path=Path(split.path) if not split.netloc else None,
    )


def _no_place(url: str) -> UsageError:
    mend = "write special characters of a user and password percent-encoded" if "@" in url else None
    return UsageError("URL of a store", expected=FORMS, got=repr(_without_password(url)), mend=mend)


def _without_password(url: str) -> str:
    """The URL with *** for what stands between user and host, and for the value of anything named a password or key."""
    masked = re.sub(r"(://[^:/@?#]*):.*@", r"\1:***@", url, flags=re.DOTALL)
    return re.sub(r"(?i)((?:password|token|key)\s*=)[^&]*", r"\1***", masked)
