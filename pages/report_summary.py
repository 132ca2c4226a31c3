"""Words and single numbers of a run's report: the row at its head, and the table at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from artifact.model.threshold import EER, VALUE, measured_on, resting_on
from pages.plot import number


def headline(
    facts: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], threshold: Mapping[str, Any] | None
) -> list[tuple[str, str, str]]:
    """(name, value, what it rests on) of the few numbers that sum a run up.

    Those of the kept weights where the facts name them. The last is empty for what was not measured on held-out images;
    of what is the trained layer's, where another head took its place, it says that.
    """
    kept = facts.get("metrics")
    last = kept if isinstance(kept, Mapping) else lines[-1] if lines else {}
    rests_on = facts.get("rests_on") or {}
    found = [
        (key, f"{last[key]:.1%}", str(rests_on.get(key, {}).get("text", "")))
        for key in ("recall@1", "mAP@R")
        if _is_number(last.get(key))
    ]
    if threshold is not None:
        pairs, of_eer = (resting_on(threshold, figure) or "" for figure in (VALUE, EER))
        found += [("equal error rate", f"{threshold['eer']:.2%}", of_eer)] if _is_number(threshold.get("eer")) else []
        value = threshold.get("value")
        found += [("threshold", number(float(value)), pairs)] if value is not None and _is_number(value) else []
    before = dict.fromkeys(facts.get("metrics_of_trained_layer") or (), "of the trained layer")
    if _is_number(last.get("pct_correct")):
        found.append(("% correct", f"{last['pct_correct']:.1f} %", before.get("pct_correct", "")))
    if _is_number(last.get("loss")):
        found.append(("loss", number(float(last["loss"])), before.get("loss", "")))
    found += [("training", duration(float(facts["seconds"])), "")] if _is_number(facts.get("seconds")) else []
    found += [("speed", f"{last['images_per_s']:,.0f} img/s", "")] if _is_number(last.get("images_per_s")) else []
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))


def duration(seconds: float) -> str:
    """`42 s`, `12 min`, `3 h 20 min`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def summary(
    settings: Mapping[str, Any], facts: Mapping[str, Any], threshold: Mapping[str, Any] | None
) -> list[tuple[str, str]]:
    """(name, value) of what somebody who did not train this asks first."""
    base = facts.get("base") if isinstance(facts.get("base"), Mapping) else {}
    versions = facts.get("versions") if isinstance(facts.get("versions"), Mapping) else {}
    assert isinstance(base, Mapping)
    assert isinstance(versions, Mapping)

    def count(what: str) -> str:
        images, classes = facts.get(f"num_{what}_images"), facts.get(f"num_{what}_classes")
        return f"{images:,} images, {classes:,} classes" if isinstance(images, int) and isinstance(classes, int) else ""

    length = ", unit length" if settings["normalize"] else ""
    margins = f"margin {settings['margin']:g}" if settings["margin"] is not None else ""
    pixels = f"{settings['size']} x {settings['size']} px" if settings["size"] else ""
    rows = [
        ("model", f"{settings['kind']}, {settings['dim']} dimensions{length}, {settings['distance']} distance"),
        ("base network", ", ".join(str(base[key]) for key in ("name", "weights", "licence") if base.get(key))),
        ("input", ", ".join(part for part in (pixels, settings["fit"]) if part)),
        ("loss", ", ".join(part for part in (settings["loss"] or "", margins, f"mining {settings['mining']}") if part)),
        ("images", str(settings["images"] or "none")),
        ("trained on" if settings.get("epochs") != 0 else "fitted on", count("train")),
        ("set aside", count("set_aside")),
        ("held out", count("validation")),
        ("head", _head_words(facts)),
        ("threshold", _threshold_words(facts, threshold)),
        ("passed over", ", ".join(f"{count:,} {name}" for name, count in (facts.get("passed_over") or {}).items())),
        ("data", str(facts.get("data_sha256") or "")[:16]),
        ("seed", str(settings["seed"])),
        ("finished", str(facts.get("end_time") or "")),
        ("versions", ", ".join(f"{key} {value}" for key, value in versions.items())),
    ]
    return [(name, value) for name, value in rows if value]


def _head_words(facts: Mapping[str, Any]) -> str:
    """Which head it is, its lambda and why."""
    head = facts.get("head") or {}
    shrinkage = f"lambda {head['lambda']:g}" if _is_number(head.get("lambda")) else ""
    return ", ".join(str(part) for part in (head.get("name"), shrinkage, head.get("why")) if part)


def _threshold_words(facts: Mapping[str, Any], threshold: Mapping[str, Any] | None) -> str:
    """How it was chosen, what it rests on and which classes it was measured on, or why there is none."""
    if threshold is None:
        return f"none: {facts['why_no_threshold']}" if facts.get("why_no_threshold") else ""
    words = "; rests on ".join(str(text) for text in (threshold.get("protocol"), resting_on(threshold)) if text)
    return "; ".join(text for text in (words, measured_on(threshold)) if text)
