"""The three things that answer requests: a network (NAME), its decoder (NAME_decode), the two in a row (NAME_encoded).

All three take checked inputs and give arrays, and count what they do. None of them knows a transport.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from artifact.errors import ArtifactError
from artifact.images.image_batch import BadImagesError
from artifact.images.image_error import ImageError
from artifact.images.limits import Limits
from artifact.model.manifest import Manifest
from artifact.repository.reading import PublishedModel
from artifact.repository.triton_config import ModelConfig, network_config, pixels_name
from serving.check import check_engine
from serving.embedded.batching.batcher import Batcher
from serving.embedded.batching.queue import Arrays
from serving.embedded.batching.statistics import RunTimes, Statistics
from serving.embedded.models.decoding import Decoder
from serving.embedded.models.instances import Instances, instances_here
from serving.embedded.models.model_config import (
    batching_policy,
    network_fingerprint,
    require_same_tensors,
    signature_of,
)
from serving.embedded.options import ServerOptions
from serving.embedded.requests.caller import Caller
from serving.embedded.requests.signature import Signature


class Servable(Protocol):
    """One version of one addressable name; `digest` is that of the artifact whose vectors it gives, or empty."""

    version: int
    digest: str
    signature: Signature
    statistics: Statistics

    def lease(self) -> Any:
        """A context in which it is not closed."""

    def infer(self, inputs: Any, num_rows: int, *, caller: Caller) -> Arrays:
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
        policy = batching_policy(published.config, options, tuning.preferred_rows)
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

    def infer(self, inputs: Any, num_rows: int, *, caller: Caller) -> Arrays:
        return self._batcher.infer(inputs, num_rows, caller=caller)

    def close(self, *, drain: bool = True) -> None:
        """Let those who hold a lease finish, then end the thread; without `drain` their requests are refused."""
        if drain:
            with self._changed:
                self._changed.wait_for(lambda: self._leases == 0)
        self._batcher.close(drain=drain)


class Decode:
    """NAME_decode: N encoded images a stream to uint8 [N, H, W, 3] named <stream>_pixels."""

    digest = ""

    def __init__(
        self, name: str, version: int, config: ModelConfig, network: Network, decoder: Decoder, limits: Limits
    ) -> None:
        self._limits = limits
        self.version, self.statistics = version, Statistics()
        self.signature = signature_of(name, config, max_rows=network.signature.max_rows)
        self._network, self._decoder = network, decoder

    def lease(self) -> Any:
        return self._network.lease()

    def infer(self, inputs: Any, num_rows: int, *, caller: Caller) -> Arrays:
        with _counted(self.statistics, num_rows):
            spec = self._network.manifest.pixels
            images = {stream: array.ravel().tolist() for stream, array in inputs.items()}
            pixels = self._decoder.decode(images, spec, self._limits, caller=caller)
        return {pixels_name(stream): array for stream, array in pixels.items()}


class Encoded:
    """NAME_encoded: N encoded images a stream to vectors; images that cannot be read never reach the batcher."""

    def __init__(self, name: str, version: int, config: ModelConfig, network: Network, decode: Decode) -> None:
        self.version, self.digest, self.statistics = version, network.digest, Statistics()
        self.signature = signature_of(name, config, max_rows=network.signature.max_rows)
        self._network, self._decode = network, decode

    def lease(self) -> Any:
        return self._network.lease()

    def infer(self, inputs: Any, num_rows: int, *, caller: Caller) -> Arrays:
        with _counted(self.statistics, num_rows):
            try:
                pixels = self._decode.infer(inputs, num_rows, caller=caller)
            except BadImagesError as error:
                raise ImageError(f"{self.signature.step}{error}") from None
            feeds = {stream: pixels[pixels_name(stream)] for stream in self._network.manifest.inputs}
            return self._network.infer(feeds, num_rows, caller=caller)


@contextmanager
def _counted(statistics: Statistics, num_rows: int) -> Iterator[None]:
    start_ns = time.perf_counter_ns()
    try:
        yield
    except Exception:
        statistics.add_failure(time.perf_counter_ns() - start_ns)
        raise
    statistics.add_run(num_rows, [0], RunTimes(0, time.perf_counter_ns() - start_ns, 0))
