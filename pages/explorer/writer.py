"""Writing the explorer's page: the frame, what the first picture needs, the scripts, then the rest of the data.

Decisions a reader would question:
- The file is written from front to back, a block at a time: memory is that of the data handed in and of one block.
- Sheets of pictures stand last. A browser runs the script as soon as it has read that far, so the first picture of a
  page of 100 MB does not wait for the pictures.
- Blocks are base64 of zlib: HTML holds no bytes, and what compresses badly grows by a third. `<` never stands in one,
  so no block can end early.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from artifact.atomic import staged_file
from pages.explorer.data import Categories, Column, ExplorerData, Measures, Texts
from pages.explorer.page import frame, policy, script
from rows.pictures.sprites import MEDIA_TYPE

FORMAT = 1
_CHUNK = 3 << 18
"""Bytes encoded at once; of base64 a multiple of three."""
_LEVEL = 6


def write_explorer(page: Path, data: ExplorerData) -> None:
    """Write the page whole or not at all.

    Raises:
        OutputError: it cannot be written. DataError: the pictures are broken further down their table.
    """
    source = script()
    before, after = frame(
        title=data.title,
        about=data.about,
        notes=data.notes,
        num_rows=f"{data.num_rows:,}",
        pictures=data.pictures is not None,
        no_pictures=data.no_pictures,
        policy=policy(source),
    )
    with staged_file(page) as staged, staged.open("wb") as file:
        file.write(before.encode("utf-8", errors="replace"))
        facts = json.dumps(page_facts(data), ensure_ascii=False).replace("<", "\\u003c")
        file.write(f'<script type="application/json" id="facts">{facts}</script>\n'.encode("utf-8", errors="replace"))
        first, later = _blocks(data)
        for name, content in first:
            _write_block(file, name, zlib.compress(content, _LEVEL))
        file.write(f"<script>{source}</script>\n".encode())
        for name, content in later:
            _write_block(file, name, zlib.compress(content, _LEVEL))
        if data.pictures is not None:
            for sheet in data.pictures.sprites.sheets(data.pictures.thumbnails):
                _write_block(file, f"sheet-{sheet.number}", sheet.data)
            cells = np.ascontiguousarray(data.pictures.sprites.cells, "<i4").tobytes()
            _write_block(file, "sprite-cells", zlib.compress(cells, _LEVEL))
            sizes = np.ascontiguousarray(data.pictures.sprites.sizes, "<u2").tobytes()
            _write_block(file, "sprite-sizes", zlib.compress(sizes, _LEVEL))
        file.write(after.encode("utf-8", errors="replace"))


def page_facts(data: ExplorerData, *, served: bool = False) -> dict[str, Any]:
    """What the scripts are told of the data before they read any of it; `served`: they ask a server for it."""
    sprites = data.pictures.sprites if data.pictures is not None else None
    return {
        "format": FORMAT,
        "title": data.title,
        "file_stem": data.file_stem,
        "num_rows": data.num_rows,
        "digest": data.digest,
        "served": served,
        "columns": [_column_facts(column) for column in data.columns],
        "colour": data.colour,
        "num_neighbours": data.neighbours.rows.shape[1] if data.neighbours is not None else 0,
        "distance": data.distance,
        "no_pictures": data.no_pictures,
        "sprites": sprites
        and {
            "px": sprites.px,
            "columns": sprites.columns,
            "cells_per_sheet": sprites.cells_per_sheet,
            "type": MEDIA_TYPE,
        },
        "findings": [
            {"name": tab.name, "title": tab.title, "count": None if tab.is_ranking else tab.num_found}
            for tab in data.findings
        ],
    }


def column_block(column: Column) -> bytes:
    """A column's cells as the page reads them: codes or float64, little-endian, or texts."""
    if isinstance(column, Texts):
        return column.cells
    if isinstance(column, Measures):
        return np.ascontiguousarray(column.values, "<f8").tobytes()
    return np.ascontiguousarray(column.codes, column.codes.dtype.newbyteorder("<")).tobytes()


def json_block(content: Any) -> bytes:
    """Names of categories, or the findings of a tab."""
    return json.dumps(content, ensure_ascii=False).encode("utf-8", errors="replace")


def _column_facts(column: Column) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": column.name, "kind": column.kind}
    if isinstance(column, Categories):
        facts |= {"bytes": column.codes.itemsize, "is_set": column.is_set}
    return facts


Blocks = Iterator[tuple[str, bytes]]


def _blocks(data: ExplorerData) -> tuple[Blocks, Blocks]:
    """(name, content) of what the first picture needs, and of the rest."""
    at_once = {data.colour} | {
        number for number, column in enumerate(data.columns) if isinstance(column, Categories) and column.is_set
    }

    def columns(wanted: bool) -> Blocks:
        for number, column in enumerate(data.columns):
            if (number in at_once) is wanted:
                yield f"column-{number}", column_block(column)
                if isinstance(column, Categories):
                    yield f"names-{number}", json_block(list(column.names))

    def first() -> Blocks:
        yield "places", np.ascontiguousarray(data.places, "<f4").tobytes()
        yield from columns(True)

    def later() -> Blocks:
        yield "ids", data.ids
        yield from columns(False)
        for tab in data.findings:
            yield f"finding-{tab.name}", json_block(tab.content())
        if data.neighbours is not None:
            yield "neighbour-rows", np.ascontiguousarray(data.neighbours.rows, "<u4").tobytes()
            yield "neighbour-distances", np.ascontiguousarray(data.neighbours.distances, "<f4").tobytes()

    return first(), later()


def _write_block(file: IO[bytes], name: str, content: bytes) -> None:
    file.write(f'<script type="text/plain" id="block-{name}">'.encode())
    for start in range(0, len(content), _CHUNK):
        file.write(base64.b64encode(content[start : start + _CHUNK]))
    file.write(b"</script>\n")
