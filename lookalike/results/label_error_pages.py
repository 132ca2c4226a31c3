"""The page of suspected label errors: rows chosen, their neighbours found, their pictures gathered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis.datasets.label_errors import LabelErrors
from analysis.datasets.mislabelled.examples import nearest_of_classes
from artifact.arrays import Indices
from lookalike import console
from pages.gallery import pictures_of_rows
from pages.label_errors import MAX_SUSPECTS, Near, Suspect, write_label_errors_page
from rows.vectors.table import VectorTable

if TYPE_CHECKING:
    from rows.pictures.joined import Pictures

_OF_GIVEN, _OF_PROPOSED = 3, 4
_PAIRS = 20


def page_of_label_errors(
    page: Path, table: VectorTable, errors: LabelErrors, pictures: Pictures | None, *, label: str
) -> None:
    """Write the page of the first MAX_SUSPECTS suspects; raises OutputError where it cannot be written."""
    shown = np.flatnonzero(errors.suspected)[:MAX_SUSPECTS]
    rows, given, proposed = errors.rows[shown], errors.given[shown], errors.proposed[shown]
    near = [
        nearest_of_classes(table, rows, classes, _members(errors, classes), k, distance=errors.distance)
        for classes, k in ((given, _OF_GIVEN), (proposed, _OF_PROPOSED))
    ]
    beside = [row for each in near for found in each for row, _ in found]
    data = pictures_of_rows(pictures, [*rows.tolist(), *beside])

    def nears(found: list[tuple[int, float]]) -> list[Near]:
        return [Near(name=table.ids[row], data=data.get(row), distance=apart) for row, apart in found]

    suspects = [
        Suspect(
            name=table.ids[row],
            data=data.get(row),
            given=str(errors.classes[given[at]]),
            proposed=str(errors.classes[proposed[at]]),
            confidence=float(errors.confidence[shown[at]]),
            of_given=nears(near[0][at]),
            of_proposed=nears(near[1][at]),
        )
        for at, row in enumerate(rows.tolist())
    ]
    write_label_errors_page(
        page,
        suspects,
        [(str(pair["given"]), str(pair["proposed"]), pair["suspected"]) for pair in errors.pairs()[:_PAIRS]],
        facts={
            "source": table.source,
            "label": label,
            "num_rows": len(errors.rows),
            "num_suspected": int(errors.suspected.sum()),
            "expected": errors.expected,
            "note": errors.note,
            "planted": errors.planted,
            "planted_suspected": errors.recall,
            "proposed_right": errors.proposed_right,
            "lineage": str(table.lineage) if table.lineage is not None else None,
            "has_pictures": pictures is not None,
        },
    )
    console.note(f"{page} shows the first {len(suspects):,}")


def _members(errors: LabelErrors, classes: Indices) -> dict[int, Indices]:
    """Rows of some classes, rising, without those whose own label is doubtful."""
    is_good = ~errors.suspected
    return {code: np.sort(errors.rows[is_good & (errors.given == code)]) for code in np.unique(classes).tolist()}
