"""The tab of duplicates: groups of rows that show the same, the largest first.

Decision a reader would question: exact copies, and what is nearer than the nearest others of 99 % of the rows. The
artifact's own threshold tells classes apart, so it would call a whole class one group.
"""

from __future__ import annotations

from analysis.datasets.duplicates import find_duplicates
from lookalike.exploring.question import MOST_FINDINGS, Question
from pages.explorer.data import Finding, FindingTab

SHARE = 0.01


def duplicates_tab(question: Question) -> FindingTab | None:
    """Groups of copies among all rows; None for a single row."""
    table = question.together
    if table.num_rows < 2:
        return None
    found = find_duplicates(table, share=SHARE, distance=question.distance, seed=question.seed)
    sizes = found.sizes
    findings = []
    for group in range(min(len(sizes), MOST_FINDINGS)):
        rows = found.members(group)
        num_exact = int(found.exact[rows].sum())
        sets = _sets(question, rows.tolist())
        same = f"{num_exact} exact copies" if num_exact > 1 else "1 exact copy" if num_exact else "near"
        findings.append(
            Finding(
                rows=rows.tolist(),
                cells=[f"{len(rows)} rows", f"{same}, up to {found.distances[rows].max():.4g} apart" + sets],
            )
        )
    return FindingTab(
        name="duplicates",
        note=f"Exact copies, and rows nearer than the nearest others of {1 - SHARE:.0%} of the rows.",
        headings=["", ""],
        findings=findings,
        num_found=len(sizes),
        facts=[
            ("threshold", f"{found.threshold.value:.4g}"),
            ("copies that could go", f"{int((~found.keep).sum()):,}"),
        ],
    )


def _sets(question: Question, rows: list[int]) -> str:
    """In which sets a group stands, where it is in more than one."""
    if len(question.tables) < 2:
        return ""
    starts = question.first_rows
    inside = {max(at for at, start in enumerate(starts) if start <= row) for row in rows}
    return f", in {' and '.join(question.names[at] for at in sorted(inside))}" if len(inside) > 1 else ""
