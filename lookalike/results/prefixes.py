"""The prefixes that an artifact promises as they are printed: a line each, the whole vector last, to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from artifact.model.manifest import Manifest
from artifact.model.parts import Prefix
from artifact.model.threshold import VALUE
from artifact.prefixes import measured_names
from lookalike import console


def print_prefixes(manifest: Manifest) -> None:
    """Print how many numbers a prefix may have, its metrics, its threshold, and what the first metric rests on.

    Where nothing was held out there are no metrics to print.
    """
    training = manifest.training
    whole = Prefix(
        dims=manifest.embedding_dim,
        metrics=training.get("metrics"),
        rests_on=training.get("rests_on"),
        threshold=manifest.threshold,
        why_no_threshold=training.get("why_no_threshold"),
    )
    names = measured_names(prefix.metrics for prefix in manifest.prefixes)
    rows = [_row(prefix, names) for prefix in (*manifest.prefixes, whole)]
    console.print_table(("dims", *names, "threshold", *(f"{name} rests on" for name in names[:1])), rows)
    if names and manifest.precision != "fp32":
        thresholds = "thresholds are its own" if manifest.precision == "int8" else "thresholds too"
        figures = f"{' and '.join(names)} {'are those' if len(names) > 1 else 'is that'} of the run"
        console.out.print(f"{figures}, before {manifest.precision}; {thresholds}")


def _row(prefix: Prefix, names: Sequence[str]) -> tuple[Any, ...]:
    metrics, rests_on = prefix.metrics or {}, prefix.rests_on or {}
    shown = [metrics[name] if metrics.get(name) is not None else "" for name in names]
    threshold: Any = (prefix.threshold or {}).get(VALUE)
    if threshold is None:
        threshold = f"none: {prefix.why_no_threshold}" if prefix.why_no_threshold else "none"
    return prefix.dims, *shown, threshold, *((rests_on.get(name) or {}).get("text", "") for name in names[:1])
