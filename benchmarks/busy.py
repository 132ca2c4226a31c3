"""Train, score, serve and index beside one busy process, and alone: with OpenMP's threads soon asleep while they wait,
as the command sets it, and spinning, as libgomp has it by itself.

Every figure is a whole command in a process of its own, three rounds, the four cases of a command one after the other
in each. Beside is one process that computes without a pause. Train: images a second of the last epoch, and the share
of system time in all processor time of the command. Score and serve: rows a second of a whole job (start included), in
its process and through our server, which runs in the same case. Index: seconds of an IVF index of
200,000 x 128 vectors.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.arms import Arms
from benchmarks.search import write_mixture
from benchmarks.sets.emoji_folders import prepare_emoji_folders
from lookalike.openmp import SETTINGS

ROUNDS, EPOCHS = 3, 2
NUM_VECTORS = 200_000
WAYS = {"asleep": SETTINGS, "spinning": {"GOMP_SPINCOUNT": "300000"}}
"""What libgomp does where nobody says anything is to spin 300,000 times."""
PARTIAL = Path("build/benchmark-busy.json")
COMMANDS = ("train", "score", "serve", "index")
_SPIN = "while True: pass"


def run() -> dict[str, Any]:
    """{command: {way: {"quiet", "busy": median, "busy_of_quiet": ratio}}}."""
    train, unseen = prepare_emoji_folders()
    found: dict[str, dict[str, dict[str, list[float]]]] = {
        command: {way: {"quiet": [], "busy": []} for way in WAYS} for command in COMMANDS
    }
    system: dict[str, list[float]] = {way: [] for way in WAYS}
    arms = Arms(PARTIAL, (ROUNDS, EPOCHS, NUM_VECTORS, WAYS))
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        _cli(
            "train", train, "--kind", "triplet", "--epochs", "1", "--output", place / "run", "--deploy", place / "repo"
        )
        write_mixture(place / "vectors", num_rows=NUM_VECTORS)
        for round_ in range(ROUNDS):
            for command in COMMANDS:
                for way, environment in WAYS.items():
                    for case in ("quiet", "busy"):
                        run_one = partial(_measure, command, place, train, unseen, environment, case == "busy")
                        measured = arms.get(f"{round_} {command} {way} {case}", run_one)
                        found[command][way][case].append(measured["speed"])
                        if command == "train":
                            system[way].append(measured["system"])
    table: dict[str, Any] = {
        command: {way: _row(cases, less_is_better=command == "index") for way, cases in ways.items()}
        for command, ways in found.items()
    }
    table["train"]["pct_system_time"] = {way: round(100 * statistics.median(all_), 1) for way, all_ in system.items()}
    arms.forget()
    return {"units": {"train": "images/s", "score": "rows/s", "serve": "rows/s", "index": "s"}} | table


def _row(cases: dict[str, list[float]], *, less_is_better: bool) -> dict[str, float]:
    ratios = [
        quiet / busy if less_is_better else busy / quiet
        for quiet, busy in zip(cases["quiet"], cases["busy"], strict=True)
    ]
    medians = {case: round(statistics.median(values), 2) for case, values in cases.items()}
    return medians | {"busy_of_quiet": round(statistics.median(ratios), 2)}


def _measure(
    command: str, place: Path, train: Path, unseen: Path, environment: dict[str, str], is_beside: bool
) -> dict[str, float]:
    """`speed` of a command, and of training the share of system time as `system`."""
    with _beside(is_beside):
        speed, system = _run(command, place, train, unseen, environment)
    return {"speed": speed} if system is None else {"speed": speed, "system": system}


def _run(
    command: str, place: Path, train: Path, unseen: Path, environment: dict[str, str]
) -> tuple[float, float | None]:
    output = place / "output"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    try:
        if command == "train":
            words = ("--kind", "triplet", "--epochs", str(EPOCHS), "--validation", "none")
            _cli("train", train, *words, "--output", output, environment=environment)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            own = after.ru_stime - before.ru_stime
            lines = (output / "metrics.jsonl").read_text().splitlines()
            return float(json.loads(lines[-1])["images_per_s"]), own / (own + after.ru_utime - before.ru_utime)
        if command == "index":
            index = output.with_suffix(".index")
            _cli("index", place / "vectors", "--kind", "ivf", "--output", index, environment=environment)
            index.unlink()
            return time.perf_counter() - started, None
        num_rows = sum(1 for _ in unseen.glob("*/*"))
        if command == "score":
            started = time.perf_counter()
            words = ("--model", "run", "--repository", place / "repo")
            _cli("score", unseen, *words, "--output", output, environment=environment)
            return num_rows / (time.perf_counter() - started), None
        with _served(place / "repo", environment) as url:
            started = time.perf_counter()
            _cli("score", unseen, "--model", "run", "--url", url, "--output", output, environment=environment)
            return num_rows / (time.perf_counter() - started), None
    finally:
        shutil.rmtree(output, ignore_errors=True)


def _cli(*words: object, environment: dict[str, str] | None = None) -> None:
    command = [sys.executable, "-m", "lookalike", *map(str, words)]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | (environment or {}))


@contextmanager
def _served(repository: Path, environment: dict[str, str]) -> Iterator[str]:
    command = [sys.executable, "-m", "lookalike", "serve", str(repository), "--grpc-port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | environment
    ) as server:
        assert server.stdout is not None
        try:
            yield next(word for line in server.stdout for word in line.split() if word.startswith("127.0.0.1:"))
        finally:
            server.terminate()


@contextmanager
def _beside(is_busy: bool) -> Iterator[None]:
    """One process that computes without a pause, or nothing."""
    if not is_busy:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", _SPIN]) as other:
        try:
            yield
        finally:
            other.kill()
