"""Tokens and what they give the right to: a file of their hashes, so that who reads it has none of them.

A line is `RIGHT[,RIGHT] HASH` and then any remark; `#` begins a line of remarks. HASH is the SHA-256 of the
token in hex: `printf %s TOKEN | sha256sum`. Tokens are random (`openssl rand -hex 32`): what people make up is guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from artifact.errors import UsageError
from serving.embedded.access.changing_file import ChangingFiles
from serving.embedded.access.secrecy import tell_if_shared

_HASH = re.compile(r"[0-9a-fA-F]{64}")


class Right(Enum):
    """What a token may be good for."""

    SCORE = "score"
    """Inferences, and what a client must know for them."""
    CONTROL = "control"
    """Loading and unloading, and all that tells of the server: index, configs, statistics."""
    METRICS = "metrics"
    """The metrics."""


Entries = tuple[tuple[bytes, frozenset[Right]], ...]


class Tokens:
    """The tokens of a file.

    Args:
        path: the file; it may be changed while the server runs.
        report: gets a line when it was.

    Raises:
        UsageError: no such file, or a line that is none of the above.
    """

    def __init__(self, path: Path, report: Callable[[str], None]) -> None:
        self._file = ChangingFiles((path,), lambda: _read(path, report), report, what=f"tokens {path}")

    def rights(self, token: str) -> frozenset[Right] | None:
        """What a token gives the right to; None for one that is not there. Takes as long for either."""
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        found: frozenset[Right] | None = None
        for known, rights in self._file.value:
            if hmac.compare_digest(known, digest):
                found = rights | (found or frozenset())
        return found


def _read(path: Path, report: Callable[[str], None]) -> Entries:
    entries = read_tokens(path)
    tell_if_shared(path, report, what="tokens")
    return entries


def read_tokens(path: Path) -> Entries:
    """The entries of a file; raises UsageError."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        got = getattr(error, "strerror", None) or "bytes that are no text"
        raise UsageError("tokens", expected="a file of RIGHT[,RIGHT] SHA256", got=got, where=path) from None
    entries = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        names = words[0].split(",")
        if len(words) < 2 or not _HASH.fullmatch(words[1]) or not set(names) <= {right.value for right in Right}:
            raise UsageError(
                "tokens",
                expected="RIGHT[,RIGHT] SHA256, of the rights score, control and metrics",
                got="something else",  # never shown: it may be a token
                where=f"{path}, line {number}",
                mend="printf %s TOKEN | sha256sum",
            )
        entries.append((bytes.fromhex(words[1]), frozenset(Right(name) for name in names)))
    if not entries:
        raise UsageError("tokens", expected="at least one token", got="none", where=path)
    return tuple(entries)
