"""An explorer's page as it is printed: where it is and what is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lookalike import console
from lookalike.exploring.assembly import Assembled


def print_exploration(found: Assembled, output: Path, *, left_out: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print what a page that was written to `output` holds; what is odd is told on stderr.

    Args:
        left_out: of each table, which rows were left out; for the JSON alone.
    """
    data, pictures = found.data, found.pictures
    num_pictures = int((data.pictures.sprites.cells >= 0).sum()) if data.pictures is not None else 0
    for note in [*found.notes, *(pictures.notes if pictures is not None else [data.no_pictures])]:
        console.note(note)
    if pictures is not None and pictures.num_missing:
        console.note(f"{pictures.num_missing:,} rows have no picture")
    facts = {
        "output": str(output),
        "num_bytes": output.stat().st_size,
        "num_rows": data.num_rows,
        "num_pictures": num_pictures,
        "columns": [column.name for column in data.columns],
        "colour": data.columns[data.colour].name if data.colour >= 0 else None,
        "layout": found.layout.facts(),
        "neighbours": found.graph.k if found.graph is not None else 0,
        "neighbours_recall": found.graph.recall if found.graph is not None else None,
        "distance": data.distance,
        "findings": {tab.name: tab.num_found for tab in data.findings},
    }
    if as_json:
        console.print_json(facts | {"left_out": left_out})
        return
    shown = facts | {
        "layout": found.layout.method,
        "columns": ", ".join(column.name for column in data.columns) or "none",
        "findings": ", ".join(f"{tab.num_found:,} {tab.title.lower()}" for tab in data.findings) or "none",
    }
    console.print_facts("explore", {key: value for key, value in shown.items() if value is not None})
