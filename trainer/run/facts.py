"""The facts of a training, which the run and every artifact exported from it carry."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_LIBRARIES = ("lookalike", "torch", "timm", "numpy", "safetensors", "pillow", "simplejpeg", "cykooz-resizer")


def first_facts(*, data: Mapping[str, Any], seed: int, base: Mapping[str, Any]) -> dict[str, Any]:
    """Known before the first step: hash and counts of the data, seed, base network, versions."""
    return {**data, "seed": seed, "base": dict(base), "versions": library_versions()}


def final_facts(
    last_epoch: Mapping[str, Any],
    *,
    of_trained: Sequence[str],
    rests_on: Mapping[str, Any],
    threshold: Mapping[str, Any] | None,
    why_no_threshold: str | None,
    head: Mapping[str, Any],
    prefixes: Sequence[Mapping[str, Any]],
    seconds: float,
) -> dict[str, Any]:
    """Known after the last step: metrics and what each rests on, the threshold or why there is none, time.

    Args:
        last_epoch: whose weights were kept.
        of_trained: names of its metrics that are the trained layer's, where another head took its place.
        rests_on: {metric: {its counts, "is_enough", "text"}}, see analysis.measures.support.
        threshold: see analysis.measures.threshold.
        why_no_threshold: in words, where there is none.
        head: see trainer/head/final.py.
        prefixes: see trainer/loop/prefixes.py; none of a trained head.
        seconds: of the whole training.
    """
    missing = {"why_no_threshold": why_no_threshold} if why_no_threshold is not None else {}
    return {
        "metrics": dict(last_epoch),
        **({"metrics_of_trained_layer": list(of_trained)} if of_trained else {}),
        "rests_on": dict(rests_on),
        "threshold": dict(threshold) if threshold is not None else None,
        **missing,
        "head": dict(head),
        "prefixes": [dict(each) for each in prefixes],
        "end_time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
    }


def library_versions() -> dict[str, str]:
    """{library: version} of those installed, and Python's own."""
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # run from a checkout that is not installed
            continue
    return versions
