"""Prefixes on a report: the figures that were measured, and none where nothing was."""

from typing import Any

from pages.report_prefixes import prefix_table

COUNTED = {"recall@1": {"text": "312 queries"}, "mAP@R": {"text": "312 queries"}}


def test_prefixes_stand_with_the_whole_vector_below_them() -> None:
    """Names of the columns are those of what was measured."""
    facts: dict[str, Any] = {
        "metrics": {"loss": 1.0, "recall@1": 0.75, "mAP@R": 0.5},
        "rests_on": COUNTED,
        "threshold": {"value": 1.25},
        "prefixes": [
            {
                "dims": 8,
                "metrics": {"recall@1": 0.5, "mAP@R": 0.25},
                "rests_on": COUNTED,
                "threshold": None,
                "why_no_threshold": "no two are the same",
            }
        ],
    }
    assert prefix_table(facts, dim=16) == [
        ["dims", "recall@1", "mAP@R", "threshold", "recall@1 rests on"],
        ["8", "0.5", "0.25", "none: no two are the same", "312 queries"],
        ["16", "0.75", "0.5", "1.25", "312 queries"],
    ]


def test_tuples_have_their_own_figure_and_nothing_held_out_has_none() -> None:
    """And a run without prefixes has no table."""
    counted = {"held_out_pct_correct": {"text": "40 tuples"}}
    metrics = {"held_out_pct_correct": 90.0, "num_held_out_tuples": 40}
    prefix = {"dims": 8, "metrics": metrics, "rests_on": counted, "threshold": None}
    table = prefix_table({"metrics": metrics, "rests_on": counted, "prefixes": [prefix]}, dim=16)
    assert table[0] == ["dims", "held_out_pct_correct", "threshold", "held_out_pct_correct rests on"]
    assert table[1] == ["8", "90", "none", "40 tuples"]
    unmeasured = {"dims": 8, "metrics": None, "rests_on": None, "threshold": None}
    table = prefix_table({"metrics": {"loss": 1.0}, "rests_on": {}, "prefixes": [unmeasured]}, dim=16)
    assert table == [["dims", "threshold"], ["8", "none"], ["16", "none"]]
    assert prefix_table({"metrics": {}, "prefixes": []}, dim=16) == []
