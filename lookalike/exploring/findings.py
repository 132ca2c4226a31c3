"""The tabs of findings: each asks one function of analysis/datasets and says its answer as rows of a tab.

A new tab is one file with a function of this signature, and one line in FINDERS. A finder answers None where its
question does not arise: labels without a column of them, a comparison of one set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from artifact.errors import DataError
from lookalike.exploring.comparison_tab import comparison_tab
from lookalike.exploring.duplicates_tab import duplicates_tab
from lookalike.exploring.labels_tab import labels_tab
from lookalike.exploring.outliers_tab import outliers_tab
from lookalike.exploring.question import Question
from pages.explorer.data import FindingTab

FINDERS: dict[str, Callable[[Question], FindingTab | None]] = {
    "duplicates": duplicates_tab,
    "outliers": outliers_tab,
    "labels": labels_tab,
    "comparison": comparison_tab,
}
"""In the order of the tabs."""


def find_all(question: Question, names: Sequence[str]) -> tuple[list[FindingTab], list[str]]:
    """The tabs of these names that arise, and why any could not be made: too few rows, or labels of one class."""
    tabs, notes = [], []
    for name in (name for name in FINDERS if name in names):
        try:
            tab = FINDERS[name](question)
        except DataError as error:
            notes.append(f"no tab of {name}: {error}")
            continue
        tabs += [tab] if tab is not None else []
    return tabs, notes
