"""The difference of two artifacts: the manifest field by field, and how far the golden vectors moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from artifact.arrays import Indices, Vectors
from artifact.distances import DISTANCES
from artifact.distances.cosine import cosines_of_pairs
from artifact.kinds import BRANCH_OUTPUT, embedding_name
from artifact.model.manifest import Manifest
from artifact.modes import BOXES, BRANCH, FULL, SCORES, TOWER_STREAMS
from serving.engine import Engine
from serving.found_again import found_again
from serving.golden_examples import golden_examples, golden_feeds

ABSENT = "(absent)"


@dataclass(frozen=True)
class Movement:
    """The movement of the vectors of A's golden images, from where A put them to where B puts the same images.

    Attributes:
        num_images: golden images of A.
        distance: the distance of A, in which the two that follow are.
        max_distance, mean_distance: from A's golden vector to B's vector of the same image.
        min_cosine, mean_cosine: cosine similarity of the two, in [-1, 1].
        within_tolerance: whether B gives A's golden vectors, by A's own tolerance.
    """

    num_images: int
    distance: str
    max_distance: float
    mean_distance: float
    min_cosine: float
    mean_cosine: float
    within_tolerance: bool


@dataclass(frozen=True)
class Difference:
    """Two artifacts compared.

    Attributes:
        a, b: their manifests.
        fields: (field, value in A, value in B) of every field that differs; nested names are joined by dots.
        same_space: whether vectors of the two may be mixed.
        movement: None where the vectors cannot be compared.
        reason: why they cannot.
    """

    a: Manifest
    b: Manifest
    fields: list[tuple[str, Any, Any]]
    same_space: bool
    movement: Movement | None
    reason: str | None


def compare_artifacts(a: Path, b: Path, *, device: str = "cpu") -> Difference:
    """Compare two artifact files; both are verified, B is run on A's golden images where it gives vectors of A's width.

    Raises:
        ArtifactError: one of the files is not sound.
    """
    first, second = Engine(a, device=device), Engine(b, device=device)
    old, new = first.manifest, second.manifest
    fields = list(_changes(_comparable(old), _comparable(new), ""))
    movement, reason = None, None
    if old.embedding_dim != new.embedding_dim:
        reason = f"vectors of {old.embedding_dim} and of {new.embedding_dim} numbers cannot be compared"
    elif not _take_the_same(old, new):
        reason = "the two do not take the same: images alone, boxes in them, or rows of the same attributes"
    elif old.golden is None:
        reason = "the first artifact carries no golden examples"
    else:
        movement, reason = _movement(old, second, a)
    return Difference(old, new, fields, old.space == new.space, movement, reason)


def _movement(old: Manifest, engine: Engine, where: Path) -> tuple[Movement | None, str | None]:
    """How far vectors of golden examples moved, or why that cannot be said."""
    new = engine.manifest
    examples = golden_examples(old, new.pixels if new.image_inputs else None, where=where)
    feeds, rotated = golden_feeds(new, examples)
    outputs = engine.run(feeds)
    vectors = examples.first_vectors
    moved = outputs[next(iter(rotated))]  # the first stream, or the only one, takes the examples in their order
    if examples.row_vectors is not None and examples.vectors is not None:  # two towers
        vectors = np.concatenate([examples.vectors, examples.row_vectors])
        moved = np.concatenate([outputs[embedding_name(stream)] for stream in TOWER_STREAMS])
    assert old.golden is not None
    tolerance, are_near = old.golden.tolerance, True
    if examples.boxes is not None:
        is_box = ~np.isnan(examples.boxes).any(axis=2)
        if examples.scores is not None:
            places = found_again(examples.boxes, outputs[BOXES])
            if missing := int((places[is_box] < 0).sum()):
                return None, f"the second artifact does not find {missing} of {is_box.sum()} objects in golden examples"
            outputs = {name: _of_places(values, places) for name, values in outputs.items()}
            moved = outputs[BRANCH_OUTPUT]
            are_near = all(
                _is_near(outputs[name][is_box], want[is_box], tolerance)
                for name, want in ((BOXES, examples.boxes), (SCORES, examples.scores))
            )
        vectors, moved = vectors[is_box], moved[is_box]
    if not np.isfinite(moved).all():
        return None, "the second artifact gives vectors that are not finite for golden examples"
    distances = DISTANCES[old.distance](vectors, moved)
    cosines = cosines_of_pairs(vectors, moved)
    movement = Movement(
        num_images=len(examples),
        distance=old.distance,
        max_distance=float(distances.max()),
        mean_distance=float(distances.mean()),
        min_cosine=float(cosines.min()),
        mean_cosine=float(cosines.mean()),
        within_tolerance=are_near and _is_near(moved, vectors, tolerance),
    )
    return movement, None


def _is_near(values: Vectors, wanted: Vectors, tolerance: float) -> bool:
    return bool(np.abs(values - wanted).max() <= tolerance * max(1.0, float(np.abs(wanted).max())))


def _of_places(values: Vectors, places: Indices) -> Vectors:
    """[N, S, ...] in the order of places [N, R]; what stands at -1 means nothing."""
    return values[np.arange(len(values))[:, None], places]


def _take_the_same(old: Manifest, new: Manifest) -> bool:
    """Whether both take images alone and give each a vector; or are of one mode, and of the same attributes."""
    if old.mode in (BRANCH, FULL):
        return new.mode in (BRANCH, FULL)
    return all(old.signature.get(name) == new.signature.get(name) for name in ("mode", "attributes"))


def _comparable(manifest: Manifest) -> dict[str, Any]:
    """The manifest with golden examples as their number: their bytes tell a reader nothing, `movement` does.

    Prefixes go by their dims, so that those of two artifacts stand beside each other.
    """
    golden = manifest.golden
    examples = {"images": len(golden.images), "tolerance": golden.tolerance} if golden else None
    if golden and golden.rows is not None and examples is not None:
        examples |= {"rows": len(golden_examples(manifest, None, where=manifest.name))}
    fields = manifest.summary() | {"golden": examples}
    if "prefixes" in fields:
        fields["prefixes"] = {str(prefix["dims"]): prefix for prefix in fields["prefixes"]}
    return fields


def _changes(a: Any, b: Any, name: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            yield from _changes(a.get(key, ABSENT), b.get(key, ABSENT), f"{name}.{key}" if name else key)
    elif a != b:
        yield name, a, b
