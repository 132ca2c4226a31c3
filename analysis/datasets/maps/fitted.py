"""What a method by neighbours gives of the rows that it lays out, and the distances that it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.search.graph import NeighbourGraph
from artifact.arrays import Vectors
from artifact.distances import DISTANCES
from artifact.distances.distance import SQUARES


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Places of all rows of a table.

    Attributes:
        places: float32 [m, 2].
        parameters: that the method ran with.
        library: with its version.
        recall: of the neighbours.
    """

    places: Vectors
    parameters: dict[str, Any]
    library: str
    recall: float


def metric_distances(graph: NeighbourGraph) -> Vectors:
    """float32 [m, k], by a distance for which twice as far is twice as much: squares become lengths.

    Both methods weigh neighbours by their distances; squared ones have the same order and other weights.
    """
    is_squared = DISTANCES[graph.distance].product == SQUARES
    return np.sqrt(graph.distances) if is_squared else graph.distances
