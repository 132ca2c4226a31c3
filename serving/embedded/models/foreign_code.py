"""Code and files that a config.pbtxt can name besides its model: Triton would load them, this server never does.

A model that names one is not served, whoever published it: without it the answers would be others than Triton's.
"""

from __future__ import annotations

from artifact.errors import RepositoryError
from artifact.model.manifest import MODEL_FILE
from artifact.repository.triton_config import ModelConfig

_PARAMETERS = ("EXECUTION_ENV_PATH", "op_library_filename", "custom_ops_library")


def require_no_code(config: ModelConfig, *, where: object) -> None:
    """Raise RepositoryError for a config that names a library, an environment, or a file other than its model."""
    found = [f"op_library_filename {name!r}" for name in config.model_operations.op_library_filename]
    found += [f"parameter {name!r}" for name in config.parameters if name.lower() in map(str.lower, _PARAMETERS)]
    if config.runtime:
        found.append(f"runtime {config.runtime!r}")
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
