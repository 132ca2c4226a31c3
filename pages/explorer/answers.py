"""What the page's server answers with: plain callables, and the plain data that they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pages.explorer.data import ExplorerData


@dataclass(frozen=True, kw_only=True)
class Near:
    """A row and how far it is."""

    row: int
    distance: float


@dataclass(frozen=True, kw_only=True)
class Landing:
    """Where a picture that is no row belongs on the map, within -1 to 1 or beyond, and its nearest rows."""

    x: float
    y: float
    neighbours: Sequence[Near]


@dataclass(frozen=True, kw_only=True)
class TagColumn:
    """The tags of all rows: uint32 [N] codes, the names of the codes, and every tag there is."""

    codes: npt.NDArray[np.uint32]
    names: Sequence[str]
    tags: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What the server answers with. Called from several threads; LookalikeError and ImageError are for the user.

    Attributes:
        data: the page; without neighbours, pictures and findings, which are asked for.
        tabs: (name, title) of the findings that can be asked for.
        num_neighbours: of each row; 0: none.
        neighbours: of a row, nearest first.
        finding: content of a tab, as FindingTab.content gives it.
        thumbnails: encoded small pictures of some rows, None for those without one; None: there are no pictures.
        picture: media type and bytes of a row's picture.
        embed: of an encoded image, or of attributes in words, as UTF-8; None: there is no model.
        attributes: which may be asked for, in words, where the model takes those; empty where it takes images.
        model: what it is called.
        max_upload_bytes: largest image that is taken.
        tags: of all rows.
        tag: gives some rows a tag (or takes it, where the last is True); how many it changed.
    """

    data: ExplorerData
    tabs: Sequence[tuple[str, str]] = ()
    num_neighbours: int
    neighbours: Callable[[int], Sequence[Near]]
    finding: Callable[[str], dict[str, Any]]
    thumbnails: Callable[[Sequence[int]], Sequence[bytes | None]] | None = None
    picture: Callable[[int], tuple[str, bytes]] | None = None
    embed: Callable[[bytes], Landing] | None = None
    attributes: str = ""
    model: str = ""
    max_upload_bytes: int = 0
    tags: Callable[[], TagColumn]
    tag: Callable[[Sequence[int], str, bool], int]
