"""kill -9 fifty times over one job, at moments drawn at random: in this process, and through a server.

Each of the processes is the command line itself, loaded beforehand, and is killed some time after its first rows, so
that the work is hit and not the start. What is left in the end is compared with a job that nobody killed: files to the
byte in-process, and through a server, whose batches fall otherwise each time, the same rows with vectors within 1e-5.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import parquet

from benchmarks.memory import small_image
from benchmarks.scoring import own_server
from benchmarks.scoring_data import MODEL, publish_network
from rows.vectors.table import VectorTable

NUM_KILLS, NUM_ROWS, NUM_IMAGES, ROWS_PER_PART = 50, 6_000, 600, 10
_BAD_EVERY = 97
_AHEAD = 3
_WAITING = """
import sys
import lookalike.progress, lookalike.cli, serving.jobs.scoring
import serving.client.connections.local, serving.client.connections.grpc_connection

report = lookalike.progress.EventProgress.report

def begun(self, event):
    print("rows", flush=True)
    lookalike.progress.EventProgress.report = report

lookalike.progress.EventProgress.report = begun
sys.stdin.readline()
sys.exit(lookalike.cli.main(sys.argv[1:]))
"""


def run(*, num_kills: int = NUM_KILLS, num_rows: int = NUM_ROWS) -> dict[str, Any]:
    """What is left after the kills, beside the job that nobody killed; raises AssertionError where a row is wrong."""
    with tempfile.TemporaryDirectory(prefix="lookalike-kills-") as name:
        home = Path(name)
        _, repository = publish_network(home, base="conv4", size=32)
        table = _write_table(home, num_rows)
        score = [str(table), "--model", MODEL, "--rows-per-part", str(ROWS_PER_PART)]
        result: dict[str, Any] = {"rows": num_rows, "parts": -(-num_rows // ROWS_PER_PART)}
        result["in_process"] = _measure(home / "local", [*score, "--repository", str(repository)], num_kills)
        with own_server(repository) as url:
            result["server"] = _measure(home / "server", [*score, "--url", url], num_kills)
        assert result["in_process"]["files_equal_to_the_byte"]
        for way in ("in_process", "server"):
            assert not result[way]["rows_lost"]
            assert not result[way]["rows_doubled"]
            assert result[way]["max_difference"] <= 1e-5
        return result


def _measure(home: Path, score: Sequence[str], num_kills: int) -> dict[str, Any]:
    whole, out = home / "whole", home / "out"
    process = _start([*score, "--output", str(whole)])
    _begin(process)
    started = time.monotonic()
    _finish(process)
    seconds = time.monotonic() - started
    killed_at = _kill([*score, "--output", str(out)], num_kills, 1.4 * seconds / num_kills)
    rows, expected = (_rows(folder) for folder in (out, whole))
    common = rows.keys() & expected.keys()
    return {
        "kills": len(killed_at),
        "parts_at_the_kills": " ".join(map(str, killed_at)),
        "seconds_without_a_kill": round(seconds, 2),
        "rows_lost": sum((Counter(_ids(whole)) - Counter(_ids(out))).values()),
        "rows_doubled": sum((Counter(_ids(out)) - Counter(_ids(whole))).values()),
        "max_difference": max(float(np.abs(rows[key] - expected[key]).max()) for key in common),
        "files_equal_to_the_byte": _files(out) == _files(whole),
    }


def _kill(command: list[str], num_kills: int, seconds: float) -> list[int]:
    """Kill so many runs of a command, each after up to `seconds`, let one end; gives the parts there at each kill."""
    random, at = np.random.default_rng(), []
    waiting = deque(_start(command) for _ in range(_AHEAD))
    output = Path(command[-1])
    while True:
        process = waiting.popleft()
        if len(at) == num_kills:
            _begin(process)
            _finish(process)
            break
        waiting.append(_start(command))
        _begin(process)
        try:
            process.wait(random.uniform(0, seconds))
            raise AssertionError("the job ended before all kills: more rows are needed")
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        at.append(len(list(output.glob("part-*"))))
    for process in waiting:
        process.kill()
        process.communicate()
    return at


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", _WAITING, "score", *command]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def _begin(process: subprocess.Popen[bytes]) -> None:
    """Let it go, until its first rows are scored."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    process.stdout.readline()


def _finish(process: subprocess.Popen[bytes]) -> None:
    process.communicate()
    assert process.returncode == 3, process.returncode  # there are bad rows


def _write_table(home: Path, num_rows: int) -> Path:
    (home / "images").mkdir()
    names = []
    for index in range(NUM_IMAGES):
        names.append(f"images/{index:04d}.jpg")
        (home / names[-1]).write_bytes(b"no image" if index % _BAD_EVERY == 5 else small_image(index))
    rows = [f"r{row},{names[row % NUM_IMAGES]}\n" for row in range(num_rows)]
    (home / "table.csv").write_text("id,path\n" + "".join(rows))
    return home / "table.csv"


def _ids(folder: Path) -> list[str]:
    """Of every row, the bad ones too."""
    bad: list[str] = parquet.read_table(folder / "errors.parquet")["id"].to_pylist()
    return VectorTable.open(folder).ids + bad


def _rows(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    table = VectorTable.open(folder)
    return dict(zip(table.ids, table.matrix, strict=True))


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
