"""Every label judged by all views, their mix learned on plantings, and what the answers rest on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.datasets.mislabelled.cases import Cases
from analysis.datasets.mislabelled.class_sums import Classes, Frame, is_judged
from analysis.datasets.mislabelled.class_views import choose_shrinkage, class_views
from analysis.datasets.mislabelled.mixing import Judgement, Mix, learn_mix
from analysis.datasets.mislabelled.neighbour_views import NUM_NEIGHBOURS, Neighbours, neighbour_views
from analysis.datasets.mislabelled.planting import ALIKE, ANY, LEFT, plant
from analysis.search.graph import neighbour_graph
from artifact.arrays import Indices, Numbers
from artifact.errors import DataError
from rows.vectors.table import VectorTable

PLANTED_IN_ALL = 1_000
MOST_PLANTINGS = 20
OTHERS = 20_000
"""Cases beside the planted ones that are judged again in each planting, at most."""

VIEWS = ("votes", "nearest", "ridge", "centres")
PROPOSERS = ("votes", "ridge", "centres")


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Cases, each with what is thought of its label.

    Attributes:
        cases: int64 [J], those that could be judged: their class has another vector. Rising.
        log_odds: float64 [J], rising with the doubt.
        confidence: float64 [J], probability that the label is wrong; NaN where the planted errors do not stand out.
        proposed: int64 [J], the class that it may be instead.
        mix: of the views.
        share_wrong: of the cases, about, were the errors like the planted ones; None where those do not stand out.
        planted_suspected: share of the planted errors that would be suspected.
        recall: of the neighbour graph.
    """

    cases: Indices
    log_odds: Numbers
    confidence: Numbers
    proposed: Indices
    mix: Mix
    share_wrong: float | None
    planted_suspected: float
    recall: float


@dataclass(frozen=True, kw_only=True)
class _Bench:
    """What all judgements share."""

    cases: Cases
    neighbours: Neighbours
    frame: Frame
    shrinkage: float

    def judge(self, classes: Classes, voted: Indices, given: Indices, asked: Indices) -> tuple[Numbers, Indices]:
        """Views float64 [m, VIEWS] and proposals int64 [m, PROPOSERS] of the cases asked about; -1 for none."""
        vector_of, shares = self.cases.vector_of[asked], (classes.sizes / classes.sizes.sum()).astype(np.float32)
        near = neighbour_views(self.neighbours, voted, vector_of, given[asked], shares)
        whole = class_views(self.frame, classes, self.shrinkage, self.cases.vectors, voted, vector_of, given[asked])
        views = np.column_stack([near.votes, near.nearest, whole.ridge, whole.centres])
        return views, np.column_stack([near.proposed, whole.by_ridge, whole.by_centres])


def judge_labels(
    cases: Cases,
    *,
    distance: str,
    seed: int,
    where: str,
    report: Callable[[int, int], None] | None = None,
) -> Judged:
    """Judge the label of every case whose class has another vector.

    Args:
        distance: a name in artifact.distances.DISTANCES; for one of directions the vectors have length 1.
        seed: of the sample and of the plantings.
        where: the table, for messages.
        report: called with (vectors whose neighbours are found, vectors in all).

    Raises:
        DataError: fewer than two classes of two different vectors each.
    """
    rng = np.random.default_rng(seed)
    sizes = np.bincount(cases.voted[cases.voted >= 0], minlength=cases.num_classes)
    own = cases.voted[cases.vector_of]
    asked = np.flatnonzero(is_judged(sizes, own, cases.given))
    plain = asked[~cases.disagreeing[asked]]
    if len(np.unique(cases.given[plain])) < 2:
        raise DataError(
            "labels",
            expected="at least two classes of two different vectors each",
            got=f"{len(np.unique(cases.given[plain]))} such",
            where=where,
        )
    graph = neighbour_graph(
        VectorTable.from_arrays(cases.vectors, source=where),
        NUM_NEIGHBOURS,
        distance=distance,
        seed=seed,
        report=report,
    )
    frame = Frame.of(cases.vectors)
    classes = Classes.of(cases.vectors, cases.voted, frame, cases.num_classes)
    shrinkage = choose_shrinkage(frame, classes, cases.vectors, cases.voted, rng)
    bench = _Bench(cases=cases, neighbours=Neighbours.of(graph), frame=frame, shrinkage=shrinkage)
    views, proposals = bench.judge(classes, cases.voted, cases.given, asked)
    taken_for = np.full(len(cases.given), -1)
    taken_for[asked] = proposals[:, PROPOSERS.index("centres")]
    mix = _learn(bench, classes, asked, plain, taken_for, rng)
    log_odds = mix.log_odds(views)
    share_wrong, confidence, planted_suspected = None, np.full(len(asked), np.nan), 0.0
    told = mix.share_and_curve(log_odds)
    if told is not None:
        share_wrong, curve = told
        confidence = _where_copies_disagree(curve.confidence(log_odds), cases, asked)
        planted_suspected = mix.recall(curve)
    return Judged(
        cases=asked,
        log_odds=log_odds,
        confidence=confidence,
        proposed=_first_named(proposals[:, np.argsort(-mix.right, kind="stable")]),
        mix=mix,
        share_wrong=share_wrong,
        planted_suspected=planted_suspected,
        recall=graph.recall,
    )


def _learn(
    bench: _Bench, classes: Classes, asked: Indices, plain: Indices, taken_for: Indices, rng: np.random.Generator
) -> Mix:
    """Plant errors and judge again, until PLANTED_IN_ALL were planted or it was done MOST_PLANTINGS times."""
    cases, planted = bench.cases, 0
    judgements: list[Judgement] = []
    present = np.flatnonzero(classes.sizes)
    while len(judgements) < MOST_PLANTINGS and planted < PLANTED_IN_ALL:
        errors = plant(plain, cases.given, taken_for, present, rng)
        at = cases.vector_of[errors.cases]
        voted, given = cases.voted.copy(), cases.given.copy()
        voted[at] = given[errors.cases] = errors.classes
        changed = classes.with_moved(cases.vectors[at], cases.given[errors.cases], errors.classes, bench.frame)
        kinds = np.full(len(given), LEFT)
        kinds[errors.cases] = np.where(errors.is_alike, ALIKE, ANY)
        others = asked[kinds[asked] == LEFT]
        others = rng.choice(others, min(len(others), OTHERS), replace=False)
        again = np.sort(np.concatenate([errors.cases, others]))
        again = again[is_judged(changed.sizes, voted[cases.vector_of[again]], given[again])]
        views, proposals = bench.judge(changed, voted, given, again)
        is_planted = kinds[again] != LEFT
        right = proposals[is_planted] == cases.given[again[is_planted], None]
        judgements.append(Judgement(views=views, kinds=kinds[again], right=right))
        planted += int(is_planted.sum())
    return learn_mix(judgements)


def _where_copies_disagree(confidence: Numbers, cases: Cases, asked: Indices) -> Numbers:
    """The confidences, given that of the labels of one vector one at least is wrong."""
    num_vectors, vector_of = len(cases.vectors), cases.vector_of[asked]
    judged = np.bincount(vector_of, minlength=num_vectors)
    all_judged = judged == np.bincount(cases.vector_of, minlength=num_vectors)
    all_right = np.ones(num_vectors)
    np.multiply.at(all_right, vector_of, 1 - confidence)
    known = (judged > 1) & all_judged
    some_wrong = np.where(known, np.maximum(1 - all_right, 1e-12), 1.0)[vector_of]
    return np.minimum(1.0, np.maximum(confidence, 1e-12) / some_wrong)


def _first_named(proposals: Indices) -> Indices:
    """The first of each row that is a class."""
    first: Indices = proposals[np.arange(len(proposals)), (proposals >= 0).argmax(axis=1)]
    return first
