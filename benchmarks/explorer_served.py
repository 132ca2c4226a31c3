"""The explorer's page of a million points, served to headless Chromium.

The mixture of benchmarks/search.py (1,000,000 vectors of 128 dims, euclidean), served by the command in a process of
its own: seconds until it prints its address, and the most memory that it has had in the end. Then a browser opens the
address ROUNDS times, each in a context of its own. "First picture" is the mark that the page sets when its first
picture has been drawn, from the start of the navigation. Neighbours are asked for one row after another, the first of
which may wait for the index. There are no pictures: those of a view are asked for when it is there.

    python -m benchmarks.explorer_served DIR      with the parts of the mixture in DIR already
"""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.explorer import _MARKS
from benchmarks.hardware import peak_mib_of

ROUNDS = 3
NUM_ASKED = 30
_ASK = """async (num) => {
    const { source, state } = window.lookalike, times = [];
    for (let i = 0; i < num; i++) {
        const started = performance.now();
        await source.neighbours(Math.floor((i + 0.5) * state.numRows / num));
        times.push(performance.now() - started);
    }
    return times;
}"""
_TAG = """async () => {
    const { state, facts, columns, tagging } = window.lookalike, started = performance.now();
    state.select([1, 2, 3]);
    document.getElementById("tag").value = "seen";
    await tagging.send(false);
    return performance.now() - started;
}"""


def run() -> dict[str, Any]:
    from benchmarks.search import write_mixture

    with tempfile.TemporaryDirectory() as folder:
        write_mixture(Path(folder))
        return measure(Path(folder))


def measure(vectors: Path) -> dict[str, Any]:
    """The figures of a folder of parts."""
    from tests.shared.browser import running_chromium

    started = time.perf_counter()
    with running_chromium() as browser, _served(vectors) as (process, told):
        result: dict[str, Any] = {"rows": told["num_rows"], "start_s": round(time.perf_counter() - started, 1)}
        opened = [_opened(browser, told["address"]) for _ in range(ROUNDS)]
        result["server_peak_mib"] = round(peak_mib_of(process.pid))
    for name in ("first_picture_s", "ready_s", "tag_s"):
        result[name] = round(statistics.median(each[name] for each in opened), 3)
    result["first_picture_worst_s"] = max(each["first_picture_s"] for each in opened)
    result["first_neighbours_ms"] = round(opened[0]["neighbours"][0], 1)
    result["neighbours_ms"] = round(statistics.median(ms for each in opened for ms in each["neighbours"][1:]), 1)
    return result


@contextmanager
def _served(vectors: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    command = [sys.executable, "-m", "lookalike", "explore", str(vectors), "--serve", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or lines[-1] not in ("}\n", ""):
            lines.append(process.stdout.readline())
        yield process, json.loads("".join(lines))
        process.send_signal(signal.SIGINT)
        if process.wait(30) != 0:
            raise RuntimeError(f"explore ended with {process.returncode}")
    finally:
        process.kill()
        process.communicate()


def _opened(browser: Any, address: str) -> dict[str, Any]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(address, wait_until="commit")
    page.wait_for_selector("html[data-ready]", timeout=120_000)
    marks = page.evaluate(_MARKS)
    found = {
        "first_picture_s": round(marks["lookalike-first-picture"] / 1000, 3),
        "ready_s": round(marks["lookalike-ready"] / 1000, 3),
        "neighbours": page.evaluate(_ASK, NUM_ASKED),
        "tag_s": page.evaluate(_TAG) / 1000,
    }
    context.close()
    return found


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1])), indent=2))
