"""Counts that the figures of an evaluation rest on, each with the word whether they are enough for it.

The rule itself stands in analysis/measures/support.py; here is only which count belongs to which figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.measures.support import Support, support_of_pairs, support_of_share
from analysis.measures.verification import FALSE_ACCEPT_RATES

RATES = {f"TAR@FAR={far:g}": far for far in FALSE_ACCEPT_RATES}


def retrieval_counts(facts: Mapping[str, Any], *, num_classes: int, intervals: bool) -> dict[str, Support]:
    """Of recall@k, P@k and the two mAP, by name.

    Args:
        facts: see analysis.measures.retrieval.retrieval_metrics.
        num_classes: of the queries.
        intervals: whether they were asked for.
    """
    names = [name for name in facts if name.startswith(("recall@", "P@", "mAP")) and isinstance(facts[name], float)]
    return {
        name: support_of_share(
            facts[name],
            int(facts["mAP_queries" if name == "mAP" else "queries"]),
            "queries",
            num_classes=num_classes,
            has_interval=intervals,
        )
        for name in names
        if not name.endswith(("_low", "_high", "_queries"))
    }


def verification_counts(facts: Mapping[str, Any] | None, *, num_classes: int | None = None) -> dict[str, Support]:
    """Of AUC, EER and TAR at the usual rates, by name; those that are None among them, with what they lack.

    Args:
        facts: see analysis.measures.verification.verification_metrics; None where there are pairs of one sort only.
        num_classes: the pairs are of; None where nobody knows.
    """
    if facts is None:
        return {}
    num_same, num_different = facts["same_pairs"], facts["different_pairs"]
    found = {
        name: support_of_pairs(num_same, num_different, both_share=facts[name], num_classes=num_classes)
        for name in ("AUC", "EER")
    }
    for name, far in RATES.items():
        found[name] = support_of_pairs(
            num_same, num_different, far=far, same_share=facts.get(name), num_classes=num_classes
        )
    return found


def training_counts(metrics: Mapping[str, Any]) -> dict[str, Support]:
    """Of the held-out metrics of an epoch, by name; empty for a line of a run from before they were counted."""
    found = {}
    for names, count, what, whole in (
        (("recall@1", "mAP@R"), "num_queries", "queries", 1),
        (("held_out_pct_correct",), "num_held_out_tuples", "tuples", 100),
    ):
        for name in names:
            if metrics.get(name) is not None and count in metrics:
                found[name] = support_of_share(metrics[name] / whole, metrics[count], what)
    return found


def as_facts(counts: Mapping[str, Support]) -> dict[str, dict[str, Any]]:
    """{figure: {each count, "is_enough", "text"}}."""
    return {name: support.to_dict() for name, support in counts.items()}
