"""Outliers as they are printed and drawn: the rows that stand out most, and with labels those of their class."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.datasets.class_outliers import CLASS_MEASURE
from analysis.datasets.outliers import MEASURE, Outliers
from artifact.arrays import Indices
from lookalike import console
from pages.gallery import pictures_of_rows
from pages.outliers import MAX_SHOWN, Outlier, write_outliers_page
from rows.vectors.table import VectorTable

if TYPE_CHECKING:
    from rows.pictures.joined import Pictures


def print_outliers(
    found: Outliers,
    table: VectorTable,
    output: Path | None,
    *,
    label: str | None,
    count: int,
    left_out: dict[str, Any],
    as_json: bool,
) -> None:
    """Print the first `count` outliers, of the set and of their classes, and the measure.

    Args:
        label: the column of classes, where one was asked for.
    """
    labels = table.column(label).to_pylist() if label is not None else None
    rows = [_row(found, table, labels, row) for row in found.order[:count].tolist()]
    facts: dict[str, Any] = {
        "output": None if output is None else str(output),
        "num_rows": table.num_rows,
        "measure": MEASURE,
        "distance": found.distance,
        "compared_with": found.references,
    }
    of_classes: list[dict[str, Any]] = []
    if labels is not None:
        facts |= {"label": label, "class_measure": CLASS_MEASURE, "num_in_classes": len(found.class_order)}
        of_classes = [_row(found, table, labels, row) for row in found.class_order[:count].tolist()]
    if as_json:
        listed = {"outliers": rows} | ({"class_outliers": of_classes} if labels is not None else {})
        console.print_json(facts | left_out | listed)
        return
    for title, lines in (("", rows), (f"of their class (column {label})", of_classes)):
        if lines:
            if title:
                sys.stdout.write(f"{title}\n")
            header = list(lines[0])
            console.print_table(
                header, [["" if line[name] is None else line[name] for name in header] for line in lines]
            )
            sys.stdout.write("\n")
    console.print_facts("outliers", facts)


def _row(found: Outliers, table: VectorTable, labels: Sequence[Any] | None, row: int) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "id": table.ids[row],
        "outlier": float(found.scores[row]),
        "rank": int(found.ranks[row]),
        "by": "nearest" if found.apart[row] >= found.remote[row] else "landmarks",
    }
    if labels is not None and found.class_scores is not None:
        value = float(found.class_scores[row])
        facts |= {"label": labels[row], "class_outlier": None if math.isnan(value) else value}
    return facts


def page_of_outliers(
    page: Path, table: VectorTable, found: Outliers, pictures: Pictures | None, *, label: str | None, count: int
) -> None:
    """Write the page of the first `count` outliers, at most MAX_SHOWN, and of those of their classes."""
    count = min(count, MAX_SHOWN)
    labels = table.column(label).to_pylist() if label is not None else None
    first = found.order[:count]
    of_classes = found.class_order[:count] if labels is not None else found.order[:0]
    shown = pictures_of_rows(pictures, [*first.tolist(), *of_classes.tolist()])

    def pages_of(rows: Indices, scores: Any) -> list[Outlier]:
        return [
            Outlier(
                name=table.ids[row],
                data=shown.get(row),
                score=float(scores[row]),
                label=None if labels is None or labels[row] is None else str(labels[row]),
            )
            for row in rows.tolist()
        ]

    write_outliers_page(
        page,
        pages_of(first, found.scores),
        pages_of(of_classes, found.class_scores) if labels is not None else None,
        facts={
            "source": table.source,
            "num_rows": table.num_rows,
            "measure": MEASURE,
            "class_measure": CLASS_MEASURE,
            "label": label,
            "lineage": str(table.lineage) if table.lineage is not None else None,
            "has_pictures": pictures is not None,
        },
    )
    console.note(f"{page} shows the first {len(first):,}")
