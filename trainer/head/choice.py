"""The choice of a head: trained or LDA, and LDA's lambda, by recall@1 on classes that no gradient has seen.

Decisions a reader would question:
- The classes are taken from the training side, so the held-out figures that a run reports have chosen nothing.
- LDA wins by one query. It has won by two to seven points wherever it was measured (docs/decisions/0024), and where the
  two are equal but for noise it costs next to nothing to take the wrong one; a bar of one standard error would throw
  such gains away on small sets. What noise decides is lambda among equals: of equal recall@1 the higher mAP@R, which
  looks at the whole ranking, then the larger lambda.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from analysis.measures.retrieval import retrieval_metrics
from artifact.arrays import Indices, Vectors
from trainer.config.head import LDA, TRAINED
from trainer.head.closed_form import ClosedHead, head_of
from trainer.head.scale import vectors_of
from trainer.head.scatter import Scatter

LAMBDAS = (0.3, 1.0, 3.0, 10.0, 30.0)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A head that was tried, and how it found images of the classes set aside."""

    name: str
    shrinkage: float | None
    recall: float
    precision: float

    def to_dict(self) -> dict[str, Any]:
        """{"name", "lambda", "recall@1", "mAP@R"}."""
        return {"name": self.name, "lambda": self.shrinkage, "recall@1": self.recall, "mAP@R": self.precision}


class Choice(NamedTuple):
    """A head by name, why it is this one, its lambda (None: the method's own), and what it was chosen by."""

    name: str
    why: str
    shrinkage: float | None = None
    candidates: Sequence[Candidate] = ()
    chosen_on: dict[str, int] | None = None


def try_heads(
    scatter: Scatter,
    other: ClosedHead,
    features: Vectors,
    labels: Indices,
    *,
    name: str = TRAINED,
    distance: str,
    normalize: bool,
) -> list[Candidate]:
    """The other head first, then LDA with each lambda.

    Args:
        scatter: of the classes that were trained on.
        other: the layer as training left it, or what takes its place.
        features: float32 [N, F] of the images set aside.
        labels: int64 [N], their classes.
        name: of the other head.
        distance: a name in artifact.distances.DISTANCES.
        normalize: whether vectors have unit length.

    Raises:
        DataError: vectors that are not finite, or no class with two images.
    """
    dim = len(other.weight)
    heads: list[tuple[str, float | None, ClosedHead]] = [(name, None, other)]
    heads += [(LDA, each, head_of(scatter, dim=dim, method=LDA, shrinkage=each)) for each in LAMBDAS]
    found = []
    for tried, shrinkage, head in heads:
        vectors = vectors_of(features, head.weight, head.bias, normalize=normalize)
        metrics = retrieval_metrics(vectors, labels, distance=distance, ks=(1,))
        found.append(Candidate(name=tried, shrinkage=shrinkage, recall=metrics["recall@1"], precision=metrics["mAP@R"]))
    return found


def best_lda(candidates: list[Candidate]) -> Candidate:
    """The LDA that found most."""
    return max((each for each in candidates if each.name == LDA), key=lambda c: (c.recall, c.precision, c.shrinkage))


def other_one(candidates: list[Candidate]) -> Candidate:
    """The one that is no LDA."""
    return next(each for each in candidates if each.name != LDA)
