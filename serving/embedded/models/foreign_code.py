"""Code and files that a config.pbtxt can name besides its model: Triton would load them, this server never does.

A model that names one is not served, whoever published it: without it the answers would be others than Triton's.
"""

from __future__ import annotations

from collections.abc import Iterator

from artifact.errors import RepositoryError
from artifact.model.parts import MODEL_FILE
from artifact.repository.triton_config import ModelConfig

_PARAMETERS = ("EXECUTION_ENV_PATH", "TRITON_BATCH_STRATEGY_PATH", "OP_LIBRARY_FILENAME", "CUSTOM_OPS_LIBRARY")
"""Parameters by which Triton runs a Python of the repository's, or loads a library; in capitals."""


def code_in(config: ModelConfig) -> Iterator[str]:
    """What of a config, of anybody's model, would run or load code."""
    for name in config.model_operations.op_library_filename:
        yield f"op_library_filename {name!r} would load a library of the repository"
    for key in config.parameters:
        if key.upper() in _PARAMETERS:
            yield f"parameter {key!r} would run or load code of the repository"
    if config.runtime:
        yield f"runtime {config.runtime!r} would load a library of the repository"
    if config.HasField("model_repository_agents"):
        yield "model_repository_agents would load libraries"


def require_no_code(config: ModelConfig, *, where: object) -> None:
    """Raise RepositoryError for a config of ours that names code, or a file other than its model."""
    found = list(code_in(config))
    if config.default_model_filename not in ("", MODEL_FILE):
        found.append(f"default_model_filename {config.default_model_filename!r}")
    found += [f"cc_model_filenames {name!r}" for name in config.cc_model_filenames.values()]
    if found:
        raise RepositoryError(
            "config.pbtxt names code or files besides the model's",
            expected="none, for a server that runs no code of a repository",
            got=", ".join(found),
            where=where,
        )
