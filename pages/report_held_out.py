"""The part of a run's report on held-out images: galleries, figures, map and classes, or why they are not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from artifact.arrays import Indices
from pages.findings import ClassLine, HeldOut, Neighbourhoods, Retrieval, VectorMap
from pages.pictures import Picture, PictureRow, small_picture
from pages.plot import number
from pages.report_figures import histogram, recall_curve, scatter, trade_off

MAX_CLASSES = 40
PICTURE_PX = 72


def held_out_parts(held_out: HeldOut | None, threshold: Mapping[str, Any] | None) -> dict[str, Any]:
    """Values of the template; `missing` says why a part is not there."""
    parts: dict[str, Any] = {
        "missing": [],
        "figures": [],
        "galleries": [],
        "map": None,
        "classes": [],
        "more_classes": 0,
    }
    if held_out is None or len(held_out.names) < 2:
        return parts | {"missing": ["Nothing was held out, so there are no neighbours, no distances and no map."]}
    if held_out.map is None:
        return parts | {"missing": ["The vectors hold NaN or infinity: nothing can be compared."]}
    parts["map"] = _map(held_out, held_out.map)
    if held_out.labels is None:
        return parts | {"missing": ["The held-out images have no classes, so right and wrong cannot be told."]}
    retrieval, pairs = held_out.retrieval, held_out.pairs
    if retrieval is not None:
        parts["galleries"] = _galleries(held_out, held_out.labels, retrieval)
        parts["classes"] = [_class_line(held_out, each) for each in retrieval.classes[:MAX_CLASSES]]
        parts["more_classes"] = max(0, len(retrieval.classes) - MAX_CLASSES)
    else:
        parts["missing"].append("No class has two held-out images, so there is no right neighbour to find.")
    if pairs is not None and (len(pairs.same) or len(pairs.different)):
        parts["figures"].append(histogram(pairs, threshold=threshold))
    if pairs is not None and len(pairs.far) and retrieval is not None:
        parts["figures"] += [trade_off(pairs, threshold=threshold), recall_curve(retrieval.recall)]
    else:
        parts["missing"].append("Same and different pairs are both needed for a threshold; there is one sort only.")
    return parts


def _map(held_out: HeldOut, found: VectorMap) -> dict[str, Any]:
    classes = held_out.labels[found.rows].tolist() if held_out.labels is not None else [-1] * len(found.rows)
    titles = [f"{held_out.class_name(row)}  {held_out.names[row]}".strip() for row in found.rows.tolist()]
    figure = scatter(found.places, classes, class_names=held_out.classes, titles=titles)
    return {"figure": figure, "share": found.share, "shown": len(found.rows), "all": len(held_out.names)}


def _galleries(held_out: HeldOut, labels: Indices, retrieval: Retrieval) -> list[list[dict[str, Any]]]:
    """Two columns of groups of queries, each with its neighbours."""
    groups = (
        ("At random", "", retrieval.at_random),
        (
            "Confidently wrong",
            "Nearest of all and of two classes: wrong labels show up here.",
            retrieval.confident,
        ),
        ("Worst queries", "The first image of their own class comes last.", retrieval.worst),
    )
    shown = np.unique(np.concatenate([each.ravel() for _, _, found in groups for each in (found.queries, found.rows)]))
    pictures = {  # one at a time: the rows may lie on a disk
        row: small_picture(held_out.pixels(np.array([row], np.int64))[0], PICTURE_PX) for row in shown.tolist()
    }
    found_groups = [
        {"title": title, "note": note, "queries": _picture_rows(held_out, labels, found, pictures)}
        for title, note, found in groups
    ]
    return [found_groups[:-1], found_groups[-1:]]


def _picture_rows(
    held_out: HeldOut, labels: Indices, found: Neighbourhoods, pictures: Mapping[int, str]
) -> list[PictureRow]:
    def asked(row: int, rank: int) -> Picture:
        name, label = held_out.names[row], held_out.class_name(row)
        captions = [(label, label)]
        captions += [(f"rank {rank}", "place of the first image of its class")] if rank > 1 else []
        return Picture(name=name, data=pictures[row], kind="asked", title=name, captions=captions)

    def near(row: int, apart: float, query: int) -> Picture:
        name, label = held_out.names[row], held_out.class_name(row)
        is_same = labels[row] == labels[query]
        captions = [(number(apart), label)] + ([] if is_same else [(label, label)])
        kind = "same" if is_same else "other"
        return Picture(name=name, data=pictures[row], kind=kind, title=f"{label}: {name}", captions=captions)

    each = zip(found.queries.tolist(), found.ranks.tolist(), found.rows.tolist(), found.distances.tolist(), strict=True)
    return [
        PictureRow(
            query=asked(query, rank),
            neighbours=[near(row, apart, query) for row, apart in zip(rows, distances, strict=True)],
        )
        for query, rank, rows, distances in each
    ]


def _class_line(held_out: HeldOut, each: ClassLine) -> dict[str, Any]:
    confused = "" if each.confused_with is None else held_out.classes[each.confused_with]
    return {"name": held_out.classes[each.code], "queries": each.queries, "recall": each.recall, "confused": confused}
