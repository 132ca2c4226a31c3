"""Sampled triplets as they are printed: how many, of what, and what was left out."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.datasets.triplets.sampling import SampledTriplets
from lookalike import console


def print_triplets(
    sampled: SampledTriplets, output: Path, *, relevance: str, catalogue: Sequence[str], as_json: bool
) -> None:
    """Print where they are and what they were drawn from; on stderr what could not be used.

    Args:
        catalogue: options of train that say what numbers are rows of; none where cells are paths.
    """
    facts: dict[str, Any] = {
        "output": str(output),
        "num_triplets": len(sampled.drawn.rows),
        "in_class": round(sampled.in_class, 4),
        "num_images": sampled.num_images,
        "num_kept": sampled.num_kept,
        "kept_per_class": sampled.buffer,
        "relevance": relevance,
        "distance": sampled.distance,
        "num_without_class": sampled.without_class,
        "num_without_vector": sampled.without_vector,
        "num_left_out": sampled.bad.num,
    }
    for name, reason in sampled.bad.first[:3]:
        console.note(f"left out: {name}: {reason}")
    if sampled.bad.num > 3:
        console.note(f"left out: {sampled.bad.num - 3:,} more")
    if as_json:
        first = [{"id": name, "reason": reason} for name, reason in sampled.bad.first]
        console.print_json(facts | {"left_out": first})
        return
    console.print_facts("triplets", facts)
    named = shlex.join([str(output), "--kind", "triplet", *catalogue])
    console.note(f"next: lookalike train {named} --base deep_ranking:conv4 --loss triplet_capped --output RUN")
