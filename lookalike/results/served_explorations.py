"""A served explorer's page as it is printed: its address, once, and what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lookalike import console
from pages.explorer.answers import Answers


def print_served(
    address: str, port: int, answers: Answers, *, notes: Sequence[str], tags: Sequence[Path], as_json: bool
) -> None:
    """Print where a page is served; what is odd is told on stderr."""
    for note in notes:
        console.note(note)
    data = answers.data
    columns, files = [column.name for column in data.columns], [str(file) for file in tags]
    facts = {
        "address": address,
        "port": port,
        "num_rows": data.num_rows,
        "columns": columns,
        "distance": data.distance,
        "pictures": answers.thumbnails is not None,
        "model": answers.model or None,
        "tags": files,
    }
    if as_json:
        console.print_json(facts)
    else:
        shown = facts | {"columns": ", ".join(columns) or "none", "tags": ", ".join(files)}
        console.print_facts("explore", {key: value for key, value in shown.items() if value is not None})
        console.note("open the address in a browser of this machine; Ctrl-C ends it")
