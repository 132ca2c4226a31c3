"""The tab of outliers: rows that stand out of the set, the furthest first."""

from __future__ import annotations

from analysis.datasets.outliers import MEASURE, find_outliers
from lookalike.exploring.question import MOST_FINDINGS, Question
from pages.explorer.data import Finding, FindingTab


def outliers_tab(question: Question) -> FindingTab | None:
    """The rows of all sets that stand out most; raises DataError for fewer than ten rows."""
    found = find_outliers(question.together, distance=question.distance, seed=question.seed)
    ids = question.together.ids
    shown = found.order[:MOST_FINDINGS].tolist()
    findings = [
        Finding(rows=[row], cells=[ids[row], f"{found.scores[row]:.3g}, rank {rank:,}"])
        for rank, row in enumerate(shown, start=1)
    ]
    return FindingTab(
        name="outliers",
        note=f"All rows, ranked by {MEASURE}. How many of them are outliers is for you to say.",
        headings=["", "stands out"],
        findings=findings,
        num_found=len(found.order),
        is_ranking=True,
    )
