"""A selection as it is printed: the ids in the order to label them in, and how near all others are to them."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.datasets.selection import Selection
from artifact.atomic import write_atomically
from artifact.errors import DataError
from lookalike import console

_SHOWN = 20


def print_selection(
    selection: Selection,
    ids: Sequence[str],
    *,
    asked: int,
    output: Path | None,
    id_list: Path | None,
    left_out: dict[str, Any],
    as_json: bool,
) -> None:
    """Print what was chosen.

    Args:
        ids: of the chosen rows.
        asked: how many rows were asked for.
        output, id_list: the files that were written.
    """
    facts = {
        "output": None if output is None else str(output),
        "list": None if id_list is None else str(id_list),
        "chosen": len(ids),
        "method": selection.method,
        "num_rows": selection.num_rows,
        "num_labelled": selection.num_labelled,
        "num_left": selection.num_left,
        "mean_distance": selection.mean_distance,
        "farthest": selection.farthest,
        "coverage_rows": selection.coverage_rows,
        "distance": selection.distance,
    }
    rows = [
        {"rank": rank, "id": each, "distance_before": None if math.isinf(apart) else apart}
        for rank, (each, apart) in enumerate(zip(ids, selection.distances.tolist(), strict=True), start=1)
    ]
    if len(ids) < asked:
        console.note(f"{asked:,} rows were asked for; {len(ids):,} are neither labelled nor copies of another")
    if as_json:
        console.print_json(facts | left_out | {"rows": rows})
        return
    cells = [["" if value is None else value for value in row.values()] for row in rows[:_SHOWN]]
    console.print_table(list(rows[0]), cells)
    sys.stdout.write(f"and {len(rows) - _SHOWN:,} more\n\n" if len(rows) > _SHOWN else "\n")
    console.print_facts("selected", facts)


def write_id_list(path: Path, ids: Sequence[str]) -> None:
    """Write one id a line.

    Raises:
        DataError: an id that holds a line break. OutputError: the file cannot be written.
    """
    for each in ids:
        if "\n" in each or "\r" in each:
            raise DataError("id", expected="one line, for a list of ids", got=repr(each), mend="use --output")
    write_atomically(path, "".join(f"{each}\n" for each in ids).encode())
