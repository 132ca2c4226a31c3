"""A comparison of two sets as it is printed: the verdict with its figures, then the regions and classes that differ."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from lookalike import console

_REGIONS, _CLASSES, _ROWS = 10, 20, 5
"""Lines for people; --json has all."""


def print_comparison(
    facts: Mapping[str, Any], outputs: Mapping[str, str], *, left_out: dict[str, Any], as_json: bool
) -> None:
    """Print what analysis.datasets.comparison gave.

    Args:
        outputs: {"output" or "page": the file that was written}.
    """
    for line in _odd(facts):
        console.note(line)
    if as_json:
        console.print_json({**outputs, **facts, **left_out})
        return
    a, b = facts["a"], facts["b"]
    shown = {
        "p_value": facts["p_value"],
        "told apart (AUC)": _interval(facts, "auc"),
        "share that differs, at least": _interval(facts, "told_apart"),
        "A": _set(a),
        "B": _set(b),
        "in both": facts["shared"],
        "of A least like B": [row["id"] for row in a["most_unlike"][:_ROWS]],
        "of B least like A": [row["id"] for row in b["most_unlike"][:_ROWS]],
        "distance": facts["distance"],
        **outputs,
    }
    console.print_facts(_VERDICTS[facts["differ"]], shown)
    sys.stdout.write("\n")
    rows = [
        [each["region"], each["share_a"], each["share_b"], each["low"], each["high"], each["p_value"], each["medoid"]]
        for each in facts["regions"][:_REGIONS]
    ]
    console.print_table(["region", "share of A", "share of B", "B - A low", "B - A high", "p", "medoid"], rows)
    if facts["classes"] is not None:
        sys.stdout.write("\n")
        rows = [
            [
                each["name"],
                each["share_a"],
                each["share_b"],
                each["low"],
                each["high"],
                "" if each["shift"] is None else each["shift"],
                "" if each["p_value"] is None else each["p_value"],
            ]
            for each in facts["classes"][:_CLASSES]
        ]
        console.print_table(["class", "share of A", "share of B", "B - A low", "B - A high", "shift", "p"], rows)


_VERDICTS: dict[bool | None, str] = {
    True: "the sets differ",
    False: "no difference found",
    None: "too few vectors to tell whether the sets differ",
}


def _odd(facts: Mapping[str, Any]) -> list[str]:
    """What a reader has to know of the figures, a line each."""
    found = []
    if facts["a"]["counted"] == facts["b"]["counted"] == facts["shared"]:
        found.append("both sets have the same vectors")
    if facts["differ"] is None:
        least, alpha = console.show(facts["least_p_value"]), console.show(facts["alpha"])
        found.append(f"so few vectors cannot give a p-value below {least}, and the level is {alpha}")
    if facts["auc"] is None:
        found.append("too few different vectors in a set to learn from: p_other is empty, neighbours_other is not")
    found += _odd_classes(facts)
    for name, each in (("A", facts["a"]), ("B", facts["b"])):
        if each["counted"] < each["rows"]:
            copies = each["rows"] - each["counted"]
            found.append(
                f"{name}: {copies} of {each['rows']} rows are copies of another and do not count (one vector is there "
                f"{each['most_copied']} times); --every-row counts them"
            )
    return found


def _odd_classes(facts: Mapping[str, Any]) -> list[str]:
    least = [each["least_p_value"] for each in facts["classes"] or () if each["least_p_value"] is not None]
    found = []
    if facts["untested_classes"]:
        found.append(
            f"the p-values of classes are those of the {len(least):,} with most rows; {facts['untested_classes']:,} "
            "more have rows enough, but so many tests would take too long"
        )
    if least and min(least) > facts["alpha"]:
        shown, alpha = console.show(min(least)), console.show(facts["alpha"])
        found.append(
            f"no class can get a p-value below {shown}, corrected for {len(least):,} of them, and the level is {alpha}"
        )
    return found


def _interval(facts: Mapping[str, Any], name: str) -> str | None:
    if facts[name] is None:
        return None
    return f"{facts[name]:.4f} ({facts[f'{name}_low']:.4f} to {facts[f'{name}_high']:.4f})"


def _set(each: Mapping[str, Any]) -> str:
    copies = f", {each['counted']} different vectors" if each["counted"] < each["rows"] else ""
    return f"{each['rows']} rows{copies} ({each['source']})"
