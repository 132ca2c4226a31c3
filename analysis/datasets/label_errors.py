"""Suspected label errors of a table: every label judged by all other rows, the most doubtful first.

Four views of each label (analysis/datasets/mislabelled), mixed by how well they find errors that are planted for that,
give the probability that it is wrong and the class that it may be instead. Every row is judged by the others, never by
itself or by a copy of itself.

Decisions a reader would question:
- All labelled rows are in the answer, ranked, not the suspects alone: where to stop looking is the reader's choice.
- A label of which no other picture is known cannot be judged. Such rows come last, without a confidence.
- Where the planted errors do not stand out no label has a confidence: the ranking stays, for what little it knows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.datasets.mislabelled.cases import label_cases
from analysis.datasets.mislabelled.confidence import CONFIDENT
from analysis.datasets.mislabelled.judging import PROPOSERS, VIEWS, Judged, judge_labels
from analysis.datasets.output_columns import write_with_columns
from analysis.neighbours.batches import checked_rows
from analysis.neighbours.labels import has_label, label_codes
from analysis.neighbours.samples import check_seed
from artifact.arrays import Flags, Indices, Numbers
from artifact.distances import DISTANCES
from artifact.distances.cosine import unit_vectors
from artifact.errors import DataError, UsageError
from rows.vectors.lineage import table_distance
from rows.vectors.table import VectorTable

UNTOLD = (
    "no label is suspected: errors planted among them hardly stand out, so these vectors cannot tell which are wrong"
)
"""Said where nothing is told of the labels of a table."""

OUTPUT_COLUMNS = ("proposed", "confidence", "suspected", "copies_disagree")


@dataclass(frozen=True, kw_only=True)
class LabelErrors:
    """The labels of a table of N rows, judged; L of them have a label.

    Attributes:
        rows: int64 [L], numbers of the labelled rows in the table, the most doubtful first.
        given: int64 [L], their classes, numbers into `classes`.
        proposed: int64 [L], the class that each may be instead; -1 where its label could not be judged.
        confidence: float64 [L], probability that the label is wrong; NaN where it could not be judged, and of all where
            `note` says so.
        disagreeing: bool [L], whether a row of the same vector carries another label.
        classes: labels as they stand in the table, in order of first appearance.
        num_rows, num_vectors: N, and how many different vectors the labelled rows have.
        by_planted: how many labels are wrong, about, were the errors like the planted ones; None with a `note`.
        recall: of the planted errors, the share that would be suspected.
        proposed_right: of the planted errors, the share whose class before would be proposed.
        planted: how many errors were planted.
        weights: {view: its weight}.
        distance: a name in artifact.distances.DISTANCES.
        neighbour_recall: of the neighbour graph, 1 where it is exact.
    """

    rows: Indices
    given: Indices
    proposed: Indices
    confidence: Numbers
    disagreeing: Flags
    classes: list[Any]
    num_rows: int
    num_vectors: int
    by_planted: float | None
    recall: float
    proposed_right: float
    planted: int
    weights: dict[str, float]
    distance: str
    neighbour_recall: float

    @property
    def suspected(self) -> Flags:
        """bool [L], whether the label is more likely wrong than right."""
        found: Flags = self.confidence >= CONFIDENT
        return found

    @property
    def expected(self) -> float | None:
        """How many labels are wrong, by the sum of all confidences; None with a `note`."""
        return float(np.nansum(self.confidence)) if self.note is None else None

    @property
    def note(self) -> str | None:
        """Why nothing is told of these labels: UNTOLD, or None."""
        return UNTOLD if self.by_planted is None else None

    @property
    def num_unjudged(self) -> int:
        """Labels of which no other vector is known."""
        return int((self.proposed < 0).sum())

    def pairs(self) -> list[dict[str, Any]]:
        """{"given", "proposed", "suspected"} of suspected rows, the most frequent pair first."""
        at = self.suspected
        keys, counts = np.unique(self.given[at] * len(self.classes) + self.proposed[at], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return [
            {
                "given": self.classes[key // len(self.classes)],
                "proposed": self.classes[key % len(self.classes)],
                "suspected": count,
            }
            for key, count in zip(keys[order].tolist(), counts[order].tolist(), strict=True)
        ]

    def per_class(self) -> list[dict[str, Any]]:
        """{"class", "num_rows", "suspected", "expected", "proposed"} of every class, the worst first.

        `suspected` and `expected` count rows that carry the label and may be wrong, `proposed` suspects of other labels
        that may belong here. With a `note`, `expected` is None.
        """
        num = len(self.classes)
        sizes = np.bincount(self.given, minlength=num)
        suspected = np.bincount(self.given[self.suspected], minlength=num)
        expected = np.bincount(self.given, weights=np.nan_to_num(self.confidence), minlength=num)
        gained = np.bincount(self.proposed[self.suspected], minlength=num)
        order = np.lexsort((np.arange(num), -suspected, -expected / sizes))
        return [
            {
                "class": self.classes[code],
                "num_rows": int(sizes[code]),
                "suspected": int(suspected[code]),
                "expected": float(expected[code]) if self.note is None else None,
                "proposed": int(gained[code]),
            }
            for code in order.tolist()
        ]


def find_label_errors(
    table: VectorTable | str | Path,
    label: str,
    *,
    distance: str | None = None,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> LabelErrors:
    """Judge the labels of a table.

    Memory: the labelled vectors twice, and some 300 bytes a row.

    Args:
        table: or the path of one.
        label: column of the class; rows where it is null, empty or NaN are left out and counted.
        distance: for vectors without lineage.
        seed: the same seed gives the same answer.
        report: called with (vectors whose neighbours are found, vectors in all).

    Raises:
        DataError: no such column, labels that are lists, numbers that are not finite, or fewer than two classes of two
            different vectors each.
        UsageError: no distance known, or a negative seed.
    """
    table = VectorTable.of(table)
    check_seed(seed)
    distance = table_distance(table.lineage, distance, where=table.source)
    values = table.column(label).to_pylist()
    labelled = np.flatnonzero([has_label(value) for value in values])
    if not len(labelled):
        raise DataError(f'label column "{label}"', expected="a class in some rows", got="none", where=table.source)
    known: dict[Any, int] = {}
    codes = label_codes([values[row] for row in labelled.tolist()], len(labelled), known=known)
    vectors = checked_rows(table, labelled)
    if DISTANCES[distance].of_directions:
        unit_vectors(vectors, out=vectors)
    cases = label_cases(vectors, codes)
    del vectors
    judged = judge_labels(cases, distance=distance, seed=seed, where=table.source, report=report)
    found = _ranked(judged, cases.of_row, cases.disagreeing, labelled, codes, list(known)) | {
        "num_rows": table.num_rows,
        "num_vectors": len(cases.vectors),
        "distance": distance,
    }
    return LabelErrors(**found)


def write_label_errors(table: VectorTable, label: str, errors: LabelErrors, output: str | Path) -> list[str]:
    """Write all labelled rows, the most doubtful first, to a Parquet file.

    Its columns: `id`, the copied ones, `proposed` (of the label's type), `confidence` (float32), `suspected` (bool) and
    `copies_disagree` (bool).

    Returns:
        Names of copied columns that gave way to ours.

    Raises:
        UsageError: an output that is the table, or a label that `require_other_label` refuses. OutputError: the file
            cannot be written.
    """
    require_other_label(label)
    firsts = np.full(len(errors.classes), -1)  # a row of each class, so that proposals keep the column's type
    firsts[errors.given[::-1]] = errors.rows[::-1]
    is_judged = errors.proposed >= 0
    at: Any = pa.array(firsts[errors.proposed], mask=~is_judged)
    ours: dict[str, Any] = {
        "proposed": table.column(label).take(at),
        "confidence": pa.array(errors.confidence.astype(np.float32), mask=np.isnan(errors.confidence)),
        "suspected": pa.array(errors.suspected),
        "copies_disagree": pa.array(errors.disagreeing),
    }
    return write_with_columns(table, ours, output, rows=errors.rows)


def require_other_label(label: str) -> None:
    """Raise UsageError where the column of labels has the name of one that the output has itself."""
    if label in OUTPUT_COLUMNS:
        expected = f"none of {', '.join(OUTPUT_COLUMNS)}, which the output has itself"
        raise UsageError("label column", expected=expected, got=label, mend="rename it")


def _ranked(
    judged: Judged, of_row: Indices, disagreeing: Flags, labelled: Indices, codes: Indices, classes: list[Any]
) -> dict[str, Any]:
    """What is known of the cases, for each labelled row, most doubtful first; rows of one doubt as in the table."""
    num_cases = len(disagreeing)
    log_odds, confidence = np.full(num_cases, np.nan), np.full(num_cases, np.nan)
    proposed = np.full(num_cases, -1)
    log_odds[judged.cases], confidence[judged.cases] = judged.log_odds, judged.confidence
    proposed[judged.cases] = judged.proposed
    order = np.lexsort((-log_odds[of_row], -confidence[of_row]))  # NaN comes last
    case = of_row[order]
    num_judged = int((proposed[of_row] >= 0).sum())
    mix = judged.mix
    return {
        "rows": labelled[order],
        "given": codes[order],
        "proposed": proposed[case],
        "confidence": confidence[case],
        "disagreeing": disagreeing[case],
        "classes": classes,
        "by_planted": None if judged.share_wrong is None else judged.share_wrong * num_judged,
        "recall": judged.planted_suspected,
        "proposed_right": float(mix.right[: len(PROPOSERS)].max()),
        "planted": mix.num_planted,
        "weights": dict(zip(VIEWS, mix.weights.tolist(), strict=True)),
        "neighbour_recall": judged.recall,
    }
