"""The three things that answer requests: a network (NAME), its decoder (NAME_decode), the two in a row (NAME_encoded).

All three take checked inputs and give arrays, and count what they do. None of them knows a transport.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

from artifact.errors import ArtifactError, InvalidRequestError
from artifact.images.cores import available_cores
from artifact.images.image_batch import BadImagesError
from artifact.images.image_error import ImageError
from artifact.images.limits import Limits
from artifact.model.manifest import Manifest
from artifact.modes import BOXES
from artifact.repository.reading import PublishedModel
from artifact.repository.triton_config import ModelConfig, network_config, pixels_name
from artifact.repository.tuning import TUNING_PARAMETER, Tuning
from serving.check import check_engine
from serving.embedded.batching.batcher import Batcher
from serving.embedded.batching.queue import Arrays
from serving.embedded.batching.statistics import RunTimes, Statistics, reason_of
from serving.embedded.cache.cache import RowCache
from serving.embedded.models.caching import KeptVectors, network_vectors
from serving.embedded.models.decoding import Decoder
from serving.embedded.models.instances import Instances, gpus_here, instances_here
from serving.embedded.models.leases import Leased
from serving.embedded.models.model_config import (
    batching_policy,
    network_fingerprint,
    require_same_tensors,
    signature_of,
)
from serving.embedded.models.records import in_words, record_for
from serving.embedded.models.warmup import warm_up_network
from serving.embedded.options import ServerOptions
from serving.embedded.requests.caller import Caller
from serving.embedded.requests.signature import Signature

MAX_BOXES = 256
"""Of an image in one request: 64 images with so many take a gigabyte and a half of a network's last map."""


class Servable(Protocol):
    """One version of one addressable name.

    Attributes:
        digest: of the artifact whose vectors it gives, or empty.
        platform: what metadata call its kind.
        tuned: what was measured on this machine and how it runs therefore; None where its config says.
    """

    version: int
    digest: str
    platform: str
    signature: Signature
    statistics: Statistics
    tuned: Tuning | None

    @property
    def num_pending(self) -> int:
        """Requests that wait for it to run."""

    @property
    def images_a_row(self) -> int:
        """Encoded images that it decodes for each row; 0 for what decodes none."""

    def lease(self) -> Any:
        """A context in which it is not closed."""

    def infer(self, inputs: Any, num_rows: int, *, caller: Caller) -> Arrays:
        """{output: [N, ...]} of checked inputs. Raises UnavailableError, ImageError or ServerError."""


class Network(Leased):
    """A version of NAME in memory, verified: uint8 [N, H, W, 3] a stream to float32 [N, width] an output.

    Raises:
        ArtifactError: the file is not sound, is another than its config says, or does not give its golden vectors.
        RepositoryError: its config does not describe it.
    """

    platform = "onnxruntime_onnx"
    images_a_row = 0

    def __init__(
        self, published: PublishedModel, version: int, options: ServerOptions, cache: RowCache | None = None
    ) -> None:
        super().__init__()
        self.fingerprint = network_fingerprint(published, version)
        self.version = version
        self.name, self._config, self._options = published.name, published.config, options
        self.path = path = published.artifact(version)
        said = instances_here(published.config, options.device, options.threads, where=published.folder)
        self.record = record_for(published.config, published.manifest(version).digest, options)
        self.tuned = self.record.read() if self.record else None
        tuning = self.tuned or said
        self._layout = tuning.instances, tuning.threads or available_cores()
        is_measured = TUNING_PARAMETER + options.device in published.config.parameters or self.tuned is not None
        self._engines = engines = self._open(is_measured=is_measured)
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
        self._kept = network_vectors(cache, published.config, self.manifest, self.statistics)
        policy = batching_policy(published.config, options, tuning.preferred_rows)
        warm_up_network(engines, self.manifest, max(policy.preferred_rows, default=1))
        name = f"lookalike-{published.name}-{version}"
        self._batcher = Batcher(engines.run, policy, self.statistics, instances=tuning.instances, name=name)
        if self.tuned:
            options.report(f"model {self.name!r} version {version} runs as measured here: {in_words(self.tuned)}")

    @property
    def num_pending(self) -> int:
        return self._batcher.num_waiting

    def infer(self, inputs: Any, num_rows: int, *, caller: Caller) -> Arrays:
        if self._kept is None:
            return self.run(inputs, num_rows, caller=caller)
        return self._kept.infer(inputs, num_rows, functools.partial(self.run, caller=caller), caller=caller)

    def run(self, inputs: Any, num_rows: int, *, caller: Caller) -> Arrays:
        """`infer` past the cache."""
        self.require_runnable(inputs)
        return self._batcher.infer(inputs, num_rows, caller=caller)

    def require_runnable(self, inputs: Any) -> None:
        """Raise InvalidRequestError for more boxes an image than a run has memory for; Triton has no such bound."""
        boxes = inputs.get(BOXES)
        if boxes is not None and boxes.shape[1] > MAX_BOXES:
            raise InvalidRequestError(
                f"input {BOXES!r} of model {self.name!r}",
                expected=f"at most {MAX_BOXES} boxes an image",
                got=str(boxes.shape[1]),
                mend="send the image again with the others",
            )

    @property
    def is_closed(self) -> bool:
        return self._batcher.is_closed

    def rearrange(self, tuning: Tuning) -> None:
        """Run as a measurement chose from now on; requests that wait or run are answered all the same.

        The sessions of before are freed when their last run is over.

        Raises:
            ArtifactError: the file is not the one any more that was loaded, or does not give its golden vectors.
        """
        layout = tuning.instances, tuning.threads or available_cores()
        if layout != self._layout:
            self._layout = layout
            self._engines = self._open(is_measured=True)
            digest = check_engine(self._engines.first, golden=self._options.check_goldens).manifest.digest
            if digest != self.digest:
                raise ArtifactError(
                    "the file was replaced", expected=f"digest {self.digest}", got=digest, where=self.path
                )
        policy = batching_policy(self._config, self._options, tuning.preferred_rows)
        warm_up_network(self._engines, self.manifest, max(policy.preferred_rows, default=1))
        self._batcher.rearrange(self._engines.run, policy, instances=tuning.instances)
        self.tuned = tuning

    def _open(self, *, is_measured: bool) -> Instances:
        """Sessions of the layout; one more where it was measured: who named a count wants that and no copy more."""
        count, threads = self._layout
        device = self._options.device
        gpus = gpus_here(self._config, device)
        return Instances(self.path, count=count, threads=threads, device=device, gpus=gpus, one_alone=is_measured)

    def close(self, *, drain: bool = True) -> None:
        """Let those who hold a lease finish, then end the threads; without `drain` their requests are refused."""
        if drain:
            self.wait_until_free()
        self._batcher.close(drain=drain)


class Decode:
    """NAME_decode: N encoded images a stream to uint8 [N, H, W, 3] named <stream>_pixels."""

    digest, num_pending = "", 0
    platform = "python"
    tuned: Tuning | None = None

    def __init__(
        self, name: str, version: int, config: ModelConfig, network: Network, decoder: Decoder, limits: Limits
    ) -> None:
        self._limits = limits
        self.version, self.statistics = version, Statistics()
        self.signature = signature_of(name, config, max_rows=network.signature.max_rows)
        self._network, self._decoder = network, decoder
        self.images_a_row = len(network.manifest.image_inputs)

    def lease(self) -> Any:
        return self._network.lease()

    def infer(self, inputs: Any, num_rows: int, *, caller: Caller) -> Arrays:
        with self.decoded(inputs, num_rows, caller=caller) as pixels:
            return {pixels_name(stream): array for stream, array in pixels.items()}

    @contextmanager
    def decoded(self, inputs: Any, num_rows: int, *, caller: Caller) -> Iterator[Arrays]:
        """{stream: uint8 [N, H, W, 3]}, which have their room in the server to the end of the context."""
        images = {stream: array.ravel().tolist() for stream, array in inputs.items()}
        with ExitStack() as room:
            with _counted(self.statistics, num_rows):
                spec = self._network.manifest.pixels
                decode_ns = time.perf_counter_ns()
                try:
                    pixels = room.enter_context(self._decoder.decoded(images, spec, self._limits, caller=caller))
                except BadImagesError as error:
                    self.statistics.add_bad_images(len(error.bad))
                    raise
                finally:
                    if caller.timings is not None:
                        caller.timings.decode_ns, caller.timings.decoded_ns = decode_ns, time.perf_counter_ns()
            yield dict(pixels)


class Encoded:
    """NAME_encoded: N encoded images a stream to vectors; images that cannot be read never reach the batcher."""

    platform = "ensemble"
    num_pending = images_a_row = 0
    tuned: Tuning | None = None

    def __init__(
        self,
        name: str,
        version: int,
        config: ModelConfig,
        network: Network,
        decode: Decode,
        kept: Callable[[Statistics], KeptVectors | None] = lambda _: None,
    ) -> None:
        self.version, self.digest, self.statistics = version, network.digest, Statistics()
        self.signature = signature_of(name, config, max_rows=network.signature.max_rows, is_ensemble=True)
        self._network, self._decode, self._kept = network, decode, kept(self.statistics)

    def lease(self) -> Any:
        return self._network.lease()

    def infer(self, inputs: Any, num_rows: int, *, caller: Caller) -> Arrays:
        try:
            if self._kept is not None:
                run = functools.partial(self._run, caller=caller)
                return self._kept.infer(inputs, num_rows, run, caller=caller)
            with _counted(self.statistics, num_rows):
                return self._run(inputs, num_rows, caller=caller)
        except BadImagesError as error:
            raise ImageError(f"{self.signature.step}{error}") from None

    def _run(self, inputs: Any, num_rows: int, *, caller: Caller) -> Arrays:
        streams = self._network.manifest.image_inputs
        others = {name: array for name, array in inputs.items() if name not in streams}
        self._network.require_runnable(others)
        images = {stream: inputs[stream] for stream in streams}
        with self._decode.decoded(images, num_rows, caller=caller) as pixels:
            feeds = {stream: pixels[stream] for stream in streams}
            return self._network.run(feeds | others, num_rows, caller=caller)


@contextmanager
def _counted(statistics: Statistics, num_rows: int) -> Iterator[None]:
    start_ns = time.perf_counter_ns()
    try:
        yield
    except Exception as error:
        statistics.add_failure(time.perf_counter_ns() - start_ns, reason_of(error))
        raise
    statistics.add_run(num_rows, [0], RunTimes(0, time.perf_counter_ns() - start_ns, 0))
