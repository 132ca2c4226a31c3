"""What answers requests: a network (NAME), its decoder (NAME_decode) and the two in a row (NAME_encoded).

All three take checked inputs and give arrays, and count what they do. None of them knows a transport.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from tritonclient.grpc import model_config_pb2

from artifact.errors import ArtifactError, RepositoryError
from artifact.model.manifest import Manifest
from artifact.preprocessing import BadImagesError, ImageError
from artifact.repository.reading import PublishedModel
from artifact.repository.triton_config import DECODE_SUFFIX, ENCODED_SUFFIX, ModelConfig, network_config
from artifact.repository.tuning import INTRA_THREADS
from serving.check import check_engine
from serving.embedded.batcher import Arrays, Batcher, QueuePolicy
from serving.embedded.decoding import Decoder
from serving.embedded.instances import Instances, instances_here
from serving.embedded.options import ServerOptions
from serving.embedded.signature import Signature
from serving.embedded.statistics import RunTimes, Statistics
from serving.embedded.tensors import TensorSpec

IsActive = Callable[[], bool]


class Servable(Protocol):
    """One version of one addressable name; `digest` is that of the artifact whose vectors it gives, or empty."""

    version: int
    digest: str
    signature: Signature
    statistics: Statistics

    def lease(self) -> Any:
        """A context in which it is not closed."""

    def infer(self, inputs: Any, num_rows: int, *, is_active: IsActive) -> Arrays:
        """{output: [N, ...]} of checked inputs. Raises UnavailableError, ImageError or ServerError."""


class Network:
    """A version of NAME in memory, verified: uint8 [N, H, W, 3] a stream to float32 [N, width] an output.

    Raises:
        ArtifactError: the file is not sound, is another than its config says, or does not give its golden vectors.
        RepositoryError: its config does not describe it.
    """

    def __init__(self, published: PublishedModel, version: int, options: ServerOptions) -> None:
        self.fingerprint = network_fingerprint(published, version)
        self.version = version
        path = published.artifact(version)
        tuning = instances_here(published.config, options.device, options.threads, where=published.folder)
        engines = Instances(path, count=tuning.instances, threads=tuning.threads, device=options.device)
        self.manifest: Manifest = check_engine(engines.first, golden=options.check_goldens).manifest
        self.digest = self.manifest.digest
        if self.digest != published.manifest(version).digest:
            raise ArtifactError(
                "the file is not the artifact of its config",
                expected=f"digest {published.manifest(version).digest}",
                got=self.digest,
                where=path,
                mend="publish it again",
            )
        require_same_tensors(published.config, network_config(published.name, self.manifest), where=published.folder)
        self.signature = signature_of(published.name, published.config)
        self.statistics = Statistics()
        policy = _queue_policy(published.config, options.max_queue, tuning.preferred_rows)
        name = f"lookalike-{published.name}-{version}"
        self._batcher = Batcher(engines.run, policy, self.statistics, instances=tuning.instances, name=name)
        self._changed = threading.Condition()
        self._leases = 0

    @contextmanager
    def lease(self) -> Iterator[None]:
        with self._changed:
            self._leases += 1
        try:
            yield
        finally:
            with self._changed:
                self._leases -= 1
                self._changed.notify_all()

    def infer(self, inputs: Any, num_rows: int, *, is_active: IsActive) -> Arrays:
        return self._batcher.infer(inputs, num_rows, is_active=is_active)

    def close(self, *, drain: bool = True) -> None:
        """Let those who hold a lease finish, then end the thread; without `drain` their requests are refused."""
        if drain:
            with self._changed:
                self._changed.wait_for(lambda: self._leases == 0)
        self._batcher.close(drain=drain)


class Decode:
    """NAME_decode: N encoded images a stream to uint8 [N, H, W, 3] named <stream>_pixels."""

    digest = ""

    def __init__(self, name: str, version: int, config: ModelConfig, network: Network, decoder: Decoder) -> None:
        self.version, self.statistics = version, Statistics()
        self.signature = signature_of(name, config, max_rows=network.signature.max_rows)
        self._network, self._decoder = network, decoder

    def lease(self) -> Any:
        return self._network.lease()

    def infer(self, inputs: Any, num_rows: int, *, is_active: IsActive) -> Arrays:
        with _counted(self.statistics, num_rows):
            pixels = self._decoder.decode(inputs, self._network.manifest.pixels, is_active=is_active)
        return {f"{stream}_pixels": array for stream, array in pixels.items()}


class Encoded:
    """NAME_encoded: N encoded images a stream to vectors; images that cannot be read never reach the batcher."""

    def __init__(self, name: str, version: int, config: ModelConfig, network: Network, decode: Decode) -> None:
        self.version, self.digest, self.statistics = version, network.digest, Statistics()
        self.signature = signature_of(name, config, max_rows=network.signature.max_rows)
        self._network, self._decode = network, decode

    def lease(self) -> Any:
        return self._network.lease()

    def infer(self, inputs: Any, num_rows: int, *, is_active: IsActive) -> Arrays:
        with _counted(self.statistics, num_rows):
            try:
                pixels = self._decode.infer(inputs, num_rows, is_active=is_active)
            except BadImagesError as error:
                raise ImageError(f"{self.signature.step}{error}") from None
            feeds = {name.removesuffix("_pixels"): array for name, array in pixels.items()}
            return self._network.infer(feeds, num_rows, is_active=is_active)


def network_fingerprint(published: PublishedModel, version: int) -> object:
    """Equal for two looks at the repository between which this version did not change, so it need not load again."""
    file = os.stat(published.artifact(version))
    config = published.config
    threads = config.parameters[INTRA_THREADS].string_value if INTRA_THREADS in config.parameters else ""
    batching = config.dynamic_batching.SerializeToString(), config.HasField("dynamic_batching")
    groups = [group.SerializeToString() for group in config.instance_group]
    how = (config.max_batch_size, *batching, *groups, threads)
    digest = published.manifest(version).digest
    return version, digest, file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns, how


def require_same_tensors(config: ModelConfig, expected: ModelConfig, *, where: object) -> None:
    """Raise RepositoryError unless a config has the inputs and outputs that its artifact has, and batches."""
    for part in ("input", "output"):
        got_tensors, tensors = list(getattr(config, part)), list(getattr(expected, part))
        if got_tensors != tensors:
            raise RepositoryError(
                f"{part} in config.pbtxt is not the artifact's",
                expected=", ".join(f"{one.name} {list(one.dims)}" for one in tensors),
                got=", ".join(f"{one.name} {list(one.dims)}" for one in got_tensors) or "none",
                where=where,
                mend="publish the model again",
            )
    if config.max_batch_size < 1:
        raise RepositoryError("max_batch_size in config.pbtxt", expected="at least 1", got="0", where=where)


def signature_of(name: str, config: ModelConfig, *, max_rows: int | None = None) -> Signature:
    """The signature that the config of model `name` states, with at most `max_rows` rows a request."""

    def specs(tensors: Any) -> tuple[TensorSpec, ...]:
        return tuple(
            TensorSpec(one.name, _datatype(model_config_pb2.DataType.Name(one.data_type)), tuple(one.dims))
            for one in tensors
        )

    rows = min(config.max_batch_size, max_rows or config.max_batch_size)
    step = ensemble_step(name) if name.endswith(ENCODED_SUFFIX) else ""
    return Signature(name, rows, specs(config.input), specs(config.output), step)


def ensemble_step(name: str) -> str:
    """What Triton puts before a refusal that comes from a step of an ensemble."""
    return f"in ensemble '{name}', "


def platform_of(name: str) -> str:
    """What metadata call the kind of a model."""
    if name.endswith(ENCODED_SUFFIX):
        return "ensemble"
    return "python" if name.endswith(DECODE_SUFFIX) else "onnxruntime_onnx"


def _datatype(config_name: str) -> str:
    """The protocol's name of a config's data type."""
    name = config_name.removeprefix("TYPE_")
    return "BYTES" if name == "STRING" else name


def _queue_policy(config: ModelConfig, max_queue: int, preferred_rows: int) -> QueuePolicy:
    """The config's own queue policy within the server's bound."""
    own = config.dynamic_batching.default_queue_policy
    return QueuePolicy(
        max_requests=min(max_queue, own.max_queue_size or max_queue),
        max_rows=config.max_batch_size,
        merges=config.HasField("dynamic_batching"),
        preferred_rows=min(preferred_rows, config.max_batch_size),
        timeout_ns=own.default_timeout_microseconds * 1000,
    )


@contextmanager
def _counted(statistics: Statistics, num_rows: int) -> Iterator[None]:
    start_ns = time.perf_counter_ns()
    try:
        yield
    except Exception:
        statistics.add_failure(time.perf_counter_ns() - start_ns)
        raise
    statistics.add_run(num_rows, [0], RunTimes(0, time.perf_counter_ns() - start_ns, 0))
