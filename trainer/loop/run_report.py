"""The report of a finished run: what was found out about its held-out images, handed to the page as plain data.

Decision a reader would question: every held-out image is ranked among all others once more, which costs as much as one
validation. So recall@1 in the table of classes and at the head of the page are one number, however large the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.datasets.projection import project
from analysis.evaluation.examples import at_random, confidently_wrong, worst
from analysis.measures.confusion import recall_by_class
from analysis.measures.pairs import Pairs
from analysis.measures.ranking import Ranking, rank_within
from analysis.measures.ranks import recall_by_depth
from analysis.measures.roc import RocCurve
from analysis.measures.support import support_of_share
from analysis.neighbours.nearest import nearest
from analysis.neighbours.samples import sample_rows
from artifact.arrays import Indices, Vectors
from artifact.events import Report
from pages.findings import ClassLine, HeldOut, Neighbourhoods, PairDistances, RecallCurve, Retrieval, VectorMap
from pages.report import write_report
from trainer.config.config import to_yaml
from trainer.data.images import Images
from trainer.loop.assessed import Assessed
from trainer.watch.hints import Watch

NUM_NEIGHBOURS = 8
NUM_RANDOM, NUM_CONFIDENT, NUM_WORST = 6, 6, 12
MAX_MAPPED = 2_000
"""Vectors on the map, a sample of more."""


def report_run(run: Assessed, facts: dict[str, Any], vectors: Vectors | None, pairs: Pairs | None, say: Report) -> None:
    """Write report.html; what goes wrong there is a warning, for the run itself is done.

    Args:
        run: at its end.
        facts: what will stand in facts.json.
        vectors: float32 [N, n] of the held-out images, by the weights that were kept; None where nothing is held out.
        pairs: those that the threshold was taken from; None where the images have no classes, or
            the vectors are not finite.
        say: gets the warning.
    """
    config, images = run.config, run.prepared.held_out
    try:
        held_out = None
        if images is not None and vectors is not None:
            held_out = examine(images, vectors, pairs, distance=config.distance, seed=config.seed)
        write_report(
            run.folder,
            settings=config.model_dump(),
            settings_text=to_yaml(config),
            facts=facts,
            lines=run.lines,
            hints=Watch(config, run.lines).hints,
            held_out=held_out,
            threshold=facts.get("threshold"),
        )
    except Exception as error:  # a page of plots must not cost hours of training
        say({"event": "warning", "message": f"report.html could not be written: {type(error).__name__}: {error}"})


def examine(images: Images, vectors: Vectors, pairs: Pairs | None, *, distance: str, seed: int) -> HeldOut:
    """All that the page says of held-out images.

    Args:
        images: N of them.
        vectors: float32 [N, n].
        pairs: of these vectors; None where the images have no classes, or the vectors are not finite.
        distance: a name in artifact.distances.DISTANCES.
        seed: of the samples.
    """
    is_finite = bool(np.isfinite(vectors).all())
    labels = images.labels if pairs is not None else None
    return HeldOut(
        names=images.files.names,
        labels=labels,
        classes=images.files.classes,
        pixels=images.pixels,
        map=find_map(vectors, seed=seed) if is_finite else None,
        pairs=find_curve(pairs) if is_finite and pairs is not None else None,
        retrieval=find_retrieval(vectors, labels, distance=distance, seed=seed)
        if is_finite and labels is not None
        else None,
    )


def find_map(vectors: Vectors, *, seed: int) -> VectorMap:
    """The two directions in which the vectors vary most; of many a sample."""
    rows = sample_rows(len(vectors), MAX_MAPPED, np.random.default_rng(seed))
    places, share = project(vectors[rows])
    return VectorMap(rows=rows, places=places, share=share)


def find_curve(pairs: Pairs) -> PairDistances:
    """The distances of the pairs, and their ROC curve where there are both sorts."""
    far = tar = np.empty(0)
    if pairs.are_of_both_sorts:
        _, far, tar = RocCurve(pairs.same, pairs.different).points()
    return PairDistances(same=pairs.same, different=pairs.different, far=far, tar=tar)


def find_retrieval(vectors: Vectors, codes: Indices, *, distance: str, seed: int) -> Retrieval | None:
    """Recall, examples and classes; None where no class has two images."""
    ranking = rank_within(vectors, codes, distance=distance, with_mistakes=True)
    if ranking is None or ranking.mistakes is None:
        return None
    last = worst(ranking, NUM_WORST)
    chosen = (
        at_random(ranking, NUM_RANDOM, seed=seed),
        confidently_wrong(ranking, NUM_CONFIDENT, besides=last),
        last,
    )
    random, confident, worst_ones = find_neighbours(vectors, ranking, chosen, distance=distance)
    return Retrieval(
        recall=find_recall(ranking.mistakes.ranks),
        at_random=random,
        confident=confident,
        worst=worst_ones,
        classes=[
            ClassLine(code=each.code, queries=each.queries, recall=each.recall, confused_with=each.confused_with)
            for each in recall_by_class(ranking, codes)
        ],
    )


def find_recall(first_ranks: Indices) -> RecallCurve:
    """recall@k of all queries from the place of each one's first right image, int64 [Q]."""
    depths, recall = recall_by_depth(first_ranks)
    return RecallCurve(
        depths=depths,
        recall=recall,
        num_queries=len(first_ranks),
        last_rank=int(first_ranks.max()),
        rests_on=str(support_of_share(float((first_ranks == 1).mean()), len(first_ranks), "queries")),
    )


def find_neighbours(
    vectors: Vectors, ranking: Ranking, chosen: Sequence[Indices], *, distance: str
) -> list[Neighbourhoods]:
    """The nearest images of some groups of queries, int64 [G] each."""
    assert ranking.mistakes is not None
    rows = np.concatenate(chosen)
    k = min(NUM_NEIGHBOURS, len(vectors) - 1)
    distances, near = nearest(vectors, vectors[rows], k, distance=distance, own=rows)
    ranks = ranking.mistakes.ranks[np.searchsorted(ranking.rows, rows)]
    ends = np.cumsum([len(group) for group in chosen])[:-1]
    each = zip(*(np.split(part, ends) for part in (rows, ranks, near, distances)), strict=True)
    return [
        Neighbourhoods(queries=queries, ranks=of, rows=found, distances=apart) for queries, of, found, apart in each
    ]
