"""One of n shares of a table: shard i of n answers the parts whose number leaves i - 1 when divided by n.

Whole parts are dealt out in turn, not runs of rows: every shard then has its share of a slow stretch of the table, and
nobody needs to know how long the table is before it has been read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from artifact.errors import UsageError


@dataclass(frozen=True)
class Shard:
    """Shard `number`, from 1, of `count`; 1 of 1 is the whole table."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """`2/8` as a shard; raises UsageError."""
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"shard {text!r}", expected="I/N with I from 1 to N, for example 1/4")
        return cls(int(match[1]), int(match[2]))

    def has(self, part: int) -> bool:
        """Whether part number `part` is this shard's."""
        return part % self.count == self.number - 1

    def num_rows(self, table_rows: int, rows_per_part: int) -> int:
        """Rows that it answers of a table of so many."""
        whole, rest = divmod(table_rows, rows_per_part)
        parts = (whole - self.number) // self.count + 1 if whole >= self.number else 0
        return parts * rows_per_part + (rest if self.has(whole) else 0)

    @property
    def is_whole(self) -> bool:
        return self.count == 1

    @property
    def words(self) -> str:
        """For messages."""
        return "the whole table" if self.is_whole else f"shard {self}"

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


WHOLE = Shard()
