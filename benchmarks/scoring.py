"""20,000 photographs into vectors: our jobs beside the limit of the machine and beside what people write themselves.

The limit is the processor time of decoding, resizing and onnxruntime, each measured apart with nothing else, over the
cores. It is taken with every core at it, since cores that share a clock or a cache slow each other down; what it would
be with one core at a time stands beside it.

The server is the embedded one with its defaults, and another one after `lookalike tune`; the client has its defaults,
and once sends encoded files.

Rounds: every contender takes the same 1,000 photographs, in turn, in a process of its own; ratios are medians over the
rounds. Then our jobs take all 20,000, between two measurements of the limit.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scoring_data import MODEL, export_plain, lookalike, publish_network, write_photographs

NUM_IMAGES, ROUNDS = 20_000, 2
WHOLE = ("in_process", "grpc")
CONTENDERS = ("limit", "in_process", "grpc", "grpc_encoded", "grpc_tuned", "naive", "data_loader")
WANTED = {"in_process/limit": 0.9, "grpc/limit": 0.8, "grpc/naive": 3.0, "in_process/data_loader": 1.5}
MORE = ("in_process/limit_alone", "grpc/limit_alone", "grpc_encoded/limit", "grpc_tuned/limit", "in_process/naive")
_ALIKE = 0.999


def run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="lookalike-scoring-") as name, ExitStack() as stack:
        home = Path(name)
        folders = write_photographs(home / "photographs", NUM_IMAGES)
        run_folder, repository = publish_network(home)
        export_plain(run_folder, home / "plain.onnx")
        bare = stack.enter_context(bare_server(home / "plain.onnx"))
        ours = stack.enter_context(own_server(repository))
        shutil.copytree(repository, home / "tuned")
        lookalike("tune", MODEL, "--repository", home / "tuned")
        tuned = stack.enter_context(own_server(home / "tuned"))
        (home / "urls").write_text(json.dumps({"bare": bare, "lookalike": ours, "tuned": tuned}))
        rounds = [
            {contender: contend(contender, home, [folder]) for contender in CONTENDERS} for folder in folders[:ROUNDS]
        ]
        before = contend("limit", home, folders[:1])
        whole = {contender: contend(contender, home, folders) for contender in WHOLE}
        after = contend("limit", home, folders[-1:])
    return {"rounds": summary(rounds), "all": whole_summary(before, whole, after), "wanted": WANTED}


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Images/s of each, and the ratios that are wanted, as medians; and that all of them give the same vectors."""
    speeds = {
        name: [
            each["together"]["images_per_s"] if name == "limit" else each["images"] / each["seconds"]
            for each in (round_[name] for round_ in rounds)
        ]
        for name in CONTENDERS
    }
    speeds["limit_alone"] = [round_["limit"]["alone"]["images_per_s"] for round_ in rounds]
    ratios = {}
    for ratio in (*WANTED, *MORE):
        a, b = ratio.split("/")
        ratios[ratio] = round(statistics.median(x / y for x, y in zip(speeds[a], speeds[b], strict=True)), 3)
    alike = [
        cosine(round_["in_process"]["vectors"], round_[name]["vectors"]) for round_ in rounds for name in CONTENDERS[2:]
    ]
    if min(alike) < _ALIKE:
        raise AssertionError(f"the contenders do not compute the same: cosine {min(alike)}")
    return {
        "images_per_s": {name: round(statistics.median(values), 1) for name, values in speeds.items()},
        "limit_ms": {
            part: round(statistics.median(round_["limit"]["together"][part] for round_ in rounds), 2)
            for part in ("decode_ms", "network_ms")
        },
        "ratios": ratios,
        "how": {name: rounds[-1][name]["how"] for name in CONTENDERS if "how" in rounds[-1][name]},
        "least_cosine": round(min(alike), 6),
        "rounds": len(rounds),
    }


def whole_summary(before: dict[str, Any], whole: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    limit = statistics.mean(each["together"]["images_per_s"] for each in (before, after))
    alone = statistics.mean(each["alone"]["images_per_s"] for each in (before, after))
    speeds = {name: each["images"] / each["seconds"] for name, each in whole.items()}
    return {
        "images": whole["in_process"]["images"],
        "images_per_s": {name: round(speed, 1) for name, speed in (speeds | {"limit": limit}).items()},
        "ratios": {f"{name}/limit": round(speed / limit, 3) for name, speed in speeds.items()}
        | {f"{name}/limit_alone": round(speed / alone, 3) for name, speed in speeds.items()},
    }


def cosine(a: Any, b: Any) -> float:
    x, y = np.array(a), np.array(b)
    return float(((x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)).min())


def contend(name: str, home: Path, folders: list[Path]) -> dict[str, Any]:
    for folder in folders:  # whoever came first would else read from the disk, and the next from memory
        for file in folder.iterdir():
            file.read_bytes()
    command = [sys.executable, "-m", "benchmarks.scoring_contenders", name, str(home), *map(str, folders)]
    answer: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return answer


@contextmanager
def bare_server(file: Path) -> Iterator[str]:
    """benchmarks/bare_server.py over one plain ONNX file; gives HOST:PORT."""
    with running("-m", "benchmarks.bare_server", str(file), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield f"127.0.0.1:{int(process.stdout.readline())}"


@contextmanager
def own_server(repository: Path) -> Iterator[str]:
    """`lookalike serve` on a free port; gives HOST:PORT."""
    command = ("-m", "lookalike", "serve", str(repository), "--grpc-port", "0")
    with running(*command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        lines: list[str] = []
        while (found := re.search(r"on (127\.0\.0\.1:\d+)", lines[-1] if lines else "")) is None:
            lines.append(process.stderr.readline())
            if not lines[-1]:
                raise RuntimeError("".join(lines))
        yield found[1]


@contextmanager
def running(*arguments: str, **pipes: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, *arguments], stdin=subprocess.PIPE, text=True, **pipes)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)
