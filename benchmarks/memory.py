"""Peak memory of a scoring job: 200,000 rows beside 10,000, of a folder, a CSV of paths and a Parquet of images.

Every job runs in a process of its own, and the peak is what the system says of that process. The network is Conv4 at 32
px and the images are small, so that the rows, and what is kept of each, weigh as much as they can beside the rest.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from benchmarks.hardware import peak_mib
from benchmarks.scoring_data import MODEL, publish_network

SMALL, LARGE = 10_000, 200_000
_ROWS_PER_GROUP = 10_000


def run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="lookalike-memory-") as name:
        home = Path(name)
        publish_network(home, base="conv4", size=32)
        result: dict[str, Any] = {}
        for kind, write in WRITERS.items():
            peaks = {rows: measure(home, write(home / f"{kind}-{rows}", rows)) for rows in (SMALL, LARGE)}
            result[kind] = {
                "peak_mib": {str(rows): round(peak["peak_mib"], 1) for rows, peak in peaks.items()},
                "rows_per_s": {str(rows): round(rows / peak["seconds"]) for rows, peak in peaks.items()},
                "ratio": round(peaks[LARGE]["peak_mib"] / peaks[SMALL]["peak_mib"], 3),
            }
        return result | {"wanted_ratio": 1.1}


def measure(home: Path, table: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.memory", str(home / "models"), str(table), str(home / "out")]
    answer: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    subprocess.run(["rm", "-r", str(home / "out")], check=True)
    return answer


def small_image(index: int) -> bytes:
    """A JPEG of 32x24 pixels; no two are equal."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(index % 64).integers(0, 256, (24, 32, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG", comment=f"{index:08d}".encode())
    return buffer.getvalue()


def write_folder(folder: Path, num_rows: int) -> Path:
    for index in range(num_rows):
        home = folder / f"{index // 1000:03d}"
        if index % 1000 == 0:
            home.mkdir(parents=True)
        (home / f"{index:06d}.jpg").write_bytes(small_image(index))
    return folder


def write_csv(stem: Path, num_rows: int) -> Path:
    """Paths of the folder that was written before."""
    folder = stem.with_name(f"folder-{num_rows}")
    with stem.with_suffix(".csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "image", "label"])
        for index in range(num_rows):
            rows.writerow([index, f"{folder.name}/{index // 1000:03d}/{index:06d}.jpg", index % 100])
    return stem.with_suffix(".csv")


def write_parquet(stem: Path, num_rows: int) -> Path:
    schema = pa.schema({"id": pa.int64(), "image": pa.binary()})
    with parquet.ParquetWriter(stem.with_suffix(".parquet"), schema) as writer:
        for first in range(0, num_rows, _ROWS_PER_GROUP):
            numbers = range(first, min(num_rows, first + _ROWS_PER_GROUP))
            writer.write_table(pa.table([list(numbers), [small_image(index) for index in numbers]], schema=schema))
    return stem.with_suffix(".parquet")


WRITERS: dict[str, Callable[[Path, int], Path]] = {"folder": write_folder, "csv": write_csv, "parquet": write_parquet}


def score(repository: Path, table: Path, output: Path) -> dict[str, Any]:
    """Run the job here, and say what this process needed."""
    from rows.tables import open_table
    from serving.client.scorer import Scorer
    from serving.jobs.scoring import score_table

    started = time.perf_counter()
    with Scorer(MODEL, repository=repository) as scorer:
        score_table(open_table(table), scorer, output)
    return {"peak_mib": peak_mib(), "seconds": time.perf_counter() - started}


if __name__ == "__main__":
    print(json.dumps(score(*map(Path, sys.argv[1:4]))))
