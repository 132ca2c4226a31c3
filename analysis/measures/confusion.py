"""Classes by how well their images are found, and the class that each is taken for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.measures.ranking import Ranking, class_means
from artifact.arrays import Indices


@dataclass(frozen=True, kw_only=True)
class ClassRecall:
    """One class.

    Attributes:
        code: of the class.
        queries: how many of its images were ranked.
        recall: recall@1 of these, in [0, 1].
        confused_with: the class of the nearest image of most queries that were answered wrongly; None without any,
            or where all other images are infinitely far.
    """

    code: int
    queries: int
    recall: float
    confused_with: int | None


def recall_by_class(ranking: Ranking, codes: Indices) -> list[ClassRecall]:
    """recall@1 of every class with queries, the worst first, larger classes first among equals.

    Args:
        ranking: with its mistakes and recall@1.
        codes: int64 [N], classes of the images that were ranked.
    """
    assert ranking.mistakes is not None
    num_classes = int(codes.max()) + 1
    right = ranking.values["recall@1"]
    sizes = np.bincount(ranking.codes, minlength=num_classes)
    means = class_means(right, ranking.codes, num_classes)
    # an image of another class is at least as near as any right one; where all are infinitely far it is none (-1)
    missed = (right == 0) & (ranking.mistakes.wrong >= 0)
    taken_for = codes[ranking.mistakes.wrong[missed]]
    found = []
    for code in np.flatnonzero(sizes).tolist():
        others = taken_for[ranking.codes[missed] == code]
        found.append(
            ClassRecall(
                code=code,
                queries=int(sizes[code]),
                recall=float(means[code]),
                confused_with=int(np.bincount(others).argmax()) if len(others) else None,
            )
        )
    return sorted(found, key=lambda each: (each.recall, -each.queries, each.code))
