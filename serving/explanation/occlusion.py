"""Occlusion: how far the distance of two pictures grows when parts of one of them are hidden, in both directions.

A part whose hiding drives the two apart made them alike; one whose hiding brings them together made them differ.
Source: M. Zeiler and R. Fergus 2014, "Visualizing and understanding convolutional networks", section 4.2, of a picture
and its class; here it is its distance from another.

Decisions a reader would question:
- Parts are hidden in the pixels that the network is given, after the artifact's own decoding and fit: what it never
  sees, a border that is cropped away, is on no map. The same pixels then go to a server or to the session here.
- The number of runs follows from the artifact and the limit alone, never from the pictures, so it can be said before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from artifact.arrays import Numbers, Vectors
from artifact.distances import DISTANCES
from artifact.errors import DataError, UsageError
from artifact.images.decoding import Pixels
from artifact.images.image_error import ImageError
from artifact.modes import BRANCH, FULL
from serving.client.pictures import ImageLike, picture, read_pixels
from serving.client.scorer import Scorer
from serving.explanation.hiding import blurred, hide
from serving.explanation.patches import Patch, least_patches, patch_scales, spread

DEFAULT_RUNS = 700
NUM_REGIONS = 5
_LEAST_GROWTH = 0.1
"""Of the largest: regions that matter less are not told."""
_BESIDES = 2
"""Runs of a picture besides its patches: whole, and hidden altogether."""
LEAST_RUNS = 2 * (least_patches() + _BESIDES)


@dataclass(frozen=True)
class HiddenRegion:
    """A part that was hidden, and by how much the distance grew then."""

    patch: Patch
    growth: float


@dataclass(frozen=True)
class HiddenParts:
    """What hiding parts of one picture does to its distance from the other.

    Attributes:
        pixels: uint8 [height, width, 3], as the network is given them.
        growth: float64 [height, width], by how much the distance grows where a part is hidden; below 0 where it
            shrinks, NaN where no vector of a patch there was finite.
        hidden_whole: the distance when all of the picture is hidden, to hold a growth against; NaN where there is none.
        regions: those whose hiding drives the two apart most, the most first; none overlaps another.
        num_failed: patches without a finite vector; they count for nothing.
    """

    pixels: Pixels
    growth: Numbers
    hidden_whole: float
    regions: tuple[HiddenRegion, ...]
    num_failed: int


@dataclass(frozen=True)
class Explanation:
    """Why two pictures are as far from each other as they are.

    Attributes:
        distance: of the two, whole.
        parts: what hiding parts of the first does, and of the second.
        scales: how many patches each scale has, coarse to fine.
        num_runs: pictures that were run.
    """

    distance: float
    parts: tuple[HiddenParts, HiddenParts]
    scales: tuple[int, ...]
    num_runs: int


def explain(scorer: Scorer, first: ImageLike, second: ImageLike, *, most_runs: int = DEFAULT_RUNS) -> Explanation:
    """Hide parts of each of two pictures, and see how far it comes to lie from the other.

    Args:
        first, second: images as Scorer.embed takes them.
        most_runs: pictures to run at most, both directions together; more of them show finer parts.

    Raises:
        UsageError: an artifact that does not give one vector an image, or too few runs.
        DataError: a picture that cannot be read, or of which the network gives no finite vector.
        ServerError: the server failed.
    """
    scales = planned_scales(scorer, most_runs)
    pictures = [_pixels(scorer, image, word) for image, word in ((first, "first"), (second, "second"))]
    vectors = [_vector(scorer, pixels, word) for pixels, word in zip(pictures, ("first", "second"), strict=True)]
    distance = DISTANCES[scorer.manifest.distance]
    whole = float(distance(vectors[0], vectors[1]))
    patches = [patch for scale in scales for patch in scale]
    parts = []
    for pixels, other in zip(pictures, reversed(vectors), strict=True):
        found = _vectors_of_hidden(scorer, pixels, patches)
        distances = np.array([math.nan if each is None else float(distance(each, other)) for each in found])
        parts.append(_hidden_parts(pixels, scales, distances, whole))
    return Explanation(whole, (parts[0], parts[1]), tuple(map(len, scales)), num_runs(scales))


def planned_scales(scorer: Scorer, most_runs: int = DEFAULT_RUNS) -> list[list[Patch]]:
    """The patches of each scale that `explain` hides with so many runs; raises UsageError as it does."""
    manifest = scorer.manifest
    if manifest.mode not in (BRANCH, FULL):
        raise UsageError(
            f"model {scorer.core.connection.model!r}",
            expected="one that gives one vector an image",
            got=f"an artifact of mode {manifest.mode!r}",
        )
    if most_runs < LEAST_RUNS:
        raise UsageError("runs", expected=f"{LEAST_RUNS} or more", got=str(most_runs))
    return patch_scales(manifest.pixels.height, manifest.pixels.width, most_runs // 2 - _BESIDES)


def num_runs(scales: Sequence[Sequence[Patch]]) -> int:
    """Pictures that are run for patches of these scales, both directions together."""
    return 2 * (sum(map(len, scales)) + _BESIDES)


def _pixels(scorer: Scorer, image: ImageLike, word: str) -> Pixels:
    try:
        return read_pixels(picture(image, scorer.limits), scorer.manifest.pixels, scorer.limits)
    except ImageError as error:
        raise DataError(f"the {word} picture: {error}") from None


def _vector(scorer: Scorer, pixels: Pixels, word: str) -> Vectors:
    (vector,) = scorer.embed_iter([pixels], bad="yield")
    if isinstance(vector, ImageError):
        raise DataError(f"the {word} picture: {vector}")
    return vector


def _vectors_of_hidden(scorer: Scorer, pixels: Pixels, patches: Sequence[Patch]) -> list[Vectors | None]:
    """Vectors of a picture that is hidden altogether, then with each patch hidden; None where one is not finite."""
    blur = blurred(pixels)
    hidden = chain([blur], (hide(pixels, blur, patch) for patch in patches))
    return [None if isinstance(each, ImageError) else each for each in scorer.embed_iter(hidden, bad="yield")]


def _hidden_parts(pixels: Pixels, scales: Sequence[Sequence[Patch]], distances: Numbers, whole: float) -> HiddenParts:
    """The map and the regions of one picture.

    Args:
        distances: when all is hidden, then when each patch of each scale is.
        whole: when nothing is.
    """
    growth = distances[1:] - whole
    height, width = pixels.shape[:2]
    ends = np.cumsum([len(scale) for scale in scales])[:-1]
    maps = [spread(scale, values, height, width) for scale, values in zip(scales, np.split(growth, ends), strict=True)]
    return HiddenParts(
        pixels=pixels,
        growth=_mean(maps),
        hidden_whole=float(distances[0]),
        regions=_regions([patch for scale in scales for patch in scale], growth),
        num_failed=int(np.isnan(growth).sum()),
    )


def _mean(maps: Sequence[Numbers]) -> Numbers:
    """Over the maps that have a value in a place; NaN where none has."""
    stacked = np.stack(maps)
    counts = np.isfinite(stacked).sum(axis=0)
    sums = np.nansum(stacked, axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _regions(patches: Sequence[Patch], growth: Numbers) -> tuple[HiddenRegion, ...]:
    """Those of any scale whose hiding drives the pictures apart most; what overlaps one of them is left out."""
    chosen: list[HiddenRegion] = []
    for place in np.argsort(-growth, kind="stable").tolist():  # those without a value come last
        least = _LEAST_GROWTH * chosen[0].growth if chosen else 0.0
        if len(chosen) == NUM_REGIONS or not growth[place] > least:
            break
        if not any(patches[place].overlaps(each.patch) for each in chosen):
            chosen.append(HiddenRegion(patches[place], float(growth[place])))
    return tuple(chosen)
