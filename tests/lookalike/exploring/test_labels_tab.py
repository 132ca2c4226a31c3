"""The explorer's tab of labels: suspects, and what stands there where labels cannot be judged."""

import numpy as np

from lookalike.exploring.labels_tab import labels_tab
from lookalike.exploring.question import Question
from pages.explorer.data import FindingTab
from rows.vectors.table import VectorTable


def _tab(labels: list[str]) -> FindingTab:
    rng = np.random.default_rng(0)
    vectors = (6 * rng.normal(size=(3, 8)).repeat(40, axis=0) + rng.normal(size=(120, 8))).astype(np.float32)
    table = VectorTable.from_arrays(vectors, {"kind": labels})
    question = Question(tables=[table], names=["t"], together=table, label="kind", distance="euclidean", seed=0)
    found = labels_tab(question)
    assert found is not None
    return found


def test_labels_tab_has_the_suspects() -> None:
    """One label exchanged: its row, with the class that it may be and about how many are wrong in all."""
    labels = [*"a" * 40, *"b" * 40, *"c" * 40]
    labels[5] = "b"
    tab = _tab(labels)
    assert [finding.rows for finding in tab.findings] == [[5]]
    assert tab.findings[0].cells[0] == "b → a"
    assert tab.facts == [("wrong in all, about", "1 of 120")]


def test_labels_tab_says_where_labels_cannot_be_judged() -> None:
    """Labels that have nothing to do with the vectors: the note in place of suspects and of their number."""
    tab = _tab([f"n{code}" for code in np.random.default_rng(0).integers(0, 3, 120)])
    assert (tab.findings, tab.num_found, tab.facts) == ([], 0, [])
    assert tab.note.startswith("'kind': no label is suspected: errors planted among them hardly stand out")
