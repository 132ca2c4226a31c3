"""Deep ranking beside its own deep trunk alone, in equal seconds: how many held-out triplets are in the right order.

    python -m benchmarks deep_ranking        two hours; it goes on where it stopped

Both train from one table of triplets that `lookalike triplets` drew from the training half of a set, for `--minutes` M
of the whole command and with default settings but for the loss (LOSS). Held out are triplets of the other half, whose
pictures and classes were never seen: those whose negative is of another class, and those whose negative is of the same
one but less relevant. What is relevant within a class somebody has to say: the pixels at 16 px, which is what the
shallow trunks see too, and beside them the frozen features of a published network, which owes them nothing.

The interval is of the mean over seeds, by Student's t; that of the difference pairs the seeds.
LOOKALIKE_RANKING_MINUTES, _SETS, _TRUNKS, _SEEDS and _LOSS take a part of it.
"""

from __future__ import annotations

import csv
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from artifact.distances import DISTANCES
from artifact.images.preprocessing import load_pixels
from benchmarks.arms import Arms
from benchmarks.our_command import in_batches
from benchmarks.sets.emoji_folders import prepare_emoji_folders
from benchmarks.sets.photographs import prepare_photographs
from trainer import load_run

MINUTES = float(os.environ.get("LOOKALIKE_RANKING_MINUTES", "2"))
SEEDS = tuple(range(int(os.environ.get("LOOKALIKE_RANKING_SEEDS", "5"))))
TRUNKS = tuple(os.environ.get("LOOKALIKE_RANKING_TRUNKS", "conv4,resnet10t").split(","))
SETS: dict[str, Callable[[], tuple[Path, Path]]] = {
    "photographs": prepare_photographs,
    "emoji": prepare_emoji_folders,
}
ASKED = tuple(os.environ.get("LOOKALIKE_RANKING_SETS", ",".join(SETS)).split(","))
LOSS = os.environ.get("LOOKALIKE_RANKING_LOSS", "triplet_capped")
"""Negatives within a class are no pairs of two classes: the default loss, which trains pairs, has no use for them."""

NUM_TRAIN, NUM_HELD_OUT = 20_000, 5_000
PARTIAL = Path("build/benchmark-deep_ranking.json")

OTHER_CLASS = "other class"
FIGURES = (OTHER_CLASS, "same class by pixels", "same class by features")


def run() -> dict[str, Any]:
    """{set: {trunk: {"alone", "multi-scale", "difference"}}}: percent in the right order, means and intervals."""
    arms = Arms(PARTIAL, (MINUTES, LOSS, NUM_TRAIN, NUM_HELD_OUT))
    table: dict[str, Any] = {"minutes": MINUTES, "loss": LOSS, "seeds": len(SEEDS), "threads": torch.get_num_threads()}
    with tempfile.TemporaryDirectory(prefix="lookalike-ranking-") as name:
        home = Path(name)
        for of_set in ASKED:
            train, unseen = SETS[of_set]()
            drawn = _draw(home / of_set, train, unseen)
            for trunk, seed in ((trunk, seed) for trunk in TRUNKS for seed in SEEDS):
                for base in (trunk, f"deep_ranking:{trunk}"):  # one after the other, so that both meet the same machine
                    measure = partial(_train_and_judge, drawn, unseen, base, seed)
                    arms.get(f"{of_set} {base} {seed}", measure)
            table[of_set] = {trunk: _summary(arms, of_set, trunk) for trunk in TRUNKS}
    arms.forget()
    return table


def _draw(folder: Path, train: Path, unseen: Path) -> dict[str, Path]:
    """Tables of triplets: to train on, and held out by pixels and by features of a published network."""
    folder.mkdir(parents=True)
    models, vectors = folder / "models", folder / "vectors"
    _lookalike("train", train, "--pretrained", "--epochs", "0", "--output", folder / "frozen", "--deploy", models)
    _lookalike("score", unseen, "--model", "frozen", "--repository", models, "--output", vectors)
    tables = {name: folder / f"{name}.csv" for name in ("train", "pixels", "features")}
    asked = ["--count", NUM_HELD_OUT, "--seed", "1"]
    _lookalike("triplets", train, "--relevance", "pixels", "--count", NUM_TRAIN, "--output", tables["train"])
    _lookalike("triplets", unseen, "--relevance", "pixels", *asked, "--output", tables["pixels"])
    _lookalike("triplets", unseen, "--relevance", vectors, *asked, "--output", tables["features"])
    return tables


def _train_and_judge(drawn: dict[str, Path], unseen: Path, base: str, seed: int) -> dict[str, Any]:
    """Percent of held-out triplets in the right order, and the seconds of the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        words = ["--kind", "triplet", "--loss", LOSS, "--base", base, "--minutes", f"{MINUTES:g}", "--seed", str(seed)]
        started = time.perf_counter()
        _lookalike("train", drawn["train"], *words, "--output", output)
        seconds = time.perf_counter() - started
        trained = load_run(output)
    files = sorted(path.resolve() for path in unseen.glob("*/*") if path.is_file())
    pixels = np.stack([load_pixels(file.read_bytes(), trained.preprocessing) for file in files])
    vectors = in_batches(trained.branch, pixels)
    place = {file: number for number, file in enumerate(files)}
    found: dict[str, Any] = {"seconds": round(seconds, 1), "steps": trained.config.steps, "size": trained.config.size}
    for by in ("pixels", "features"):
        rows, is_own = _read(drawn[by], place)
        query, positive, negative = (vectors[rows[:, stream]] for stream in range(3))
        distance = DISTANCES[trained.distance]
        is_right = distance(query, positive) < distance(query, negative)
        found[f"same class by {by}"] = round(100 * float(is_right[is_own].mean()), 2)
        if by == "pixels":
            found[OTHER_CLASS] = round(100 * float(is_right[~is_own].mean()), 2)
    return found


def _read(table: Path, place: dict[Path, int]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """int64 [T, 3], numbers of files; bool [T], whether the negative is of the query's class."""
    with table.open(newline="", encoding="utf-8") as file:
        _, *rows = csv.reader(file)
    files = [[(table.parent / cell).resolve() for cell in row] for row in rows]
    is_own = np.array([query.parent == negative.parent for query, _, negative in files])
    return np.array([[place[each] for each in row] for row in files]), is_own


def _summary(arms: Arms, of_set: str, trunk: str) -> dict[str, Any]:
    runs = {
        name: [arms[f"{of_set} {base} {seed}"] for seed in SEEDS]
        for name, base in (("alone", trunk), ("multi-scale", f"deep_ranking:{trunk}"))
    }
    table: dict[str, Any] = {
        name: {key: _mean([each[key] for each in of_seeds]) for key in (*FIGURES, "seconds")}
        for name, of_seeds in runs.items()
    }
    pairs = list(zip(runs["alone"], runs["multi-scale"], strict=True))
    table["difference"] = {key: _mean([multi[key] - alone[key] for alone, multi in pairs]) for key in FIGURES}
    return table | {"by_seed": runs}


def _mean(values: list[float]) -> dict[str, Any]:
    """{"mean", "interval"}: of 95 %, by Student's t."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return {"mean": round(mean, 2), "interval": None}
    half = float(stats.t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return {"mean": round(mean, 2), "interval": [round(mean - half, 2), round(mean + half, 2)]}


def _lookalike(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "lookalike", *map(str, words)], check=True, stdout=subprocess.DEVNULL)
