"""The machine that a result was measured on: processor, cores, memory, system; no name or path of it."""

from __future__ import annotations

import os
import platform
import resource
from importlib.metadata import version
from pathlib import Path
from typing import Any

from artifact.images.cores import available_cores

PACKAGES = ("numpy", "torch", "onnxruntime-gpu", "onnxruntime", "pillow", "simplejpeg", "cykooz-resizer", "faiss-cpu")


def describe_hardware() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": available_cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def peak_mib_of(process: int | str) -> float:
    """The most memory that a process of Linux has had, by its number."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 2**10


def peak_mib() -> float:
    """The most memory this process has had; on Linux ru_maxrss would count what its parent had before it started."""
    if Path("/proc/self/status").is_file():
        return peak_mib_of("self")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
        flags = next((line for line in lines if line.startswith("flags")), "").split()
        notable = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8") if flag in flags]
        return f"{model} ({', '.join(notable)})"
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except ModuleNotFoundError:
        return None
