"""Duplicates: a million vectors with planted copies, recall beside exact search, and pictures that were saved again.

Large: the mixture of benchmarks/search.py, in which one row in fifty is replaced by an exact copy of another row and
one in fifty by a near copy at a distance of about 1 (rows of one Gaussian are about 6.8 apart). Groups at a threshold
of 2 are found in a fresh process; a planted pair is found where both rows are in one group.

Beside exact: the first 100,000 rows of the same, by inverted lists as the command takes them and by comparing all:
the share of all pairs within the threshold that are in one group, and of rows about which both say the same.

Pictures: each of the 1,000 held-out digits, and 1,000 photographs, saved again as JPEG, shrunk and enlarged, brightened
and cropped, scored by the set's model: how many are within the artifact's threshold of what they were made from, of how
many that is the nearest picture, and how many pictures are within the threshold of an original anyway.

    python -m benchmarks.duplicates FOLDER FILE      groups of one table, in this process
"""

from __future__ import annotations

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
import numpy.typing as npt
from PIL import Image, ImageEnhance

from benchmarks.hardware import peak_mib
from benchmarks.search import DIMS, NUM_GAUSSIANS, NUM_ROWS, SPREAD, mixture
from benchmarks.sets.real_vectors import SETS, score

THRESHOLD = 2.0
PLANTED_SHARE = 0.02
BESIDE_EXACT = 100_000
NUM_PICTURES = 1000

Vectors = npt.NDArray[np.float32]


def run() -> dict[str, Any]:
    found: dict[str, Any] = {"rows": NUM_ROWS, "dims": DIMS, "gaussians": NUM_GAUSSIANS, "spread": SPREAD}
    with tempfile.TemporaryDirectory() as folder:
        vectors, pairs = planted(NUM_ROWS)
        write_table(Path(folder, "vectors.parquet"), vectors)
        del vectors
        command = [
            sys.executable,
            "-m",
            "benchmarks.duplicates",
            *(f"{folder}/{x}" for x in ("vectors.parquet", "d.parquet")),
        ]
        found |= json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        found |= planted_found(Path(folder, "d.parquet"), pairs)
    print(f"large: {found}", file=sys.stderr, flush=True)
    return {
        "large": found,
        "beside_exact": beside_exact(),
        "pictures": {name: pictures(name) for name in ("digits", "photographs")},
    }


def planted(num_rows: int) -> tuple[Vectors, dict[str, npt.NDArray[np.int64]]]:
    """The mixture with copies, and int64 [m, 2] pairs of rows, {"exact", "near"}."""
    vectors = np.concatenate([part for part, _ in mixture(num_rows, seed=0)])
    rng = np.random.default_rng(7)
    count = int(PLANTED_SHARE * num_rows)
    rows = rng.permutation(num_rows)[: 4 * count].reshape(4, count)
    vectors[rows[1]] = vectors[rows[0]]
    noise = rng.standard_normal((count, DIMS), np.float32) / np.float32(DIMS**0.5)
    vectors[rows[3]] = vectors[rows[2]] + noise
    return vectors, {"exact": rows[:2].T, "near": rows[2:].T}


def write_table(file: Path, vectors: Vectors) -> None:
    import pyarrow as pa

    from rows.vectors.lineage import Lineage
    from rows.vectors.parts import write_part
    from rows.vectors.schema import vector_array

    lineage = Lineage(artifact="mixture", version=1, digest="", space="mixture", distance="euclidean", normalized=False)
    table = pa.table({"id": [f"r{row}" for row in range(len(vectors))], "embedding": vector_array(vectors)})
    write_part(file, table.replace_schema_metadata(lineage.to_metadata()))


def planted_found(file: Path, pairs: dict[str, npt.NDArray[np.int64]]) -> dict[str, float]:
    """Share of the planted pairs that are in one group."""
    from pyarrow import parquet

    group = parquet.read_table(file, columns=["group"])["group"].fill_null(-1).to_numpy()
    return {
        f"{name}_found": float(((group[a := both[:, 0]] == group[both[:, 1]]) & (group[a] >= 0)).mean())
        for name, both in pairs.items()
    }


def beside_exact() -> dict[str, Any]:
    """What inverted lists lose of the pairs within the threshold."""
    from analysis.datasets.duplicates import find_duplicates
    from analysis.search import graph
    from rows.vectors.table import VectorTable

    vectors, _ = planted(BESIDE_EXACT)
    table = VectorTable.from_arrays(vectors)
    lists = find_duplicates(table, threshold=THRESHOLD, distance="euclidean")
    exact_index = graph.row_index(table, distance="euclidean", kind="flat")
    ends, _, rows = exact_index.within(vectors, THRESHOLD)
    asked = np.repeat(np.arange(len(vectors)), np.diff(ends))
    a, b = asked[asked < rows], rows[asked < rows]
    together = (lists.groups[a] == lists.groups[b]) & (lists.groups[a] >= 0)
    products, graph.FLAT_PRODUCTS = graph.FLAT_PRODUCTS, 1 << 62
    exact = find_duplicates(table, threshold=THRESHOLD, distance="euclidean")
    graph.FLAT_PRODUCTS = products
    return {
        "rows": len(vectors),
        "kinds": [lists.kind, exact.kind],
        "recall@10": lists.recall,
        "pairs": len(a),
        "recall_of_pairs": float(together.mean()),
        "same_keep": float((lists.keep == exact.keep).mean()),
    }


def pictures(name: str) -> dict[str, Any]:
    """What becomes of copies of real pictures, by the model of their set."""
    from analysis.neighbours.nearest import nearest
    from rows.vectors.table import VectorTable

    unseen = SETS[name][0]()[1]
    files = sorted(path for path in unseen.rglob("*") if path.is_file())
    files = [files[at] for at in np.linspace(0, len(files) - 1, NUM_PICTURES).astype(int)]
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, change in {"original": None, **CHANGES}.items():
            place = Path(folder, "pictures", kind)
            place.mkdir(parents=True)
            for number, file in enumerate(files):
                with Image.open(file) as opened:
                    changed = opened.convert("RGB") if change is None else change(opened.convert("RGB"))
                changed.save(place / f"{number:04d}.png")
        score(Path(folder, "pictures"), name, Path(folder, "vectors"))
        table = VectorTable.open(folder + "/vectors")
        lineage = table.lineage
        assert lineage is not None
        kinds, matrix = np.array(table.column("label").to_pylist()), table.matrix
        original = np.ascontiguousarray(matrix[kinds == "original"])
        assert lineage.threshold is not None
        own = np.arange(len(original))
        others = nearest(original, original, len(original) - 1, distance=lineage.distance, own=own)[0]
        found = {
            "threshold": lineage.threshold,
            "others_within": float((others <= lineage.threshold).sum(axis=1).mean()),
        }
        for kind in CHANGES:
            apart, rows = nearest(
                original, np.ascontiguousarray(matrix[kinds == kind]), len(original), distance=lineage.distance
            )
            of_own = apart[rows == own[:, None]]
            found[kind] = {
                "within_threshold": float((of_own <= lineage.threshold).mean()),
                "own_is_nearest": float((rows[:, 0] == own).mean()),
                "median_distance": float(np.median(of_own)),
            }
    print(f"{name}: {found}", file=sys.stderr, flush=True)
    return found


def _as_jpeg(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=60)
    return Image.open(buffer).convert("RGB")


def _cropped(image: Image.Image, share: float) -> Image.Image:
    left, top = (round(share * side / 2) for side in image.size)
    return image.crop((left, top, image.width - left, image.height - top))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg_60": _as_jpeg,
    "half_size": lambda image: image.resize((image.width // 2, image.height // 2), Image.Resampling.BILINEAR),
    "brighter_20": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "cropped_10": lambda image: _cropped(image, 0.10),
    "cropped_30": lambda image: _cropped(image, 0.30),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}


def main(arguments: list[str]) -> None:
    from analysis.datasets.duplicates import find_duplicates, write_duplicates
    from rows.vectors.table import VectorTable

    started = time.perf_counter()
    table = VectorTable.open(arguments[0])
    found = find_duplicates(table, threshold=THRESHOLD)
    write_duplicates(table, found, arguments[1])
    facts = {
        "seconds": round(time.perf_counter() - started, 1),
        "peak_mib": round(peak_mib()),
        "kind": found.kind,
        "recall@10": found.recall,
        "groups": len(found.sizes),
        "exact": int(found.exact.sum()),
        "largest": int(found.sizes[0]),
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main(sys.argv[1:])
