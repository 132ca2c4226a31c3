"""Other people's ONNX models in memory: a version that answers as Triton's onnxruntime backend would."""

from __future__ import annotations

from typing import Any

from artifact.errors import RepositoryError, UnsupportedError
from artifact.images.cores import available_cores
from artifact.repository.tuning import INTRA_THREADS, ModelConfig, Tuning
from serving.embedded.batching.batcher import Batcher
from serving.embedded.batching.queue import Arrays
from serving.embedded.batching.statistics import Statistics
from serving.embedded.models.accelerators import accelerated
from serving.embedded.models.folders import inside
from serving.embedded.models.instances import Pool
from serving.embedded.models.leases import Leased
from serving.embedded.models.model_config import batching_policy, signature_of
from serving.embedded.models.placement import Place, places_of, require_groups
from serving.embedded.models.plain.completion import complete
from serving.embedded.models.plain.config import require_supported
from serving.embedded.models.plain.graph import check_graph
from serving.embedded.models.plain.model import PLATFORM, PlainModel
from serving.embedded.models.plain.session import PlainSession, texts
from serving.embedded.models.plain.tensors import require_tensors
from serving.embedded.models.warmup import warm_up_plain
from serving.embedded.options import ServerOptions
from serving.embedded.requests.caller import Caller
from serving.sessions import SessionSettings, make_session

_LIBRARY = "batchstrategy.so"
"""Where Triton finds one of these it loads it."""
_MOST_LABEL_BYTES = 16 * 1024 * 1024


class PlainNetwork(Leased):
    """A version of another people's model.

    Attributes:
        config: that of the repository, completed from the file.
        digest: SHA-256 of the file and its external data, in hex.

    Raises:
        RepositoryError: its config does not fit it, or it cannot be followed.
        UnsupportedError: it is not served here.
        ArtifactError: the file cannot be loaded.
    """

    platform = PLATFORM
    images_a_row = 0
    tuned: Tuning | None = None

    def __init__(self, model: PlainModel, version: int, options: ServerOptions) -> None:
        super().__init__()
        self.version, self.fingerprint = version, model.fingerprint(version)
        config = type(model.config)()
        config.CopyFrom(model.config)
        require_supported(config, where=model.folder)
        for folder in (model.folder, model.folder / str(version)):
            if (folder / _LIBRARY).exists():
                raise UnsupportedError(f"{_LIBRARY} is a library that would be loaded", where=folder)
        require_groups(config, options.device, where=None)
        device, provider = accelerated(config, options.device, where=model.folder)
        places = _places(config, device, options)
        if config.cc_model_filenames and any(place.device != "cpu" for place in places):
            raise UnsupportedError("cc_model_filenames are not served on a GPU", where=model.folder)
        path = model.file(version)
        self.digest = check_graph(path, max_bytes=options.max_model_bytes)
        threads = options.threads or min(_threads(config) or available_cores(), available_cores())
        sessions = []
        for place in places:
            settings = SessionSettings(
                threads=threads,
                device=place.device,
                gpu=place.gpu,
                digest=self.digest,
                options=provider if place.device == device else {},
                entries={"session.load_model_format": "ONNX"},
            )
            sessions.append(make_session(path, settings))
        complete(config, sessions[0])
        require_tensors(config, sessions[0])
        labels = {one.name: _labels(model, one.label_filename) for one in config.output if one.label_filename}
        self.config = config
        self.signature = signature_of(model.name, config, labels=labels)
        self._datatypes = {spec.name: spec.datatype for spec in self.signature.inputs}
        pool = Pool([PlainSession(session, config, path) for session in sessions])
        warm_up_plain(pool, config, self.signature, model.folder)
        self.statistics = Statistics()
        policy = batching_policy(config, options, 0)
        name = f"lookalike-{model.name}-{version}"
        self._batcher = Batcher(pool.run, policy, self.statistics, instances=pool.count, name=name)

    @property
    def num_pending(self) -> int:
        """Requests that wait."""
        return self._batcher.num_waiting

    def infer(self, inputs: Any, num_rows: int, *, caller: Caller) -> Arrays:
        return self._batcher.infer(texts(inputs, self._datatypes), num_rows, caller=caller)

    def close(self, *, drain: bool = True) -> None:
        """As a Network's."""
        if drain:
            self.wait_until_free()
        self._batcher.close(drain=drain)


def _places(config: ModelConfig, device: str, options: ServerOptions) -> list[Place]:
    """Where instances run: on the CPU never more than it has cores, and one where the operator said its threads."""
    places = places_of(config, device)
    cpu = [place for place in places if place.device == "cpu"]
    kept = cpu[: 1 if options.threads else available_cores()]
    return kept + [place for place in places if place.device != "cpu"]


def _threads(config: ModelConfig) -> int:
    text = config.parameters[INTRA_THREADS].string_value if INTRA_THREADS in config.parameters else "0"
    return int(text)


def _labels(model: PlainModel, name: str) -> tuple[str, ...]:
    """The lines of a label file of the model's folder."""
    path = inside(model.folder, name)
    try:
        if path.stat().st_size > _MOST_LABEL_BYTES:
            raise RepositoryError("label file", expected=f"at most {_MOST_LABEL_BYTES} bytes", where=path)
        text = path.read_bytes().decode(errors="replace")
    except OSError as error:
        raise RepositoryError("label file cannot be read", got=error.strerror, where=path) from None
    return tuple(text.removesuffix("\n").split("\n")) if text else ()
