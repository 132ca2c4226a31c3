"""Emulated x86 processors: onnxruntime on one with AVX2 and without VNNI, whatever this machine has.

qemu's user mode runs this very Python with the instructions of another processor (Debian: `apt-get install
qemu-user`, 7.2 or later; older ones have no AVX2). Speed tells nothing there, values do.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

EMULATOR = "qemu-x86_64"
PROCESSOR = "Haswell"
"""AVX2, no AVX-512, no VNNI."""

_PROGRAM = """
import sys
import numpy as np
import onnxruntime
options = onnxruntime.SessionOptions()
options.log_severity_level = 3
options.intra_op_num_threads = 1
folder, *names = sys.argv[1:]
pixels, found = np.load(f"{folder}/pixels.npy"), {}
for name in names:
    file = f"{folder}/{name}.onnx"
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    found[name] = session.run(None, {"image": pixels})[0]
np.savez(f"{folder}/vectors.npz", **found)
"""


def unavailable() -> str | None:
    """Why no processor can be emulated here, or None."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "programs of x86-64 Linux are emulated there only"
    program = shutil.which(EMULATOR)
    if program is None:
        return f"no {EMULATOR} on the PATH"
    tried = subprocess.run([program, "-cpu", PROCESSOR, "/bin/true"], capture_output=True, text=True, check=False)
    if tried.returncode or "avx2" in tried.stderr:  # it warns of what it cannot do
        return f"this {EMULATOR} has no AVX2"
    return None


def embed_emulated(
    graphs: Mapping[str, onnx.ModelProto], pixels: npt.NDArray[np.uint8], *, timeout_s: float = 300.0
) -> dict[str, npt.NDArray[np.float32]]:
    """The first output of every graph as the emulated processor computes it.

    Args:
        graphs: branch graphs by a name that may be a file's.
        pixels: uint8 [N, H, W, 3].
        timeout_s: of all graphs together.

    Raises:
        subprocess.SubprocessError: the emulator failed or took too long.
    """
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "pixels.npy", pixels)
        for name, graph in graphs.items():
            onnx.save(graph, Path(folder) / f"{name}.onnx")
        environment: dict[str, Any] = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        subprocess.run(
            [EMULATOR, "-cpu", PROCESSOR, sys.executable, "-c", _PROGRAM, folder, *graphs],
            check=True,
            timeout=timeout_s,
            capture_output=True,
            env=os.environ | environment,
        )
        with np.load(Path(folder) / "vectors.npz") as found:
            return {name: found[name] for name in graphs}
