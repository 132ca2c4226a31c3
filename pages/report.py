"""report.html: a finished run in one page that needs nothing else, no network and no script.

Decisions a reader would question:
- It is written once, at the end, from the vectors that the last validation and the threshold use; no network runs here.
- Everything is bounded: 2,000 queries against 20,000 images, 100,000 pairs of each sort, 2,000 points of the map, some
  three hundred small pictures. So a page stays below 3 MB and costs seconds, however large the run.
- What cannot be shown is said, in the place where it would stand.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from analysis.datasets.projection import project
from artifact.arrays import Indices, Vectors
from artifact.atomic import write_atomically
from artifact.preprocessing import Pixels
from pages.plot import number
from pages.report_figures import curves, histogram, recall_curve, scatter, trade_off
from pages.report_pairs import pair_distances
from pages.report_retrieval import (
    ClassRecall,
    Ranking,
    at_random,
    confident,
    neighbours,
    rank_queries,
    recall_by_class,
    sample,
    worst,
)
from pages.report_summary import headline, summary
from trainer.config.config import TrainConfig, to_yaml
from trainer.watch.hints import Watch

REPORT = "report.html"

NUM_NEIGHBOURS = 8
NUM_RANDOM, NUM_CONFIDENT, NUM_WORST = 6, 6, 12
MAX_CLASSES = 40
MAX_MAPPED = 2_000
_THUMBNAIL_PX = 72


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """The held-out images, as training ends.

    Attributes:
        vectors: float32 [N, n].
        labels: int64 [N], indices into `classes`; None: no classes are known.
        classes: names of the classes.
        names: [N], what each image is called.
        pixels: uint8 [n, height, width, 3] of the rows asked for.
    """

    vectors: Vectors
    labels: Indices | None
    classes: Sequence[str]
    names: Sequence[str]
    pixels: Callable[[Indices], Pixels]

    def class_name(self, row: int) -> str:
        return self.classes[int(self.labels[row])] if self.labels is not None else ""


def write_report(
    run: Path,
    *,
    config: TrainConfig,
    facts: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]],
    held_out: HeldOut | None,
    threshold: Mapping[str, Any] | None,
) -> Path:
    """Write report.html into a run folder, whole or not at all.

    Args:
        run: the run folder.
        config: as used.
        facts: what stands in facts.json.
        lines: what stands in metrics.jsonl.
        held_out: None where nothing was held out: then the page has its curves, and says what is missing.
        threshold: the decision threshold, or None.

    Returns:
        The file.

    Raises:
        OutputError: it cannot be written.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(files("pages").joinpath("report.html.jinja").read_text(encoding="utf-8"))
    page = template.render(
        name=Path(run).resolve().name,
        config=config,
        headline=headline(facts, lines, threshold),
        hints=Watch(config, lines).hints,
        curves=curves(lines),
        held_out=_held_out(held_out, config, threshold),
        summary=summary(config, facts, threshold),
        settings=to_yaml(config),
    )
    path = Path(run) / REPORT
    write_atomically(path, page.encode("utf-8", errors="replace"))
    return path


def _held_out(held_out: HeldOut | None, config: TrainConfig, threshold: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the page says of the held-out images; `missing` says why a part of it is not there."""
    parts: dict[str, Any] = {
        "missing": [],
        "figures": [],
        "galleries": [],
        "map": None,
        "classes": [],
        "more_classes": 0,
    }
    if held_out is None or len(held_out.vectors) < 2:
        return parts | {"missing": ["Nothing was held out, so there are no neighbours, no distances and no map."]}
    if not np.isfinite(held_out.vectors).all():
        return parts | {"missing": ["The vectors hold NaN or infinity: nothing can be compared."]}
    parts["map"] = _map(held_out, seed=config.seed)
    if held_out.labels is None:
        return parts | {"missing": ["The held-out images have no classes, so right and wrong cannot be told."]}
    distance, labels = config.distance, held_out.labels
    ranking = rank_queries(held_out.vectors, labels, distance=distance, seed=config.seed)
    if len(ranking.queries):
        parts["galleries"] = _galleries(held_out, ranking, distance=distance, seed=config.seed)
        every = recall_by_class(ranking, labels)
        parts |= {"classes": [_class_row(held_out, each) for each in every[:MAX_CLASSES]]}
        parts |= {"more_classes": max(0, len(every) - MAX_CLASSES)}
    else:
        parts["missing"].append("No class has two held-out images, so there is no right neighbour to find.")
    pairs = pair_distances(held_out.vectors, labels, distance=distance, seed=config.seed)
    if len(pairs.same) or len(pairs.different):
        parts["figures"].append(histogram(pairs, threshold=threshold))
    if len(pairs.same) and len(pairs.different):
        parts["figures"].append(trade_off(pairs, threshold=threshold))
        parts["figures"].append(recall_curve(ranking.ranks))
    else:
        parts["missing"].append("Same and different pairs are both needed for a threshold; there is one sort only.")
    return parts


def _map(held_out: HeldOut, *, seed: int) -> dict[str, Any]:
    rows = sample(np.arange(len(held_out.vectors)), MAX_MAPPED, np.random.default_rng(seed))
    places, share = project(held_out.vectors[rows])
    classes = held_out.labels[rows].tolist() if held_out.labels is not None else [-1] * len(rows)
    titles = [f"{held_out.class_name(row)}  {held_out.names[row]}".strip() for row in rows.tolist()]
    figure = scatter(places, classes, class_names=held_out.classes, titles=titles)
    return {"figure": figure, "share": share, "shown": len(rows), "all": len(held_out.vectors)}


def _galleries(held_out: HeldOut, ranking: Ranking, *, distance: str, seed: int) -> list[list[dict[str, Any]]]:
    """Two columns of groups of queries, each with its neighbours."""
    codes = held_out.labels
    assert codes is not None
    last = worst(ranking, NUM_WORST)
    groups = [
        ("At random", "", at_random(ranking, codes, NUM_RANDOM, seed=seed)),
        (
            "Confidently wrong",
            "Nearest of all and of two classes: wrong labels show up here.",
            confident(ranking, NUM_CONFIDENT, besides=last),
        ),
        ("Worst queries", "The first image of their own class comes last.", last),
    ]
    chosen = np.concatenate([rows for _, _, rows in groups])
    distances, near_rows = neighbours(held_out.vectors, ranking, chosen, NUM_NEIGHBOURS, distance=distance)
    ranks = dict(zip(ranking.queries.tolist(), ranking.ranks.tolist(), strict=True))
    shown = np.unique(np.concatenate([chosen, near_rows.ravel()]))
    pictures = _pictures(held_out, shown)
    queries = iter(zip(distances.tolist(), near_rows.tolist(), strict=True))

    def query(row: int) -> dict[str, Any]:
        near = [
            pictures[other] | {"distance": number(apart), "is_same": bool(codes[other] == codes[row])}
            for apart, other in zip(*next(queries), strict=True)
        ]
        return pictures[row] | {"rank": ranks[row], "neighbours": near}

    found_groups = [
        {"title": title, "note": note, "queries": [query(row) for row in rows.tolist()]} for title, note, rows in groups
    ]
    return [found_groups[:-1], found_groups[-1:]]


def _pictures(held_out: HeldOut, rows: Indices) -> dict[int, dict[str, Any]]:
    """{row: {name, label, data}} with a small picture as a data URL."""
    found = {}
    for row in rows.tolist():  # one at a time: the rows may lie on a disk
        data = thumbnail(held_out.pixels(np.array([row], np.int64))[0])
        found[row] = {"name": held_out.names[row], "label": held_out.class_name(row), "data": data}
    return found


def thumbnail(pixels: Pixels) -> str:
    """A small picture as a data URL, PNG or JPEG, whichever is smaller: uint8 [height, width, 3]."""
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
    found = {}
    for kind, options in (("png", {"optimize": True}), ("jpeg", {"quality": 80, "optimize": True})):
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        found[kind] = buffer.getvalue()
    kind = min(found, key=lambda each: len(found[each]))
    return f"data:image/{kind};base64,{base64.b64encode(found[kind]).decode()}"


def _class_row(held_out: HeldOut, each: ClassRecall) -> dict[str, Any]:
    confused = "" if each.confused_with is None else held_out.classes[each.confused_with]
    return {"name": held_out.classes[each.code], "queries": each.queries, "recall": each.recall, "confused": confused}
