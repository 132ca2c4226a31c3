"""Sessions of onnxruntime: the one place that makes them for serving, on the device that is asked for or not at all.

Threads spin for a moment, which is the pause between two nodes of a graph, and then sleep: those that do not spin are
woken a hundred times a run, a third of a small network; onnxruntime's own tens of milliseconds would burn a core while
a server waits for requests. The number of threads is always set, because onnxruntime would otherwise take all cores for
every session. A device that is asked for and does not start, or fails in a run, is an error: onnxruntime would print a
note, go on without it, and nobody would know why all is slow. Settings of a session that a file carries do not count,
whatever the environment says.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from artifact.cache_folder import cache_folder
from artifact.errors import ArtifactError, OutputError, UsageError
from artifact.repository.variants import CUDA_OPTIONS

PROVIDERS: dict[str, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
SPIN_US = 20
"""Of 5 to 300 as good as the longest on idle cores, and the least processor time (benchmarks/README.md)."""
_CUDA = CUDA_OPTIONS | {"cudnn_conv_algo_search": "HEURISTIC"}
"""As configs/cuda.pbtxt says it to Triton: the vectors of a CPU, and no new search for every size of a batch."""


@dataclass(frozen=True, kw_only=True)
class SessionSettings:
    """Where and how a session runs.

    Attributes:
        threads: of one run.
        device: `cpu`, `cuda` or `tensorrt`; what TensorRT does not take runs on CUDA.
        gpu: number of the GPU, for the latter two.
        digest: of the file, in the path of TensorRT's engines; empty keeps none.
        options: of the device's provider, beside those that are always set.
        entries: further session entries of onnxruntime.
    """

    threads: int
    device: str = "cpu"
    gpu: int = 0
    digest: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    entries: Mapping[str, str] = field(default_factory=dict)


def require_device(device: str) -> None:
    """Raise UsageError unless onnxruntime, as installed, knows the device; whether it starts shows with a session."""
    import onnxruntime

    if device not in PROVIDERS:
        raise UsageError(f"device {device!r}", expected=f"one of {', '.join(PROVIDERS)}")
    if PROVIDERS[device] not in onnxruntime.get_available_providers():
        raise UsageError(f"device {device!r} is not available", got=", ".join(onnxruntime.get_available_providers()))


def make_session(path: Path, settings: SessionSettings) -> Any:
    """An onnxruntime session over a file.

    Raises:
        ArtifactError: onnxruntime cannot load it.
        UsageError: the device is not there, or does not start.
        OutputError: the folder of TensorRT's engines cannot be made.
    """
    import onnxruntime  # 0.2 s: only where a session is made

    require_device(settings.device)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only; they also reach us as exceptions
    for key, value in _spinning(onnxruntime.__version__).items():
        options.add_session_config_entry(key, value)
    for key, value in settings.entries.items():
        options.add_session_config_entry(key, value)
    providers = _providers(settings)
    try:
        session = onnxruntime.InferenceSession(
            os.fspath(path), options, providers=providers, enable_fallback=0, read_config_from_model=0
        )
    except Exception as error:  # onnxruntime's exceptions share no public base class
        if settings.device != "cpu" and type(error) is RuntimeError:  # those of graphs are of classes of their own
            raise UsageError(f"device {settings.device!r} failed to start", got=str(error), where=path) from None
        raise ArtifactError("onnxruntime cannot load the graph", got=str(error), where=path) from None
    if session.get_providers()[0] != PROVIDERS[settings.device]:
        got = ", ".join(session.get_providers())
        raise UsageError(f"device {settings.device!r} failed to start", got=got, where=path)
    return session


def _spinning(version: str) -> dict[str, str]:
    """Entries of a session: how long its threads spin, where this onnxruntime can be told, and else not at all."""
    major, minor = (int(part) for part in version.split(".")[:2])
    if (major, minor) < (1, 26):
        return {"session.intra_op.allow_spinning": "0"}
    return {"session.intra_op.allow_spinning": "1", "session.intra_op.spin_duration_us": str(SPIN_US)}


def _providers(settings: SessionSettings) -> list[tuple[str, dict[str, str]]]:
    if settings.device == "cpu":
        return [(PROVIDERS["cpu"], {})]
    gpu = {"device_id": str(settings.gpu)}
    if settings.device == "cuda":
        return [(PROVIDERS["cuda"], _CUDA | gpu | dict(settings.options))]
    engines = _engine_options(settings.digest) | gpu | dict(settings.options)
    return [(PROVIDERS["tensorrt"], engines), (PROVIDERS["cuda"], _CUDA | gpu)]


def _engine_options(digest: str) -> dict[str, str]:
    """The options by which TensorRT keeps its engines: in the user's cache folder, for each file its own.

    onnxruntime's own key is the names of the nodes, which two versions share: the second would answer with the first's
    weights. Never in the repository, which the server need not be able to write.
    """
    folder = cache_folder("tensorrt") if digest else None
    if folder is None:
        return {}
    path = folder / digest
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError("cannot make the folder of TensorRT's engines", got=error.strerror, where=path) from None
    return {"trt_engine_cache_enable": "1", "trt_engine_cache_path": os.fspath(path)}
