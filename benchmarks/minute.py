"""The best vectors that minutes buy: `lookalike train FOLDER --kind triplet --minutes 4` beside users of
pytorch-metric-learning, in equal seconds, on classes never seen.

    python -m benchmarks minute              three hours and a half; it goes on where it stopped

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
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.arms import Arms
from benchmarks.our_command import train_and_judge
from benchmarks.plain_user import FIGURES, raw_pixels, read
from benchmarks.sets.emoji_folders import prepare_emoji_folders
from benchmarks.sets.icons import prepare_icons
from benchmarks.sets.photographs import prepare_photographs

MINUTES, SEEDS = 4.0, (0, 1, 2)
RATES = (3e-4, 1e-3, 3e-3, 1e-2)
KINDS = ("triplet", "siamese", "quartet")
USERS: dict[str, dict[str, Any]] = {
    "resnet10t": {"base": "resnet10t", "size": 64, "dim": 128},
    "our network": {"base": "conv4", "size": 64, "dim": 128},
}
ARMS = (*KINDS, *USERS)
ARMS_OF = {"icons": ("triplet", *USERS)}
"""Of sets that have not all of them."""
PARTIAL = Path("build/benchmark-minute.json")
Folders = tuple[Path, Path]

SETS: dict[str, Callable[[], Folders]] = {
    "emoji": prepare_emoji_folders,
    "photographs": prepare_photographs,
    "icons": prepare_icons,
}


def run() -> dict[str, Any]:
    """{set: {"raw_pixels", arm: means over seeds, "gain_of_recall@1": {user: by seed}}}."""
    names, sets = _asked("LOOKALIKE_MINUTE_ARMS", ARMS), _asked("LOOKALIKE_MINUTE_SETS", tuple(SETS))
    users = [name for name in names if name in USERS]
    if users:  # ours first: its seconds are the others'
        names = tuple(name for name in ARMS if name in (*names, "triplet"))
    arms = Arms(PARTIAL, (MINUTES, RATES, USERS))
    table: dict[str, Any] = {"minutes": MINUTES, "threads": torch.get_num_threads(), "rates": RATES, "users": USERS}
    for of_set in sets:
        train, unseen = SETS[of_set]()
        arms_here = tuple(name for name in names if name in ARMS_OF.get(of_set, ARMS))
        arms.get(f"{of_set} raw pixels", partial(_raw_pixels, unseen))
        best = {user: _tuned(arms, of_set, user, train) for user in users}
        for seed in SEEDS:
            for name in arms_here:
                if name in KINDS:
                    words = ["--kind", name, "--minutes", f"{MINUTES:g}", "--seed", str(seed)]
                    arms.get(f"{of_set} {name} {seed}", partial(train_and_judge, train, unseen, words))
                else:
                    seconds = arms[f"{of_set} triplet {seed}"]["seconds"]
                    of_user = partial(_user, train, unseen, USERS[name], rate=best[name], seconds=seconds, seed=seed)
                    arms.get(f"{of_set} {name} {seed}", of_user)
        table[of_set] = _summary(arms, of_set, arms_here)
    if (names, sets) == (ARMS, tuple(SETS)):
        arms.forget()
    return table


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


def _tuned(arms: Arms, of_set: str, user: str, train: Path) -> float:
    """The rate with the best recall@1 on every fifth of the training classes, in half of the seconds each."""
    with tempfile.TemporaryDirectory() as folder:
        parts = Path(folder) / "train", Path(folder) / "held_out"
        for index, of_class in enumerate(sorted(train.iterdir())):
            (parts[index % 5 == 0] / of_class.name).parent.mkdir(exist_ok=True)
            (parts[index % 5 == 0] / of_class.name).symlink_to(of_class.resolve())
        found = {}
        for rate in RATES:
            tried = partial(_user, *parts, USERS[user], rate=rate, seconds=30 * MINUTES, seed=9)
            found[rate] = arms.get(_rate_name(of_set, user, rate), tried)["recall@1"]
    return max(found, key=lambda rate: found[rate])


def _rate_name(of_set: str, user: str, rate: float) -> str:
    return f"{of_set} {user} rate {rate:g}"


def _raw_pixels(unseen: Path) -> dict[str, Any]:
    return raw_pixels(*read(unseen, 64))


def _summary(arms: Arms, of_set: str, names: tuple[str, ...]) -> dict[str, Any]:
    runs = {name: [arms[f"{of_set} {name} {seed}"] for seed in SEEDS] for name in names}
    table: dict[str, Any] = {"raw_pixels": arms[f"{of_set} raw pixels"]}
    for arm, of_seeds in runs.items():
        table[arm] = {key: round(statistics.fmean(each[key] for each in of_seeds), 4) for key in (*FIGURES, "seconds")}
        table[arm]["sd_of_recall@1"] = round(statistics.stdev(each["recall@1"] for each in of_seeds), 4)
    if "triplet" in runs:
        table["gain_of_recall@1"] = {
            arm: [round(a["recall@1"] - b["recall@1"], 4) for a, b in zip(runs["triplet"], of_seeds, strict=True)]
            for arm, of_seeds in runs.items()
            if arm != "triplet"
        }
    tuned = {
        user: {f"{rate:g}": arms[_rate_name(of_set, user, rate)]["recall@1"] for rate in RATES}
        for user in USERS
        if user in names
    }
    return table | {"recall@1_by_rate": tuned, "by_seed": runs}


def _asked(variable: str, known: tuple[str, ...]) -> tuple[str, ...]:
    asked = tuple(part.strip() for part in os.environ.get(variable, "").split(",") if part.strip())
    if unknown := set(asked) - set(known):
        raise SystemExit(f"{variable}: expected some of {', '.join(known)}, got {sorted(unknown)[0]}")
    return asked or known
