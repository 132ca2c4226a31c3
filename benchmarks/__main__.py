"""Run benchmarks by name, one after the other, and write each result with its date, hardware and command.

A benchmark is a module here with `run() -> dict`, and a line in BENCHMARKS; of more than ten minutes in LONG too.
Ratios are taken within one run, from interleaved rounds; nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.hardware import describe_hardware

BENCHMARKS: dict[str, str] = {
    "start": "benchmarks.start",
    "preprocessing": "benchmarks.preprocessing",
    "demo": "benchmarks.demo",
    "step": "benchmarks.step",
    "mining": "benchmarks.mining",
    "loading": "benchmarks.loading",
    "augmentation": "benchmarks.augmentation",
    "evaluation": "benchmarks.evaluation",
    "search": "benchmarks.search",
    "maps": "benchmarks.maps",
    "duplicates": "benchmarks.duplicates",
    "outliers": "benchmarks.outliers",
    "growing": "benchmarks.growing",
    "combining": "benchmarks.combining",
    "small_vectors": "benchmarks.small_vectors",
    "reranking": "benchmarks.reranking",
    "omniglot": "benchmarks.omniglot",
    "emoji": "benchmarks.emoji",
    "int8": "benchmarks.int8",
    "int8_schemes": "benchmarks.int8_schemes",
    "tuples": "benchmarks.tuples",
    "towers": "benchmarks.towers",
    "scoring": "benchmarks.scoring",
    "pictures": "benchmarks.pictures",
    "memory": "benchmarks.memory",
    "coco": "benchmarks.coco",
    "kills": "benchmarks.kills",
    "families": "benchmarks.families",
    "step_share": "benchmarks.step_share",
    "busy": "benchmarks.busy",
    "minute": "benchmarks.minute",
    "pretrained": "benchmarks.pretrained",
    "watching": "benchmarks.watching",
    "gpu": "benchmarks.gpu",
    "adopted": "benchmarks.adopted",
    "cache": "benchmarks.cache",
    "serving": "benchmarks.serving.figures",
    "malformed": "benchmarks.faults.malformed",
    "soak": "benchmarks.faults.soak",
    "restarts": "benchmarks.faults.restarts",
    "reloads": "benchmarks.faults.reloads",
    "fronts": "benchmarks.fronts.comparison",
    "explorer": "benchmarks.explorer",
    "explorer-served": "benchmarks.explorer_served",
    "comparison": "benchmarks.comparison",
    "label_errors": "benchmarks.label_errors",
    "selection": "benchmarks.selection",
    "catalogue": "benchmarks.catalogue",
    "deep_ranking": "benchmarks.deep_ranking",
    "regions": "benchmarks.regions",
}
LONG = (
    "adopted",
    "busy",
    "comparison",
    "deep_ranking",
    "emoji",
    "families",
    "fronts",
    "gpu",
    "int8_schemes",
    "malformed",
    "maps",
    "memory",
    "minute",
    "omniglot",
    "pretrained",
    "regions",
    "serving",
    "soak",
    "towers",
)
"""Of more than ten minutes, or for another machine: they run only where they are named."""
DATA_VARIABLE = "LOOKALIKE_OMNIGLOT"
RESULTS = Path(__file__).parent / "results"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and write benchmarks/results/.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; none: all but the long ones"
    )
    parser.add_argument("--data", metavar="DIR", help="Omniglot's zips, for the benchmark omniglot")
    given = parser.parse_args(arguments)
    unknown = set(given.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"benchmark {sorted(unknown)[0]!r}: expected one of {', '.join(BENCHMARKS)}")
    if given.data is not None:
        os.environ[DATA_VARIABLE] = given.data
    if not given.names:
        print(f"left out, for they take longer than ten minutes and run when they are named: {', '.join(LONG)}")
    for name in given.names or [name for name in BENCHMARKS if name not in LONG]:
        measure: Callable[[], dict[str, Any]] = import_module(BENCHMARKS[name]).run
        started = time.monotonic()
        result = {
            "benchmark": name,
            "date": datetime.date.today().isoformat(),
            "command": f"python -m benchmarks {name}" + (" --data DIR" if name == "omniglot" else ""),
            "hardware": describe_hardware(),
            "result": measure(),
            "seconds": round(time.monotonic() - started, 1),
        }
        RESULTS.mkdir(exist_ok=True)
        file = RESULTS / f"{result['date']}-{name}.json"
        file.write_text(json.dumps(result, indent=1) + "\n")
        print(json.dumps(result["result"], indent=1))
        print(f"{name}: {result['seconds']} s, written to benchmarks/results/{file.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
