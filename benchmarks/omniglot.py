"""Omniglot "minimal": 20-way one-shot within alphabets, trained on five alphabets: siamese, triplet, quartet, pixels.

    python -m benchmarks omniglot --data DIR

DIR holds the two zips named in omniglot_trials.py. A line of the table is one training run of `lookalike train`'s own
`fit` with the settings below, 4 to 15 CPU-minutes each; each line is written to a file as soon as it is known, and a
second call computes only what is missing or was made with other settings. LOOKALIKE_OMNIGLOT_KINDS=siamese,triplet and
LOOKALIKE_OMNIGLOT_SEEDS=0,1 take a part of the table, LOOKALIKE_OMNIGLOT_LINES=FILE names the file of lines.

Decision a reader would question: the settings were chosen on alphabets of the training set that were held out in turn,
never on the trials (benchmarks/README.md says how and what the alternatives came to).
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from artifact.atomic import write_atomically
from artifact.errors import UsageError
from artifact.images.decoding import Pixels
from benchmarks.omniglot_trials import (
    TrialRun,
    Vectors,
    pixels_error,
    trial_error,
    unpack_training_images,
    unpack_trials,
)
from trainer.config.config import make_config
from trainer.loop.fit import fit
from trainer.run.saved_run import Run

DATA_VARIABLE = "LOOKALIKE_OMNIGLOT"
KINDS_VARIABLE, SEEDS_VARIABLE = "LOOKALIKE_OMNIGLOT_KINDS", "LOOKALIKE_OMNIGLOT_SEEDS"
LINES_VARIABLE = "LOOKALIKE_OMNIGLOT_LINES"

SEEDS = (0, 1, 2)

PUBLISHED = {"pixels": 79.0, "ConvNet": 23.2, "ProtoNet": 30.1, "people": 4.5}
"""Percent wrong, same training alphabets and trials: Lake, Salakhutdinov and Tenenbaum 2019, "The Omniglot challenge: a
3-year progress report" (networks); 2015 (people)."""

SHARED: dict[str, Any] = {
    "base": "conv4",
    "pooling": "avg",
    "size": 28,
    "dim": 64,
    "validation": "none",
    # 12 times 250 batches of 25 classes with 4 drawings
    "epochs": 12,
    "sampling": {"classes_per_batch": 25, "images_per_class": 4, "batches_per_epoch": 250},
    "optimizer": {"name": "adamw", "learning_rate": 1e-3, "weight_decay": 1e-4, "warmup_share": 0.05},
    "augment": {"rotate_deg": 10.0, "translate": 0.08, "scale": 0.1, "turns": True, "mirrors": True},
    "loop": {"precision": "bf16", "validate_every": 12},
}

RECIPES: dict[str, dict[str, Any]] = {
    "siamese": SHARED | {"loss": "contrastive", "mining": "multi_similarity", "margin": 1.0, "normalize": True},
    "triplet": SHARED | {"loss": "triplet", "mining": "all", "margin": 1.0},
    "quartet": SHARED | {"loss": "quadruplet", "mining": "all", "margin": 1.0, "margin2": 0.5},
}


def run(
    data: Path | None = None,
    *,
    kinds: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    lines: Path | None = None,
) -> dict[str, Any]:
    """The table, or the part of it that is asked for.

    Args:
        data: folder with the two zips; None: LOOKALIKE_OMNIGLOT.
        kinds, seeds: keys of RECIPES and seeds; None: the variables, or all.
        lines: JSON file of finished lines, read and added to; None: the variable, or one in the temporary folder.

    Returns:
        {"published_pct", "pixels", kind: {"mean_pct", "standard_error_over_seeds_pct", "cpu_minutes", "seeds", ...}}.

    Raises:
        UsageError, DataError: no data, or kinds that do not exist.
    """
    data = data or _data()
    kinds = kinds or _listed(KINDS_VARIABLE) or list(RECIPES)
    seeds = seeds or [int(seed) for seed in _listed(SEEDS_VARIABLE)] or SEEDS
    lines = lines or Path(os.environ.get(LINES_VARIABLE) or Path(tempfile.gettempdir()) / "lookalike-omniglot.json")
    unknown = set(kinds) - set(RECIPES)
    if unknown:
        raise UsageError(KINDS_VARIABLE, expected=f"some of {', '.join(RECIPES)}", got=sorted(unknown)[0])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        trials, images = unpack_trials(data, folder), unpack_training_images(data, folder)
        sizes = sorted({105, *(int(RECIPES[kind]["size"]) for kind in kinds)})
        result: dict[str, Any] = {
            "protocol": "20-way one-shot within alphabets, 400 official trials, trained on images_background_small1",
            "published_pct": PUBLISHED,
            "pixels": {f"{size}px": asdict(pixels_error(trials, size_px=size)) for size in sizes},
        }
        for seed in seeds:
            for kind in kinds:
                _line(kind, seed, images=images, trials=trials, output=folder / f"{kind}-{seed}", lines=lines)
    return result | {kind: _summary(kind, seeds, lines) for kind in kinds}


def settings(kind: str, *, images: Path, seed: int) -> dict[str, Any]:
    """What `make_config` takes."""
    return RECIPES[kind] | {"images": images, "kind": kind, "seed": seed}


def _data() -> Path:
    if not os.environ.get(DATA_VARIABLE):
        raise UsageError(DATA_VARIABLE, expected="the folder with Omniglot's zips", got="nothing", mend="--data DIR")
    return Path(os.environ[DATA_VARIABLE])


def _listed(variable: str) -> list[str]:
    return [part.strip() for part in os.environ.get(variable, "").split(",") if part.strip()]


def _line(kind: str, seed: int, *, images: Path, trials: list[TrialRun], output: Path, lines: Path) -> None:
    """Train and test one network, unless its line is there already."""
    known = _read(lines)
    key = _key(kind, seed)
    if key in known:
        return
    spent, started = time.process_time(), time.monotonic()
    trained = fit(make_config(settings(kind, images=images, seed=seed)), output)
    cpu_s, wall_s = time.process_time() - spent, time.monotonic() - started
    error = trial_error(
        trials, lambda pixels: _embed(trained, pixels), trained.preprocessing, distance=trained.distance
    )
    line = {"kind": kind, "seed": seed, **asdict(error), "cpu_s": round(cpu_s, 1), "wall_s": round(wall_s, 1)}
    write_atomically(lines, (json.dumps(_read(lines) | {key: line}, indent=1) + "\n").encode())


def _embed(trained: Run, pixels: Pixels) -> Vectors:
    with torch.inference_mode():
        return np.asarray(trained.branch(torch.from_numpy(pixels)).numpy(), np.float32)


def _key(kind: str, seed: int) -> str:
    """Changes with the recipe, so a line made with other settings is never taken for this one's."""
    recipe = json.dumps(RECIPES[kind], sort_keys=True, default=str)
    return f"{kind}-{seed}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def _read(lines: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lines.read_text()) if lines.is_file() else {}
    return found


def _summary(kind: str, seeds: Sequence[int], lines: Path) -> dict[str, Any]:
    found = _read(lines)
    own = [found[_key(kind, seed)] for seed in seeds]
    errors = [float(line["mean_pct"]) for line in own]
    spread = statistics.stdev(errors) / len(errors) ** 0.5 if len(errors) > 1 else None
    return {
        "mean_pct": round(statistics.mean(errors), 2),
        "standard_error_over_seeds_pct": None if spread is None else round(spread, 2),
        "standard_error_over_trial_runs_pct": round(statistics.mean(line["standard_error_pct"] for line in own), 2),
        "cpu_minutes": [round(line["cpu_s"] / 60, 1) for line in own],
        "seeds": {str(line["seed"]): round(line["mean_pct"], 2) for line in own},
        "settings": RECIPES[kind],
    }
