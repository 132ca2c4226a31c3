"""`lookalike demo` in a folder of its own, as a user runs it: its seconds and its figures."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        subprocess.run([sys.executable, "-m", "lookalike", "demo", "--output", folder + "/out"], check=True)
        seconds = time.monotonic() - started
        summary = json.loads((Path(folder) / "out" / "summary.json").read_text())
    facts = (
        "recall_at_1",
        "recall_at_1_raw_pixels",
        "map_at_r",
        "map_at_r_raw_pixels",
        "kmeans_purity",
        "kmeans_purity_raw_pixels",
        "ranking_accuracy",
        "parity_max_abs",
        "seconds",
    )
    return {"wall_s": round(seconds, 1)} | {name: summary[name] for name in facts}
