"""Large files of vectors: opening and reading takes the memory of a batch, not of all.

What Python, NumPy and Arrow hold at most, in a process of its own. The system's own figure (ru_maxrss) begins where the
process stood that started this one, so it would show nothing.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

CODE = """
import sys, tracemalloc
import numpy as np, pyarrow as pa
from rows.vectors.table import VectorTable
small, large = sys.argv[1:]
for batch in VectorTable.open(small).batches(num_rows=8192):
    pass  # imports what is imported late
tracemalloc.start()
table = VectorTable.open(large)
rows = sum(len(batch) for batch in table.batches(num_rows=8192))
taken = table.take(np.array([5, table.num_rows - 1]))
peak = tracemalloc.get_traced_memory()[1] + pa.default_memory_pool().max_memory()
print(rows, len(table.left_out), peak // 2**20)
"""


def write(file: Path, num_rows: int) -> Path:
    matrix = np.random.default_rng(0).normal(size=(num_rows, 128)).astype(np.float32)
    matrix[num_rows // 2, 3] = np.nan
    if file.suffix == ".npy":
        np.save(file, matrix)
    elif file.suffix == ".npz":
        np.savez(file, x=np.asfortranarray(matrix))
    else:
        names = ",".join(f"e{at}" for at in range(8))
        np.savetxt(file, matrix[:, :8], "%.2f", delimiter=",", comments="", header=names)
    return file


@pytest.mark.parametrize(
    ("name", "num_rows", "most_mib"),
    [("v.npy", 2**18, 80), ("v.npz", 2**18, 80), ("v.csv", 2**16, 20)],
)
def test_a_large_file_is_read_in_the_memory_of_a_batch(name: str, num_rows: int, most_mib: int, tmp_path: Path) -> None:
    """Arrays of 128 MiB in batches of 32; the cells of the CSV would be 29 MiB of Python's texts."""
    small, large = write(tmp_path / f"s{name}", 100), write(tmp_path / name, num_rows)
    command = [sys.executable, "-c", CODE, str(small), str(large)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    rows, left_out, peak_mib = map(int, found.stdout.split())
    assert (rows, left_out) == (num_rows - 1, 1)
    assert peak_mib < most_mib
