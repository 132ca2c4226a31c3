"""Triplets of an image, the row of its own attributes and one of other attributes: the share in the right order.

Decisions a reader would question:
- They are counted, not drawn: of an image, every row that differs (easy), or every row that differs in exactly one
  attribute (hard). Each image weighs the same; a tie is wrong.
- Intervals draw whole combinations of attributes, for images of one combination are right or wrong together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.measures.attribute_rows import AttributeRows, num_different
from analysis.measures.intervals import class_intervals
from analysis.neighbours.pairwise import distance_chunks
from artifact.arrays import Indices, Numbers, Vectors

TRIPLETS = ("triplets_easy", "triplets_hard")


def attribute_triplets(
    rows: AttributeRows,
    images: Vectors,
    values: Numbers,
    tolerances: Numbers,
    *,
    distance: str,
    flipped: AttributeRows | None,
    bootstrap: int,
    seed: int,
) -> dict[str, Any]:
    """Both shares, over images whose own attributes are among the rows.

    Args:
        rows: distinct, each of all attributes.
        images: float32 [N, n].
        values: float64 [N, A] of the images, NaN where missing.
        tolerances: float64 [A], up to which values count as the same.
        flipped: further rows of all attributes, for the hard triplets alone.

    Returns:
        {"triplets_easy", "triplets_hard": in [0, 1], None where there are none; "<...>_images": how many they are of;
        with a bootstrap "<...>_low", "<...>_high", None with too few combinations}.
    """
    own = _own_rows(rows.values, values)
    used = np.flatnonzero(own >= 0)
    shares: Numbers = np.full((len(used), len(TRIPLETS)), np.nan)
    if used.size:
        all_rows = rows if flipped is None else rows.and_more(flipped)
        for first, distances in distance_chunks(images[used], all_rows.vectors, distance=distance):
            for at, row in enumerate(distances, start=first):
                image = used[at]
                different = num_different(all_rows.values, values[image], tolerances)
                farther = row > row[own[image]]
                for place, others in enumerate(
                    (np.flatnonzero(different[: len(rows)]), np.flatnonzero(different == 1))
                ):
                    if others.size:
                        shares[at, place] = farther[others].mean()
    facts: dict[str, Any] = {}
    for name, column in zip(TRIPLETS, shares.T, strict=True):
        measured = ~np.isnan(column)
        facts[name] = float(column[measured].mean()) if measured.any() else None
        facts[f"{name}_images"] = int(measured.sum())
        if bootstrap:
            codes, taken = own[used[measured]], column[measured, None]
            ends = class_intervals(taken, codes, resamples=bootstrap, seed=seed) if measured.any() else None
            facts[f"{name}_low"], facts[f"{name}_high"] = ends[0] if ends else (None, None)
    return facts


def _own_rows(row_values: Numbers, values: Numbers) -> Indices:
    """int64 [N]: the row whose values are those of the image, all of them; -1 for none."""
    known = {row.tobytes(): at for at, row in enumerate(row_values + 0.0)}  # -0.0 and 0.0 have the same bytes then
    return np.array([known.get(row.tobytes(), -1) for row in values + 0.0], np.int64)
