"""Photographs and published weights: what `--pretrained` brings in seconds and in minutes, on photographs never seen.

    python -m benchmarks pretrained          half an hour; it goes on where it stopped

Raw pixels; the frozen network's own features; a closed-form head on them (`--pretrained --epochs 0`), LDA and PCA; and
`--pretrained --minutes 4`, which trains the head, then all of it. Each of ours is the command as printed, a process of
its own from its start to its end. The photographs are those of `minute` (sets/photographs.py).
"""

from __future__ import annotations

import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch

from artifact.images.decoding import Pixels
from benchmarks.arms import Arms
from benchmarks.our_command import in_batches, train_and_judge
from benchmarks.plain_user import FIGURES, figures, raw_pixels, read
from benchmarks.sets.photographs import prepare_photographs
from trainer import fit, make_config

SEEDS = (0, 1, 2)
FROZEN = {"pretrained": True, "epochs": 0}
ARMS: dict[str, list[str]] = {
    "frozen, lda": ["--epochs", "0", "--head", "lda"],
    "frozen, pca": ["--epochs", "0", "--head", "pca"],
    "trained for 4 minutes": ["--kind", "triplet", "--minutes", "4"],
}
PARTIAL = Path("build/benchmark-pretrained.json")


def run() -> dict[str, Any]:
    """{"raw pixels", "frozen features", arm: means over seeds}."""
    train, unseen = prepare_photographs()
    arms = Arms(PARTIAL, (FROZEN, ARMS))
    table: dict[str, Any] = {
        "threads": torch.get_num_threads(),
        "raw pixels": arms.get("raw pixels", lambda: raw_pixels(*read(unseen, 64))),
        "frozen features": arms.get("frozen features", lambda: _features(train, unseen)),
    }
    for name, words in ARMS.items():
        runs = []
        for seed in SEEDS:
            asked = ["--pretrained", *words, "--seed", str(seed)]
            runs.append(arms.get(f"{name} {seed}", partial(train_and_judge, train, unseen, asked)))
        means = {key: round(statistics.fmean(each[key] for each in runs), 4) for key in (*FIGURES, "seconds")}
        table[name] = means | {"recall@1_by_seed": [each["recall@1"] for each in runs], "by_seed": runs}
    arms.forget()
    return table


def _features(train: Path, unseen: Path) -> dict[str, Any]:
    """Figures of the features that the network has before any head, in its own dims."""
    with tempfile.TemporaryDirectory() as folder:
        frozen = fit(make_config(FROZEN | {"images": train}), Path(folder) / "run")
    pixels: Pixels
    pixels, labels = read(unseen, frozen.preprocessing.height)
    vectors = in_batches(frozen.branch.features, pixels)
    return figures(vectors, labels) | {"size": frozen.config.size, "dim": vectors.shape[1]}
