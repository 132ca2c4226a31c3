"""Counts that the figures of an evaluation rest on, each with the word whether they are enough for it.

The rule itself stands in analysis/measures/support.py; here is only which count belongs to which figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.measures.intervals import MIN_CLASSES
from analysis.measures.support import NO_INTERVAL, Support, as_facts, support_of_pairs, support_of_share
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
            remark=NO_INTERVAL if intervals and num_classes < MIN_CLASSES else None,
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
    remarks = {name: no_interval(facts, name) for name in ("AUC", "EER", *RATES)}
    found = {
        name: support_of_pairs(
            num_same, num_different, both_share=facts[name], num_classes=num_classes, remark=remarks[name]
        )
        for name in ("AUC", "EER")
    }
    for name, far in RATES.items():
        found[name] = support_of_pairs(
            num_same, num_different, far=far, same_share=facts.get(name), num_classes=num_classes, remark=remarks[name]
        )
    return found


def no_interval(facts: Mapping[str, Any], name: str) -> str | None:
    """Why a figure that is given has no interval, where one was asked for; there is no other reason for it."""
    is_bare = facts.get(name) is not None and facts.get(f"{name}_low", 0) is None
    return NO_INTERVAL if is_bare else None


def class_counts(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of "per_class" with "rests_on": {figure: {its counts, "is_enough", "text"}}.

    mAP may be of a sample of a class's queries, whose number is not known, and has none.
    """
    return [
        {**row, "rests_on": as_facts({name: support_of_share(row[name], row["queries"], "queries") for name in names})}
        for row in rows
        for names in [[name for name in row if name.startswith(("recall@", "P@", "mAP@R")) and row[name] is not None]]
    ]


def training_counts(metrics: Mapping[str, Any]) -> dict[str, Support]:
    """Of the held-out metrics of an epoch, by name; empty for a line of a run from before they were counted."""
    found = {}
    for names, count, what, whole in (
        (("recall@1", "mAP@R"), "num_queries", "queries", 1),
        (("held_out_pct_correct",), "num_held_out_tuples", "tuples", 100),
        (("attribute_mAP", "attribute_P@10"), "num_attribute_queries", "queries", 1),
        (("pct_correct_easy", "pct_correct_hard"), "num_attribute_images", "images", 100),
    ):
        for name in names:
            if metrics.get(name) is not None and count in metrics:
                found[name] = support_of_share(metrics[name] / whole, metrics[count], what)
    return found
