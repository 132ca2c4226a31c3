"""The difference of two artifacts as it is printed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from lookalike import console
from serving.difference import Difference


def print_difference(difference: Difference, names: tuple[str, str]) -> None:
    """Print the fields that differ and how far the vectors moved; `names` are what the user called the two."""
    a, b = names
    if difference.fields:
        console.print_table(("field", a, b), difference.fields)
    else:
        console.out.print(f"no difference: digest {difference.a.digest}")
    facts: dict[str, Any] = {"space": "the same" if difference.same_space else "two: their vectors must not be mixed"}
    moved = difference.movement
    if moved is None:
        facts["vectors"] = difference.reason
    else:
        examples = "images" if difference.a.image_inputs else "rows"
        facts["vectors"] = (
            f"{moved.num_images} golden {examples} of {a} by {b}: {moved.distance} distance "
            f"max {moved.max_distance:.3g}, mean {moved.mean_distance:.3g}; "
            f"cosine min {moved.min_cosine:.6f}, mean {moved.mean_cosine:.6f}; "
            + ("the same vectors within tolerance" if moved.within_tolerance else "not the same vectors")
        )
    console.out.print()
    console.print_facts("vectors", facts)


def difference_facts(difference: Difference, paths: tuple[Path, Path]) -> dict[str, Any]:
    """A difference as --json prints it; `paths` are the files of the two."""
    sides = (difference.a, difference.b)
    named = [
        {"file": str(path), "name": side.name, "digest": side.digest}
        | ({"version": int(path.parent.name)} if path.parent.name.isdigit() else {})
        for path, side in zip(paths, sides, strict=True)
    ]
    return {
        "a": named[0],
        "b": named[1],
        "fields": {name: [old, new] for name, old, new in difference.fields},
        "same_space": difference.same_space,
        "vectors": asdict(difference.movement) if difference.movement else None,
        "reason": difference.reason,
    }
