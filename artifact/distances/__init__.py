"""The distances between vectors: one file each, with its formula and every fact that another room asks for.

A new distance is one file here and one entry in DISTANCES; nobody else knows its name. Formulas run on NumPy arrays, on
tensors of torch and on the values of a graph (artifact/namespace.py). Not here: torch, and anything that compares many
vectors at once (trainer/objective/distances.py, analysis/neighbours).
"""

from artifact.distances.cosine import COSINE
from artifact.distances.distance import Distance
from artifact.distances.euclidean import EUCLIDEAN
from artifact.distances.squared_euclidean import SQUARED_EUCLIDEAN
from artifact.errors import UsageError
from artifact.registry import registry

__all__ = ["DISTANCES", "Distance", "check_distance"]

DISTANCES: dict[str, Distance] = registry(EUCLIDEAN, SQUARED_EUCLIDEAN, COSINE)


def check_distance(distance: str) -> None:
    """Raise UsageError unless `distance` is a name in DISTANCES."""
    if distance not in DISTANCES:
        raise UsageError("distance", expected=f"one of {', '.join(DISTANCES)}", got=repr(distance))
