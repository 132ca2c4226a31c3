"""The prefixes that an artifact promises as they are printed: a line each, the whole vector last, to compare with."""

from __future__ import annotations

from typing import Any

from artifact.model.manifest import Manifest, Prefix
from artifact.model.threshold import VALUE
from lookalike import console

_METRICS = ("recall@1", "mAP@R")


def print_prefixes(manifest: Manifest) -> None:
    """Print how many numbers a prefix may have, its metrics, its threshold, and what the first metric rests on."""
    training = manifest.training
    whole = Prefix(
        dims=manifest.embedding_dim,
        metrics=training.get("metrics"),
        rests_on=training.get("rests_on"),
        threshold=manifest.threshold,
        why_no_threshold=training.get("why_no_threshold"),
    )
    rows = [_row(prefix) for prefix in (*manifest.prefixes, whole)]
    console.print_table(("dims", *_METRICS, "threshold", f"{_METRICS[0]} rests on"), rows)
    if manifest.precision != "fp32":
        thresholds = "thresholds are its own" if manifest.precision == "int8" else "thresholds too"
        console.out.print(f"{' and '.join(_METRICS)} are those of the run, before {manifest.precision}; {thresholds}")


def _row(prefix: Prefix) -> tuple[Any, ...]:
    metrics, rests_on = prefix.metrics or {}, prefix.rests_on or {}
    shown = [metrics[name] if metrics.get(name) is not None else "" for name in _METRICS]
    threshold: Any = (prefix.threshold or {}).get(VALUE)
    if threshold is None:
        threshold = f"none: {prefix.why_no_threshold}" if prefix.why_no_threshold else "none"
    return prefix.dims, *shown, threshold, (rests_on.get(_METRICS[0]) or {}).get("text", "")
