"""The whole error tree of Lookalike, one class for each thing that a caller may want to tell apart.

Domain errors know nothing of gRPC, HTTP or the command line: serving/ and lookalike/ each map them in one table.
Every message is one line of the same form: what went wrong, what was expected, what was got, where, how to mend it.
"""

from __future__ import annotations

import unicodedata
from typing import Self

_LONGEST_FACT, _LONGEST_LINE = 2000, 65_536
_JOINERS = "\u200c\u200d"
"""Invisible, but parts of words and of emoji."""


def printable(text: str) -> str:
    """The text, with all in it that is no mark on paper written as an escape (`\\x1b`, `\\u202e`).

    Names and texts of others stand in messages and logs. Control characters would steer the terminal that shows them,
    line breaks would forge a line of their own, and marks of direction would show another text than there is.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in _JOINERS or unicodedata.category(one) == "Zs" else _escape(one)
        for one in text
    )


def _escape(one: str) -> str:
    return one.encode("unicode_escape").decode("ascii")


def bounded(text: str, longest: int) -> str:
    """The text, or its two ends and how long it is: what stands in a file can be of any length, a message cannot."""
    if len(text) <= longest:
        return text
    note = f" [... {len(text)} characters ...] "
    kept = max(longest - len(note), 0)
    return text[: kept - kept // 3] + note + text[len(text) - kept // 3 :]


class LookalikeError(Exception):
    """Base of every error that is the user's to mend; `str()` of it is one line of printable text.

    Args:
        what: what went wrong, naming the thing ("image column 'photo'").
        expected: what would have been right.
        got: what was found instead.
        where: the file, folder, model or address.
        mend: what the user can do about it.
    """

    def __init__(
        self,
        what: str,
        *,
        expected: str | None = None,
        got: str | None = None,
        where: object | None = None,
        mend: str | None = None,
    ) -> None:
        self.what, self.expected, self.got, self.where, self.mend = what, expected, got, where, mend
        named = {"expected": expected, "got": got}
        facts = [f"{name} {bounded(text, _LONGEST_FACT)}" for name, text in named.items() if text]
        line = what  # which may list every bad row of a request
        if facts:
            line += ": " + ", ".join(facts)
        if where is not None:
            line += f" ({where})"
        if mend:
            line += f"; {mend}"
        super().__init__(printable(" ".join(bounded(line, _LONGEST_LINE).split())))

    def but(self, *, what: str | None = None, where: object | None = None, mend: str | None = None) -> Self:
        """The same error with other words, for who knows more of it; what is not given stays."""
        changed = type(self).__new__(type(self))
        changed.__dict__ |= self.__dict__
        LookalikeError.__init__(
            changed,
            what or self.what,
            expected=self.expected,
            got=self.got,
            where=self.where if where is None else where,
            mend=mend or self.mend,
        )
        return changed


class UsageError(LookalikeError):
    """An option or argument that makes no sense by itself (exit code 2)."""


class DataError(LookalikeError):
    """A folder or table of images, or a table of vectors, that cannot be used."""


class ImageColumnError(DataError):
    """A table whose column of images is not there, or holds none."""


class AttributeColumnError(DataError):
    """A table whose column of an attribute is not there, though another is called nearly so."""


class RunError(LookalikeError):
    """A run folder that cannot be written, read or continued."""


class ArtifactError(LookalikeError):
    """A file that is not a sound artifact."""


class ParityError(LookalikeError):
    """An exported graph whose vectors differ from the trained network's."""


class RepositoryError(LookalikeError):
    """A model repository that cannot be read or published to."""


class ModelNotFoundError(RepositoryError):
    """A model or a version of it that the repository or the server does not have."""


class SpaceError(LookalikeError):
    """Vectors of two spaces in one operation: their distances mean nothing."""


class OutputError(LookalikeError):
    """An output folder or file that belongs to something else, or cannot be written."""


class ServerError(LookalikeError):
    """A server that could not be started, reached, or that answered with a failure."""


class UnavailableError(ServerError):
    """Not now: the server is not there, not ready, stopping, or its queue is full."""


class BusyError(UnavailableError):
    """The server is there and has too much to do at this moment."""


class UnansweredError(UnavailableError):
    """The server may be there, but the answer was not waited for any longer: too late, or cancelled."""


class TooLargeError(ServerError):
    """The server has no room for a request of this size."""


class MessageTooLargeError(TooLargeError):
    """A request of more bytes than the server takes in one message, whatever else it has to do."""


class InvalidRequestError(ServerError):
    """A request that does not fit the model: data type, shape, size, or an image that cannot be read."""


class UnsupportedError(ServerError):
    """A part of the protocol that this server does not have."""


class TrainingError(LookalikeError):
    """Training that cannot go on: for example a loss that is no longer finite."""
