"""Suspected label errors as they are printed: the suspects, the classes that are taken for others, and how many."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.datasets.label_errors import LabelErrors
from lookalike import console

_PAIRS = 10
_CLASSES = 10


def print_label_errors(
    errors: LabelErrors,
    ids: Sequence[str],
    output: Path | None,
    *,
    label: str,
    count: int,
    left_out: dict[str, Any],
    as_json: bool,
) -> None:
    """Print what was found about the labels of a table.

    Args:
        ids: of all rows of the table.
        output: the file of all rows, where one was written.
        label: the column.
        count: suspects to print.
    """
    suspects = [
        {
            "id": ids[errors.rows[place]],
            "given": errors.classes[errors.given[place]],
            "proposed": errors.classes[errors.proposed[place]],
            "confidence": float(errors.confidence[place]),
        }
        for place in range(min(count, int(errors.suspected.sum())))
    ]
    facts: dict[str, Any] = {
        "output": None if output is None else str(output),
        "num_rows": errors.num_rows,
        "num_unlabelled": errors.num_rows - len(errors.rows),
        "num_vectors": errors.num_vectors,
        "num_classes": len(errors.classes),
        "num_unjudged": errors.num_unjudged,
        "suspected": int(errors.suspected.sum()),
        "expected": _rounded(errors.expected),
        "by_planted": _rounded(errors.by_planted),
        "note": errors.note,
        "copies_disagree": int(errors.disagreeing.sum()),
        "planted": errors.planted,
        "planted_suspected": errors.recall,
        "proposed_right": errors.proposed_right,
        "weights": errors.weights,
        "distance": errors.distance,
        "neighbour_recall": errors.neighbour_recall,
        "label": label,
    }
    pairs, classes = errors.pairs(), errors.per_class()
    if as_json:
        console.print_json(facts | left_out | {"suspects": suspects, "pairs": pairs, "classes": classes})
        return
    if suspects:
        console.print_table(list(suspects[0]), [list(row.values()) for row in suspects])
        left = facts["suspected"] - len(suspects)
        sys.stdout.write(f"and {left:,} more\n\n" if left else "\n")
    if pairs:
        _print_first(pairs, _PAIRS, "pairs")
        _print_first([row for row in classes if row["suspected"]], _CLASSES, "classes")
    shown = facts | {
        "planted_suspected": f"{errors.recall:.1%} of {errors.planted:,} errors planted to see what is found",
        "proposed_right": f"{errors.proposed_right:.1%} of them",
    }
    if errors.note is not None:
        shown |= {"planted_suspected": None, "proposed_right": None, "note": None}
    console.print_facts("labels", {name: value for name, value in shown.items() if value != 0})
    if not facts["suspected"]:
        console.note(errors.note or "no label is more likely wrong than right")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _print_first(rows: Sequence[dict[str, Any]], most: int, what: str) -> None:
    console.print_table(list(rows[0]), [list(row.values()) for row in rows[:most]])
    sys.stdout.write(f"and {len(rows) - most:,} more {what}\n\n" if len(rows) > most else "\n")
