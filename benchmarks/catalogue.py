"""Peak memory and time of 757,630 triplets over as many catalogue rows, from their files to a split.

Each way of writing them down is opened in a process of its own: row numbers, ids, and paths without a catalogue.
What is measured is all that a training does with them but for reading pictures: the table opened, copies by content
joined, a tenth held out, the hash of the data. A tenth as many rows stand beside, for what grows with them.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from benchmarks.hardware import peak_mib

ROWS = 757_630
_WAYS = ("numbers.csv", "numbers.parquet", "ids.csv", "paths.csv")


def run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="lookalike-catalogue-") as name:
        result: dict[str, Any] = {}
        for rows in (ROWS // 10, ROWS):
            folder = write_files(Path(name) / str(rows), rows)
            for way in _WAYS:
                result.setdefault(way, {})[str(rows)] = measure(folder, way)
        idle = measure(Path(name), "nothing")
    return {"idle_mib": idle["peak_mib"], **result}


def write_files(folder: Path, rows: int) -> Path:
    """A catalogue of paths and ids, and triplets of random rows of it in each way."""
    folder.mkdir()
    paths = pa.array([f"products/{row % 1000:03d}/{row:09d}.jpg" for row in range(rows)])
    ids = pa.array([f"sku-{row:08d}" for row in range(rows)])
    parquet.write_table(pa.table({"_name": paths, "sku": ids}), folder / "catalogue.parquet")
    random = np.random.default_rng(0)
    numbers = {name: random.integers(0, rows, rows) for name in "qpn"}
    parquet.write_table(pa.table(numbers), folder / "numbers.parquet")
    for name, values in (("numbers", None), ("ids", ids), ("paths", paths)):
        columns = {key: pa.array(row) if values is None else values.take(pa.array(row)) for key, row in numbers.items()}
        csv.write_csv(pa.table(columns), folder / f"{name}.csv")
    return folder


def measure(folder: Path, way: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.catalogue", str(folder), way]
    answer: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return answer


def open_and_split(folder: Path, way: str) -> dict[str, Any]:
    """Open the triplets here, and say what this process needed; the content of a picture is its name."""
    from trainer.data.catalogue import open_catalogue
    from trainer.data.dataset import Dataset, open_dataset
    from trainer.data.held_out import split_dataset
    from trainer.data.images import Images
    from trainer.data.texts import Texts
    from trainer.data.tuple_table import TupleFiles, usable_tuples

    started = time.perf_counter()
    if way != "nothing":
        id_column = "sku" if way == "ids.csv" else None
        catalogue = open_catalogue(
            folder / "catalogue.parquet", column="_name", id_column=id_column, max_image_bytes=2**26
        )
        given = None if way == "paths.csv" else catalogue
        opened = open_dataset(folder / way, kind="triplet", columns={}, catalogue=given)
        assert isinstance(opened, TupleFiles)
        opened_s = time.perf_counter() - started
        hashes = Texts(hashlib.sha256(name.encode()).hexdigest() for name in opened.files.names)
        images = Images(
            files=opened.files.take(np.arange(len(hashes))),
            hashes=hashes,
            rows=np.arange(len(hashes)),
            store=None,  # type: ignore[arg-type] # no pixel is asked for
        )
        images, tuples, _ = usable_tuples(opened, images, [])
        dataset = Dataset(images=images, tuples=tuples)
        digest = dataset.sha256
        split = split_dataset(dataset, ("images", 0.1), kind="triplet", seed=0, report=lambda event: None)
        assert split.tuples is not None
        assert split.held_out_tuples is not None
        assert digest
        facts = {"open_s": round(opened_s, 2), "num_images": len(images), "num_tuples": len(tuples)}
    else:
        facts = {}
    return {"peak_mib": round(peak_mib(), 1), "seconds": round(time.perf_counter() - started, 2), **facts}


if __name__ == "__main__":
    print(json.dumps(open_and_split(Path(sys.argv[1]), sys.argv[2])))
