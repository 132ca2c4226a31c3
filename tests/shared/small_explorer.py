"""An explorer's page of a few rows on a circle, for tests of pages of odd data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pages.explorer.data import Column, ExplorerData, texts
from pages.explorer.writer import write_explorer


def small_page(folder: Path, ids: Sequence[str], columns: Sequence[Column] = (), **more: object) -> Path:
    """`page.html` in a folder; `more` of ExplorerData."""
    page = folder / "page.html"
    count = len(ids)
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    values: dict[str, object] = {
        "title": "odd",
        "about": "odd rows",
        "file_stem": "odd",
        "ids": texts(ids)[0],
        "places": np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32),
        "digest": "cd" * 32,
        "columns": columns,
        "colour": 0 if columns else -1,
        "no_pictures": "There are no pictures in this page.",
    }
    write_explorer(page, ExplorerData(**(values | more)))
    return page
