"""What the explorer shows, as plain data: arrays, texts, findings. Encodings are those of columns.js.

Decisions a reader would question:
- Texts are one string with NUL between the cells, so a search is one pass over it and a cell a slice. NUL and the mark
  of an empty cell, which no text needs, become U+FFFD in data.
- A cell is cut at MAX_CELL characters: a page has no use for a book in each row. The page says which columns it cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from artifact.arrays import Numbers, Vectors
from rows.pictures.sprites import Sprites
from rows.pictures.thumbnail import Thumbnail

MAX_CELL = 10_000
_EMPTY = "\x01"
_SPOILT = str.maketrans({"\0": "\ufffd", _EMPTY: "\ufffd"})

Codes = npt.NDArray[np.unsignedinteger[Any]]


def texts(cells: Iterable[str | None]) -> tuple[bytes, bool]:
    """Cells as one UTF-8 string, and whether any was cut; None is an empty cell, as is ""."""
    is_cut, joined = False, []
    for cell in cells:
        if not cell:
            joined.append(_EMPTY)
            continue
        if len(cell) > MAX_CELL:
            cell, is_cut = cell[: MAX_CELL - 1] + "…", True
        joined.append(cell.translate(_SPOILT) if "\0" in cell or _EMPTY in cell else cell)
    return "\0".join(joined).encode("utf-8", errors="replace"), is_cut


@dataclass(frozen=True, kw_only=True)
class Categories:
    """A column of few different values.

    Attributes:
        name: of the column.
        codes: uint8, uint16 or uint32 [N], which of the names; as many as there are names where the cell is empty.
        names: of the codes.
        kind: boolean for a column of false and true.
        is_set: whether it says which table a row is of: its codes are symbols too.
    """

    name: str
    codes: Codes
    names: Sequence[str]
    kind: Literal["category", "boolean"] = "category"
    is_set: bool = False


@dataclass(frozen=True, kw_only=True)
class Measures:
    """A column of numbers, or of dates in milliseconds since 1970: float64 [N], NaN where the cell is empty."""

    name: str
    values: Numbers
    kind: Literal["number", "date"] = "number"


@dataclass(frozen=True, kw_only=True)
class Texts:
    """A column of texts as `texts` gives them."""

    name: str
    cells: bytes
    kind: Literal["text"] = "text"


Column = Categories | Measures | Texts


def code_type(num_names: int) -> type[np.uint8 | np.uint16 | np.uint32]:
    """The narrowest type of codes for so many names and the empty cell."""
    return np.uint8 if num_names < 1 << 8 else np.uint16 if num_names < 1 << 16 else np.uint32


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The nearest others of every row: row numbers [N, k], nearest first, and float32 [N, k] distances."""

    rows: npt.NDArray[np.integer[Any]]
    distances: Vectors


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something found: the rows that it is about, and what a reader is told of them, a text for each heading."""

    rows: Sequence[int]
    cells: Sequence[str]


def tab_title(name: str) -> str:
    """What stands on a tab, for readers."""
    return name.capitalize()


@dataclass(frozen=True, kw_only=True)
class FindingTab:
    """A tab of findings.

    Attributes:
        name: letters, for the address of the page.
        note: how it was found, in a sentence.
        headings: of the cells.
        findings: those that are shown, in their order.
        num_found: how many there are in all.
        facts: (name, value) of all of them together.
        is_ranking: all rows in an order, of which nobody said how many matter: the tab shows no number.
    """

    name: str
    note: str
    headings: Sequence[str]
    findings: Sequence[Finding]
    num_found: int
    facts: Sequence[tuple[str, str]] = ()
    is_ranking: bool = False

    @property
    def title(self) -> str:
        """Of the tab."""
        return tab_title(self.name)

    def content(self) -> dict[str, Any]:
        """As the page reads it."""
        rows = [{"rows": [int(row) for row in each.rows], "cells": list(each.cells)} for each in self.findings]
        return {
            "note": self.note,
            "facts": [list(each) for each in self.facts],
            "headings": list(self.headings),
            "num_found": self.num_found,
            "rows": rows,
        }


@dataclass(frozen=True, kw_only=True)
class SmallPictures:
    """Pictures of the rows: sheets that are filled while they are written, and the thumbnails that fill them."""

    sprites: Sprites
    thumbnails: Iterator[tuple[int, Thumbnail]]


@dataclass(frozen=True, kw_only=True)
class ExplorerData:
    """All that the page shows of N rows.

    Attributes:
        title: what they are, such as the name of the table.
        about: one line of facts.
        notes: what a reader must know beside, in one line.
        file_stem: of the files that the page writes.
        ids: as `texts` gives them.
        places: float32 [N, 2], within -1 to 1.
        columns: in their order.
        colour: number of the column that the points are coloured by at first; -1 for one colour.
        neighbours: None: the page shows none.
        distance: of the neighbours.
        pictures: None: there are none, and `no_pictures` says why.
        no_pictures: a sentence.
        findings: the tabs.
        digest: hex, of ids and places: addresses that name rows hold for the same alone.
    """

    title: str
    about: str
    file_stem: str
    ids: bytes
    places: Vectors
    digest: str
    notes: str = ""
    columns: Sequence[Column] = ()
    colour: int = -1
    neighbours: Neighbours | None = None
    distance: str = ""
    pictures: SmallPictures | None = None
    no_pictures: str = ""
    findings: Sequence[FindingTab] = field(default_factory=tuple)

    @property
    def num_rows(self) -> int:
        """N."""
        return len(self.places)
