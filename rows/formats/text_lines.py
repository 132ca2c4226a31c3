"""Lines of a text file, of bounded length, and the refusal of text that is not UTF-8."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any, AnyStr

from artifact.errors import DataError
from artifact.images.limits import IMAGE_MB_OPTION

LONGEST_LINE = 96 * 2**20
"""Letters of a line, and of a cell, whatever the limit of images: texts may be long too."""
LONGEST_AT_OPENING = 2**30
"""Letters of a line before the limit of images is known."""

_DOS_END = ("\x1a", b"\x1a")
"""What programs for DOS and Windows may put behind a text (control-Z); no letter of it."""

MEND_ENCODING = "save it as UTF-8, for example with iconv -f latin1 -t utf-8"


def longest_line(max_image_bytes: int) -> int:
    """Letters that a line may have where images have up to so many bytes: one fits, written as base64."""
    return max(LONGEST_LINE, max_image_bytes * 3 // 2)


def lines(file: IO[AnyStr], longest: int, *, where: str) -> Iterator[AnyStr]:
    """The lines with their ends, without a mark of the end of the text.

    Raises:
        DataError: a line of more letters than `longest`.
    """
    number = 0
    while line := file.readline(longest + 1):
        number += 1
        if len(line) > longest:
            raise DataError(
                f"line {number}",
                expected=f"at most {longest} letters",
                got="more without a line break",
                where=where,
                mend=f"where it holds an image as text, raise the limit with {IMAGE_MB_OPTION}",
            )
        mark: Any = _DOS_END[isinstance(line, bytes)]
        if mark in line and (line.endswith(mark) or line.strip() == mark):
            line = line.rstrip(mark)
            if not line.strip().strip(mark):
                continue
        yield line


def num_lines(text: str) -> int:
    """Lines of a piece of a text, as `lines` counts them."""
    return len(io.StringIO(text, newline="").readlines())


def lines_at(numbers: Iterable[int], rows: Sequence[int]) -> list[int]:
    """The line of each row that is asked for, of the lines of all rows in order; no more of these are read."""
    wanted, found = set(rows), dict[int, int]()
    for row, number in enumerate(numbers if wanted else ()):
        if row in wanted:
            found[row] = number
            if len(found) == len(wanted):
                break
    return [found[row] for row in rows]


def require_utf8(head: bytes, *, where: str) -> None:
    """Raise DataError where the first bytes of a file tell of UTF-16 or UTF-32, or are zeros."""
    if head and not head.strip(b"\0"):
        raise DataError("table", expected="text in UTF-8", got="zeros", where=where, mend="fetch or write it again")
    # every second byte of plain letters is zero there, with or without a mark in front
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or head.count(0) * 3 > len(head) > 0:
        raise DataError(
            "table",
            expected="text in UTF-8",
            got="UTF-16, as Excel's Unicode text",
            where=where,
            mend='save it as "CSV UTF-8", or with iconv -f utf-16 -t utf-8',
        )
