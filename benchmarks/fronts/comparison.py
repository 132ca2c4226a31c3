"""Processor time of a request by front: `python -m benchmarks fronts`, some 25 minutes; NVIDIA's perf_analyzer sends.

Every front in turn, in rounds, at one concurrency and one size: so what slows the machine slows all of them.
Microseconds are those of the front's whole process tree, user and system, over the inferences that it counted.
`server` is the embedded server itself with a model that gives the first pixel of an image, the others are in bare.py
and processes.py. `stream` behind a name sends over one long stream a client. `of_threads_64` are ratios within a
round: grpcio as everybody starts it. pygrpc-native is installed into a folder of its own, from
requirements-native.txt.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.arms import Arms
from benchmarks.fronts.constant_model import SIZES, model_name
from benchmarks.fronts.identity import publish_identities
from benchmarks.serving.contenders import Running, ours
from benchmarks.serving.rounds import load, medians, ratio
from tests.shared.perf_analyzer import write_data

ROUNDS, WINDOW_S = 5, 0.7
CONCURRENCIES = (1, 16)
FRONTS = (
    "threads_64",
    "threads_2",
    "workers",
    "views",
    "prepared",
    "aio",
    "uvloop",
    "native",
    "processes",
    "server",
    "threads_64 stream",
    "aio stream",
    "server stream",
)
PARTIAL = Path("build/benchmark-fronts.json")
_NATIVE = Path("build/benchmark-fronts-native")
_REQUIREMENTS = Path(__file__).with_name("requirements-native.txt")


def run() -> dict[str, Any]:
    """{size: {concurrency: {"cpu_us": medians, "rows_per_s": medians, "of_threads_64": ratios}}}."""
    _install_native()
    arms = Arms(PARTIAL, (ROUNDS, WINDOW_S, CONCURRENCIES, FRONTS))
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        home = Path(scratch)
        servers = {"server": stack.enter_context(ours(publish_identities(home)))}
        for name in {front.removesuffix(" stream") for front in FRONTS} - set(servers):
            servers[name] = stack.enter_context(bare(name))
        table: dict[str, Any] = {
            size: {str(at_once): _measure(arms, servers, home, size, at_once) for at_once in CONCURRENCIES}
            for size in SIZES
        }
    arms.forget()
    return table


def _measure(arms: Arms, servers: dict[str, Running], home: Path, size: str, at_once: int) -> dict[str, Any]:
    side = SIZES[size]
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    data = write_data(home / f"{side}.json", [{"image": pixels}])
    found: dict[str, list[dict[str, float]]] = {front: [] for front in FRONTS}
    for round_ in range(ROUNDS):
        for front in FRONTS:
            name, is_stream = front.removesuffix(" stream"), front.endswith(" stream")

            def measure(name: str = name, is_stream: bool = is_stream) -> dict[str, float]:
                options: dict[str, Any] = {"concurrency": at_once, "window_s": WINDOW_S, "is_streaming": is_stream}
                return load(servers[name], model_name(size), data, **options)

            found[front].append(arms.get(f"{size}, {at_once} at once, {front}, round {round_}", measure))
    costs = {front: [1000 * arm["cpu_ms_a_row"] for arm in each] for front, each in found.items()}
    return {
        "cpu_us": {front: medians([{"us": cost} for cost in each])["us"] for front, each in costs.items()},
        "rows_per_s": {front: medians(each)["rows_per_s"] for front, each in found.items()},
        "of_threads_64": {front: ratio(each, costs["threads_64"]) for front, each in costs.items()},
    }


@contextmanager
def bare(name: str) -> Iterator[Running]:
    """A front that answers a constant, in processes of its own."""
    words = ["benchmarks.fronts.processes"] if name == "processes" else ["benchmarks.fronts.bare", name]
    path = os.pathsep.join([os.environ.get("PYTHONPATH") or str(Path.cwd()), str(_NATIVE.resolve())])
    process = subprocess.Popen(
        [sys.executable, "-m", *words], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port:
            raise RuntimeError(f"the front {name!r} did not start")
        yield Running(f"127.0.0.1:{port}", "", process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _install_native() -> None:
    if not _NATIVE.is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        subprocess.run([*command, "--target", _NATIVE, "-r", _REQUIREMENTS], check=True, timeout=300)
