"""The configs of other people's models that this server does not run, each with the reason.

Whatever would run or load code, or leave the folder, is refused by its name. So is what changes the meaning of requests
and is not built here: sequences, decoupled answers, ragged batches, ensembles. All else is served as Triton serves it.
"""

from __future__ import annotations

from collections.abc import Iterator

from artifact.errors import RepositoryError, UnsupportedError
from artifact.repository.tuning import INTER_THREADS, INTRA_THREADS, ModelConfig
from serving.embedded.models.batching_config import require_sound_batching
from serving.embedded.models.foreign_code import code_in
from serving.embedded.models.plain.model import BACKEND, PLATFORM

_ENSEMBLE = "ensemble"
_ONLY = "only ONNX models are, and no code of a repository is ever run"
_KNOWN_PARAMETERS = (INTRA_THREADS, INTER_THREADS)


def require_supported(config: ModelConfig, *, where: object) -> None:
    """Raise UnsupportedError with the first reason why a model is not served."""
    for reason in _reasons(config):
        raise UnsupportedError(reason, where=where)


def require_valid(config: ModelConfig, *, where: object) -> None:
    """Raise RepositoryError for a config that Triton's core cannot even read; in its words, but for the first."""
    if not config.backend and config.platform != _ENSEMBLE:
        kind = f"backend {config.platform!r} is not served here" if config.platform else "no backend can be told"
        raise RepositoryError(f"{kind}; {_ONLY}", where=where)
    if config.backend == BACKEND and config.platform != PLATFORM:
        raise RepositoryError(f"unexpected 'platform' and 'backend' pair, got:{config.platform}, {BACKEND}")
    if config.max_batch_size < 0:
        raise RepositoryError(f"'max_batch_size' must be non-negative value for {config.name}", where=where)
    require_sound_batching(config, where=where)
    for key in _KNOWN_PARAMETERS:
        text = config.parameters[key].string_value if key in config.parameters else "0"
        if not (text.isascii() and text.isdigit()):
            raise RepositoryError(f"parameter {key!r}", expected="a number", got=repr(text), where=where)


def _reasons(config: ModelConfig) -> Iterator[str]:
    if config.HasField("ensemble_scheduling") or config.platform == _ENSEMBLE:
        yield "ensembles of other people's models are not served here; real Triton serves them"
    if config.backend != BACKEND:
        yield f"backend {config.backend!r} is not served here; {_ONLY}"
    yield from code_in(config)
    if config.HasField("sequence_batching"):
        yield "sequence_batching is not served here"
    if config.model_transaction_policy.decoupled:
        yield "decoupled transactions are not served here"
    if config.batch_input or config.batch_output or any(one.allow_ragged_batch for one in config.input):
        yield "ragged batches (allow_ragged_batch, batch_input, batch_output) are not served here"
    for one in (*config.input, *config.output):
        if one.is_shape_tensor or one.is_non_linear_format_io:
            yield "shape tensors and non-linear formats are only supported for TensorRT platform"
