"""Measures of two towers on held-out rows: images found by their attributes, and triplets in the right order.

Decisions a reader would question:
- Queries are of every number of attributes: of held-out rows some attributes at random, the others left out, as people
  ask. So the figures at few attributes say how well the tower bears missing values.
- An epoch's figures are of a sample of queries; those at the end of all of them, with intervals, or of as many as
  `evaluate` takes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from analysis.measures.attribute_retrieval import attribute_retrieval, queries_within
from analysis.measures.attribute_rows import HALF_SCALE, AttributeRows
from artifact.arrays import Vectors
from artifact.attributes import NUMBER, Attributes
from artifact.kinds import ATTRIBUTES
from trainer.loop.assessed import Assessed
from trainer.networks.branch import Branch, evaluating
from trainer.towers.flips import flipped
from trainer.towers.values import is_known, values_of, with_few

QUERIES_OF_EACH = 200
"""Rows with so many attributes that are asked for, of each number of them."""

QUERIES_OF_AN_EPOCH = 150
_BATCH = 4096


def embed_rows(branch: Branch, rows: Vectors) -> Vectors:
    """Vectors of rows of attributes, float32 [N, A] -> float32 [N, embedding_dim], in evaluation mode."""
    tower, device = branch.towers[ATTRIBUTES], branch.scale.device
    with evaluating(tower), torch.inference_mode():
        parts = [
            tower(torch.from_numpy(rows[start : start + _BATCH]).to(device)).cpu().numpy()
            for start in range(0, len(rows), _BATCH)
        ]
    return np.concatenate([np.empty((0, branch.embedding.out_features), np.float32), *parts])


def queries_of(rows: Vectors, attributes: Attributes, *, seed: int) -> Vectors:
    """Queries of every number of attributes: float32 [Q, A], each some attributes of one row, the others missing."""
    random = np.random.default_rng(seed)
    parts = []
    for number in range(1, len(attributes) + 1):
        chosen = rows[random.permutation(len(rows))[:QUERIES_OF_EACH]]
        parts.append(with_few(chosen, attributes, np.full(len(chosen), number), random=random))
    return np.concatenate(parts)


def growth_at_end(num_images: int, attributes: Attributes) -> float:
    """How many times the queries of an epoch those at the end are, of so many held-out images."""
    num_queries = num_images + min(QUERIES_OF_EACH, num_images) * len(attributes)
    return max(1.0, (queries_within(num_queries, num_images) or num_queries) / QUERIES_OF_AN_EPOCH)


def measure_attributes(run: Assessed, branch: Branch, vectors: Vectors, *, bootstrap: int = 0) -> dict[str, Any] | None:
    """What `attribute_retrieval` says of the held-out images; None where nothing with attributes is held out.

    Args:
        branch: whose towers they are, in the weights to be measured.
        vectors: float32 [N, n] of the held-out images.
        bootstrap: resamples for intervals; 0: none, and of a sample of the queries only.
    """
    rows = run.prepared.rows
    if rows is None or rows.held_out is None or not np.isfinite(vectors).all():
        return None
    attributes, seed = rows.attributes, run.config.seed
    queries = np.concatenate([queries_of(rows.held_out, attributes, seed=seed), rows.held_out])
    queries = queries[is_known(queries, attributes).any(axis=1)]
    changed = flipped(rows.held_out, attributes, count=1, random=np.random.default_rng([seed, 1]))
    found = [(each, embed_rows(branch, each)) for each in (queries, changed)]
    if not all(np.isfinite(each).all() for _, each in found) or not len(queries):
        return None
    asked, hard = (AttributeRows(vectors=each, values=values_of(of, attributes)) for of, each in found)
    return attribute_retrieval(
        asked,
        vectors,
        values_of(rows.held_out, attributes),
        distance=run.config.distance,
        tolerances=np.array([HALF_SCALE if each.type == NUMBER else 0.0 for each in attributes.attributes]),
        flipped=hard,
        max_queries=queries_within(len(queries), len(vectors)) if bootstrap else QUERIES_OF_AN_EPOCH,
        bootstrap=bootstrap,
        seed=seed,
    )


def attribute_metrics(found: dict[str, Any] | None) -> dict[str, float]:
    """The figures of one epoch, and of how many queries and images, from what `measure_attributes` gave."""
    if found is None:
        return {}
    of_all = found["all"]
    figures = {
        "attribute_mAP": of_all["mAP"],
        "attribute_P@10": of_all["P@10"],
        "pct_correct_easy": found["triplets_easy"] and round(100 * found["triplets_easy"], 4),
        "pct_correct_hard": found["triplets_hard"] and round(100 * found["triplets_hard"], 4),
        "num_attribute_queries": of_all["queries"],
        "num_attribute_images": found["triplets_easy_images"],
    }
    return {name: value for name, value in figures.items() if value is not None}
