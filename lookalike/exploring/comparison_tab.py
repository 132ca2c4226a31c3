"""The tab of the comparison of two sets: whether they differ, in which regions, and their most unlike pictures."""

from __future__ import annotations

import numpy as np

from analysis.datasets.comparison.comparing import compare_tables
from analysis.datasets.comparison.comparison import Comparison
from lookalike.exploring.question import Question
from pages.explorer.data import Finding, FindingTab


def comparison_tab(question: Question) -> FindingTab | None:
    """The first two sets compared; None for one set."""
    if len(question.tables) < 2:
        return None
    first, other = question.tables[:2]
    found = compare_tables(first, other, distance=question.distance, seed=question.seed)
    a, b = question.names[:2]
    regions = [
        Finding(
            rows=np.flatnonzero(found.region == region.region).tolist(),
            cells=[
                f"{region.share_a:.1%} of {a}, {region.share_b:.1%} of {b}",
                f"p = {region.p_value:.2g}",
            ],
        )
        for region in found.regions
    ]
    return FindingTab(
        name="comparison",
        note=f"{_verdict(found)} Regions are groups by the vectors, the most different first; p is corrected for all.",
        headings=["", ""],
        findings=[*regions, *_unlike(found, question)],
        num_found=len(regions) + sum(map(len, found.most_unlike)),
        facts=_facts(found),
    )


def _verdict(found: Comparison) -> str:
    if found.differ is None:
        return "So few rows cannot tell whether the sets differ."
    return "The sets differ." if found.differ else "No difference is found; that is no proof that there is none."


def _facts(found: Comparison) -> list[tuple[str, str]]:
    facts = [("p-value", f"{found.test.p_value:.3g}")]
    if found.classifier is not None:
        low, high = found.classifier.auc_low, found.classifier.auc_high
        facts.append(("AUC of telling them apart", f"{found.classifier.auc:.3f} ({low:.3f} to {high:.3f})"))
    return [*facts, ("vectors in both", f"{found.num_shared:,}")]


def _unlike(found: Comparison, question: Question) -> list[Finding]:
    """Rows of each set that are least like the other."""
    findings = []
    for side, rows in enumerate(found.most_unlike):
        for row in rows:
            known = np.isfinite(found.p_other[row])
            own, other = question.names[side], question.names[1 - side]
            cells = [f"unlike {other}: {found.ids[row]}"]
            cells += [f"of {own}, by chance {found.p_other[row]:.1%} of {other}"] if known else [f"of {own}"]
            findings.append(Finding(rows=[row], cells=cells))
    return findings
