"""The tab of labels: those that are more likely wrong than right, the most doubtful first."""

from __future__ import annotations

from analysis.datasets.label_errors import find_label_errors
from lookalike.exploring.question import MOST_FINDINGS, Question
from pages.explorer.data import Finding, FindingTab


def labels_tab(question: Question) -> FindingTab | None:
    """Suspected labels of all sets; None without a column of them; raises DataError where none can be judged."""
    if question.label is None:
        return None
    found = find_label_errors(question.together, question.label, distance=question.distance, seed=question.seed)
    suspects = [at for at in range(len(found.rows)) if found.suspected[at]]
    findings = [
        Finding(
            rows=[int(found.rows[at])],
            cells=[
                f"{found.classes[found.given[at]]} → {found.classes[found.proposed[at]]}",
                _chance(found.confidence[at]) + (", a copy says otherwise" if found.disagreeing[at] else ""),
            ],
        )
        for at in suspects[:MOST_FINDINGS]
    ]
    return FindingTab(
        name="labels",
        note=f"Labels of {question.label!r} that are more likely wrong than right, with the class that may be meant."
        if found.note is None
        else f"{question.label!r}: {found.note}.",
        headings=["", "wrong by"],
        findings=findings,
        num_found=len(suspects),
        facts=[]
        if found.expected is None
        else [("wrong in all, about", f"{found.expected:.0f} of {len(found.rows):,}")],
    )


def _chance(confidence: float) -> str:
    return f"{confidence:.0%}" if confidence < 0.995 else "over 99%"
