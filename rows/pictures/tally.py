"""The tally of a pass over pictures: which rows have one, and why the others have none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from artifact.arrays import Flags
from artifact.listing import listed


@dataclass(frozen=True, kw_only=True)
class BadPicture:
    """A row without a picture: its number, its id, and why."""

    row: int
    id: str
    reason: str


class RowIds:
    """Ids of rows, some of which may be those of several rows.

    Args:
        ids: [N], as text, by which pictures are found.
        names: [N], the rows' own where these are others: parts of one image have its id.
    """

    def __init__(self, ids: Sequence[str], *, names: Sequence[str] | None = None) -> None:
        self.ids, self.names = ids, ids if names is None else names
        self._first: dict[str, int] = {}
        self._others: dict[int, list[int]] = {}
        for row, name in enumerate(ids):
            first = self._first.setdefault(name, row)
            if first != row:
                self._others.setdefault(first, []).append(row)

    def __len__(self) -> int:
        """How many rows, N."""
        return len(self.ids)

    @property
    def num_distinct(self) -> int:
        """How many ids."""
        return len(self._first)

    def rows(self, name: str) -> Sequence[int]:
        """The rows that have an id, rising; none where no row has it."""
        first = self._first.get(name)
        return () if first is None else (first, *self._others.get(first, ()))


class Tally:
    """What became of each row in one pass.

    Args:
        rows: of the table of vectors.
        source: the table of images, for messages.

    Attributes:
        has_picture: bool [N]: the row's id was met, whether or not its picture can be read.
        hashes: [N], SHA-256 in hex; None where it is not known.
        reasons: {row: why its picture cannot be read}.
        num_double: images whose id an earlier one had.
        other_id: the first id of the table of images.
    """

    def __init__(self, rows: RowIds, source: str) -> None:
        self._rows, self._source = rows, source
        self.has_picture: Flags = np.zeros(len(rows), bool)
        self.hashes: list[str | None] = [None] * len(rows)
        self.reasons: dict[int, str] = {}
        self.num_double, self.other_id = 0, ""

    def meet(self, name: str) -> Sequence[int]:
        """The rows of an id that is met in the table of images; none where there are none, or it was met before."""
        self.other_id = self.other_id or name
        rows = self._rows.rows(name)
        if not rows:
            return ()
        if self.has_picture[rows[0]]:
            self.num_double += 1
            return ()
        self.has_picture[list(rows)] = True
        return rows

    @property
    def missing(self) -> str:
        """Why a row has no picture whose id was not met."""
        return f"not in {self._source}"

    @property
    def bad(self) -> list[BadPicture]:
        """The rows without a picture, by row."""
        missing = dict.fromkeys(np.flatnonzero(~self.has_picture).tolist(), self.missing)
        reasons = missing | self.reasons
        return [BadPicture(row=row, id=self._rows.names[row], reason=reasons[row]) for row in sorted(reasons)]

    @property
    def notes(self) -> list[str]:
        """What is odd, a line each."""
        ids, lines = self._rows.ids, []
        missing = np.flatnonzero(~self.has_picture)
        if len(missing) == len(ids):
            here, there = repr(ids[0]), repr(self.other_id)
            lines.append(f"no row has a picture: ids are such as {here}, and in {self._source} such as {there}")
        elif len(missing):
            named = listed([repr(ids[row]) for row in missing[:3].tolist()], total=len(missing))
            lines.append(f"{len(missing):,} of {len(ids):,} rows have no picture in {self._source}: {named}")
        if self.reasons:
            row, reason = min(self.reasons.items())
            count = f"{len(self.reasons):,} pictures" if len(self.reasons) > 1 else "1 picture"
            lines.append(f"{count} cannot be read, such as {ids[row]!r}: {reason}")
        if self.num_double:
            have = "images have" if self.num_double > 1 else "image has"
            lines.append(f"{self.num_double:,} {have} the id of an earlier one in {self._source}, which counts")
        return lines
