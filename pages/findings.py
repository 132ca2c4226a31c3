"""Findings on the held-out images of a run, as its report takes them: arrays and numbers that were measured elsewhere.

Rows are numbers of held-out images, from 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from artifact.arrays import Indices, Numbers, Vectors
from artifact.images.decoding import Pixels


@dataclass(frozen=True, kw_only=True)
class VectorMap:
    """Vectors in two dimensions.

    Attributes:
        rows: int64 [M], the images on the map.
        places: float64 [M, 2].
        share: of the variance of the vectors that the map shows, in [0, 1].
    """

    rows: Indices
    places: Numbers
    share: float


@dataclass(frozen=True, kw_only=True)
class PairDistances:
    """Distances of pairs of images of one class and of two, and the ROC curve of these pairs.

    Attributes:
        same, different: float32 [S] and [D], rising; one of them may be empty.
        far, tar: float64 [T], shares of different and of same pairs accepted, for every threshold, rising from 0 to 1;
            empty where there is one sort of pairs only.
    """

    same: Vectors
    different: Vectors
    far: Numbers
    tar: Numbers


@dataclass(frozen=True, kw_only=True)
class Neighbourhoods:
    """Some queries with their nearest images, nearest first.

    Attributes:
        queries: int64 [G], rows.
        ranks: int64 [G], place of the first image of the query's class; 1 is the nearest.
        rows: int64 [G, k], of the neighbours.
        distances: float32 [G, k].
    """

    queries: Indices
    ranks: Indices
    rows: Indices
    distances: Vectors


@dataclass(frozen=True, kw_only=True)
class ClassLine:
    """One class: its number, how many queries it had, their recall@1 in [0, 1], and the class they are taken for."""

    code: int
    queries: int
    recall: float
    confused_with: int | None


@dataclass(frozen=True, kw_only=True)
class RecallCurve:
    """recall@k over the depth k.

    Attributes:
        depths: int64 [K], rising; 1, 5 and 10 are among them.
        recall: float64 [K], share of the queries with an image of their class among their k nearest, in [0, 1].
        num_queries: at least 1.
        last_rank: place at which the last of them finds its class.
        rests_on: their number in words, with what so many cannot tell of recall@1.
    """

    depths: Indices
    recall: Numbers
    num_queries: int
    last_rank: int
    rests_on: str = ""


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """Findings on how images find others of their class.

    Attributes:
        recall: of every query.
        at_random, confident, worst: queries to look at; of `confident` the nearest image is of another class.
        classes: every class with queries, the worst first.
    """

    recall: RecallCurve
    at_random: Neighbourhoods
    confident: Neighbourhoods
    worst: Neighbourhoods
    classes: Sequence[ClassLine]


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """The held-out images, N of them, and what was found out about their vectors.

    Attributes:
        names: [N], what each image is called.
        labels: int64 [N], indices into `classes`; None: no classes are known.
        classes: names of the classes.
        pixels: uint8 [n, height, width, 3] of the rows asked for.
        map: None where the vectors are not finite; then there is nothing else either.
        pairs: None where no classes are known.
        retrieval: None where no class has two images, or no classes are known.
    """

    names: Sequence[str]
    labels: Indices | None
    classes: Sequence[str]
    pixels: Callable[[Indices], Pixels]
    map: VectorMap | None
    pairs: PairDistances | None = None
    retrieval: Retrieval | None = None

    def class_name(self, row: int) -> str:
        """The class of an image; "" where none is known."""
        return self.classes[int(self.labels[row])] if self.labels is not None else ""
