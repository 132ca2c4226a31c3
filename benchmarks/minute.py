"""The best vectors that minutes buy: `lookalike train FOLDER --kind triplet --minutes 4` beside users of
pytorch-metric-learning, in equal seconds, on classes never seen.

    python -m benchmarks minute              about five hours; it goes on where it stopped

Ours is the command as printed, a process of its own from its start to its end: reading, validation, head and threshold
included. The user's process (plain_user.py) then gets exactly as many seconds. Two users: one takes resnet10t at 64 px
with its own averaged pooling, the other is given our network, size, flattening and dim. Both tune their rate on RATES,
on a fifth of the training classes held out, with half of the seconds each; ours tunes nothing. Nobody looks at the
unseen classes before the end, and `icons` was looked at by nobody while our defaults were chosen.

LOOKALIKE_MINUTE_ARMS=triplet,resnet10t and LOOKALIKE_MINUTE_SETS=emoji take a part of the table.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from artifact.atomic import write_atomically
from benchmarks.plain_user import FIGURES, figures, read
from benchmarks.sets.emoji_folders import prepare_emoji_folders
from benchmarks.sets.icons import prepare_icons
from benchmarks.sets.photographs import prepare_photographs
from trainer import load_run

MINUTES, SEEDS = 4.0, (0, 1, 2)
RATES = (3e-4, 1e-3, 3e-3, 1e-2)
KINDS = ("triplet", "siamese", "quartet")
USERS: dict[str, dict[str, Any]] = {
    "resnet10t": {"base": "resnet10t", "size": 64, "dim": 128},
    "our network": {"base": "conv4", "size": 64, "dim": 64},
}
ARMS = (*KINDS, *USERS)
PARTIAL = Path("build/benchmark-minute.json")
Folders = tuple[Path, Path]

SETS: dict[str, Callable[[], Folders]] = {
    "emoji": prepare_emoji_folders,
    "photographs": prepare_photographs,
    "icons": prepare_icons,
}


def run() -> dict[str, Any]:
    """{set: {"raw_pixels", arm: means over seeds, "gain_of_recall@1": {user: by seed}}}."""
    arms = _asked("LOOKALIKE_MINUTE_ARMS", ARMS)
    done = json.loads(PARTIAL.read_text()) if PARTIAL.is_file() else {}
    table: dict[str, Any] = {"minutes": MINUTES, "threads": torch.get_num_threads(), "rates": RATES, "users": USERS}
    for name in _asked("LOOKALIKE_MINUTE_SETS", tuple(SETS)):
        train, unseen = SETS[name]()
        if f"{name} raw pixels" not in done:
            _keep(done, f"{name} raw pixels", _raw_pixels(unseen))
        for user in (arm for arm in arms if arm in USERS):
            if f"{name} {user} rate" not in done:
                _keep(done, f"{name} {user} rate", _tuned(train, USERS[user]))
        for seed in SEEDS:
            for arm in sorted(arms, key=ARMS.index):  # ours first: its seconds are the others'
                key = f"{name} {arm} {seed}"
                if key in done:
                    continue
                if arm in KINDS:
                    _keep(done, key, _ours(train, unseen, arm, seed))
                else:
                    seconds = done.get(f"{name} triplet {seed}", {"seconds": 60 * MINUTES})["seconds"]
                    rate = done[f"{name} {arm} rate"]["best"]
                    _keep(done, key, _user(train, unseen, USERS[arm], rate=rate, seconds=seconds, seed=seed))
        table[name] = _summary(done, name, arms)
    return table


def _ours(train: Path, unseen: Path, kind: str, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        command = ["train", str(train), "--kind", kind, "--minutes", f"{MINUTES:g}", "--seed", str(seed)]
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "lookalike", *command, "--output", str(output)], check=True)
        seconds = time.perf_counter() - started
        return judged(output, unseen) | {"seconds": round(seconds, 1)}


def judged(output: Path, unseen: Path) -> dict[str, Any]:
    """Figures of a run on a folder that it never saw, and what it settled."""
    trained = load_run(output)
    pixels, labels = read(unseen, trained.preprocessing.height)
    with torch.inference_mode():
        parts = [trained.branch(torch.from_numpy(pixels[at : at + 128])).numpy() for at in range(0, len(pixels), 128)]
    head = trained.facts.get("head") or {}
    settled = {"steps": trained.config.steps, "size": trained.config.size, "dim": trained.config.dim}
    found = figures(np.concatenate(parts), labels, distance=trained.distance)
    return found | settled | {"head": head.get("name"), "lambda": head.get("lambda")}


def _user(
    train: Path, unseen: Path, settings: dict[str, Any], *, rate: float, seconds: float, seed: int
) -> dict[str, Any]:
    until = time.time() + seconds
    words = [f"--{key}={value}" for key, value in settings.items()]
    words += [f"--train={train}", f"--unseen={unseen}", f"--rate={rate}", f"--seed={seed}", f"--until={until}"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.plain_user", *words], check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found | {"seconds": seconds, "rate": rate}


def _tuned(train: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The rate with the best recall@1 on every fifth of the training classes, in half of the seconds each."""
    with tempfile.TemporaryDirectory() as folder:
        for index, of_class in enumerate(sorted(train.iterdir())):
            shutil.copytree(of_class, Path(folder) / ("held_out" if index % 5 == 0 else "train") / of_class.name)
        found = {
            rate: _user(
                Path(folder) / "train", Path(folder) / "held_out", settings, rate=rate, seconds=30 * MINUTES, seed=9
            )["recall@1"]
            for rate in RATES
        }
    return {"best": max(found, key=lambda rate: found[rate]), "recall@1": {f"{rate:g}": found[rate] for rate in RATES}}


def _raw_pixels(unseen: Path) -> dict[str, Any]:
    pixels, labels = read(unseen, 64)
    return figures(pixels.reshape(len(pixels), -1).astype(np.float32) / np.float32(255), labels)


def _summary(done: dict[str, Any], name: str, arms: tuple[str, ...]) -> dict[str, Any]:
    runs = {arm: [done[f"{name} {arm} {seed}"] for seed in SEEDS] for arm in arms}
    table: dict[str, Any] = {"raw_pixels": done[f"{name} raw pixels"]}
    for arm, of_seeds in runs.items():
        table[arm] = {key: round(statistics.fmean(each[key] for each in of_seeds), 4) for key in (*FIGURES, "seconds")}
        table[arm]["sd_of_recall@1"] = round(statistics.stdev(each["recall@1"] for each in of_seeds), 4)
    if "triplet" in runs:
        table["gain_of_recall@1"] = {
            arm: [round(a["recall@1"] - b["recall@1"], 4) for a, b in zip(runs["triplet"], of_seeds, strict=True)]
            for arm, of_seeds in runs.items()
            if arm != "triplet"
        }
    tuned = {arm: done[f"{name} {arm} rate"] for arm in arms if arm in USERS}
    return table | {"rates": tuned, "by_seed": runs}


def _asked(variable: str, known: tuple[str, ...]) -> tuple[str, ...]:
    asked = tuple(part.strip() for part in os.environ.get(variable, "").split(",") if part.strip())
    if unknown := set(asked) - set(known):
        raise SystemExit(f"{variable}: expected some of {', '.join(known)}, got {sorted(unknown)[0]}")
    return asked or known


def _keep(done: dict[str, Any], name: str, value: Any) -> None:
    done[name] = value
    PARTIAL.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(PARTIAL, (json.dumps(done, indent=1) + "\n").encode())
    print(name, value, flush=True)
