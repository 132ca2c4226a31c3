"""The answers of a search as they are printed, a block of queries at a time: a JSON list, or a table for each block.

Decision a reader would question: the text of a JSON list is put together here: `json` writes a list only once it
has all of it, and the answers to a million queries are gigabytes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from artifact.listing import listed
from lookalike import console

if TYPE_CHECKING:
    from analysis.search.index import Index

Found = Sequence[Sequence[dict[str, Any]]]


class JsonAnswers:
    """One list of {"query", "neighbours"} to stdout."""

    def __init__(self) -> None:
        self._before = "[\n"

    def add(self, ids: Sequence[str], found: Found) -> None:
        """Print some queries with what was found for each."""
        for query, rows in zip(ids, found, strict=True):
            text = console.json_text({"query": query, "neighbours": rows})
            sys.stdout.write(self._before + "  " + text.replace("\n", "\n  "))
            self._before = ",\n"

    def end(self) -> None:
        """Close the list."""
        sys.stdout.write("\n]\n")


class TableAnswers:
    """A line for each neighbour to stdout."""

    def add(self, ids: Sequence[str], found: Found) -> None:
        """Print some queries with what was found for each."""
        from rows.ids import id_as_text

        lines = [
            {"query": query, "rank": rank} | row | {"id": id_as_text(row["id"])}
            for query, rows in zip(ids, found, strict=True)
            for rank, row in enumerate(rows, start=1)
        ]
        header = list(lines[0]) if lines else ["query", "rank", "id", "distance"]
        console.print_table(header, [list(line.values()) for line in lines])

    def end(self) -> None:
        """Nothing is open."""


def bad_queries_line(bad: Sequence[tuple[str, str]], *, what: str = "images") -> str:
    """The news of images, or of what else the queries are, that were left out: (id, reason) of each."""
    named = listed([f"{name}: {reason}" for name, reason in bad], separator="; ")
    return f"{len(bad):,} {'query' if len(bad) == 1 else 'queries'} with bad {what} left out: {named}"


def recall_line(index: Index, *, when: str | None = None) -> str | None:
    """The recall of an approximate index in words; None where it is exact.

    Args:
        when: it was measured; None: when the index was built, or last changed.
    """
    from analysis.measures.support import support_of_share

    if index.is_exact:
        return None
    recall = "not measured" if index.recall is None else index.recall
    asked = index.parameters.get("recall_queries")
    rests_on = ""
    if index.recall is not None and asked is not None:
        rests_on = f", on {support_of_share(index.recall, asked, 'queries')}"
    when = when or f"when it was {'changed' if 'change_seconds' in index.parameters else 'built'}"
    return f"approximate: recall@10 was {recall} {when}{rests_on}"
