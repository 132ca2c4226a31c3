"""The models of a server: loading and unloading, what each addressable name answers, and how many requests may run.

Only names of the right form reach the file system, and no request does but those that load.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager, suppress
from pathlib import Path

from artifact.errors import (
    ArtifactError,
    LookalikeError,
    RepositoryError,
    UnavailableError,
)
from artifact.images.limits import SERVER_LIMITS
from artifact.repository.companions import server_limits
from artifact.repository.reading import is_model_name, open_repository
from artifact.repository.triton_config import DECODE_SUFFIX, MAX_BATCH_SIZE, ModelConfig
from serving.embedded.models.decoding import Decoder
from serving.embedded.models.families import NEEDS, SUFFIXES, Family, IndexEntry, name_parts, names_of
from serving.embedded.models.loading import Loaded, load_model
from serving.embedded.models.servables import Servable
from serving.embedded.options import ServerOptions
from serving.protocol import QUEUE_FULL, READY, STOPPING, UNAVAILABLE, parse_version


class ModelStore:
    """The models of a repository; safe to use from any thread.

    Args:
        root: the repository's folder.
        options: how they are run, and who is told what an operator wants to know.

    Attributes:
        max_running: requests that may be in the server: a full queue and a full batch.

    Raises:
        RepositoryError: no such folder.
    """

    def __init__(self, root: Path | str, options: ServerOptions) -> None:
        self._repository, self._options, self._report = open_repository(root), options, options.report
        self.max_running = options.max_queue + MAX_BATCH_SIZE
        self._decoder = Decoder(options.decoding_threads, options.max_queue)
        self._families: dict[str, Family] = {}
        self._unread: dict[str, str] = {}  # why folders of the repository could not even be looked at
        self._changed = threading.Condition()  # guards what is read by requests
        self._loading = threading.Lock()  # one load or unload at a time
        self._num_running = self._running_bytes = 0
        self._stopping = False
        self._watchers: list[Callable[[], None]] = []

    def watch(self, call: Callable[[], None]) -> None:
        """Have a function called after every change of what is served."""
        self._watchers.append(call)

    @property
    def is_ready(self) -> bool:
        return not self._stopping

    @property
    def largest_image_bytes(self) -> int:
        """Of the encoded images that the models of the repository take."""
        root, given = self._repository.root, self._options.max_image_mb
        limits = [server_limits(root / (name + DECODE_SUFFIX), max_image_mb=given) for name in self._repository.names()]
        return max((each.max_bytes for each in limits), default=SERVER_LIMITS.max_bytes)

    def load_all(self) -> None:
        """Load every model of the repository; those that fail are reported and listed with the reason."""
        for name in self._repository.names():
            with suppress(LookalikeError):  # reported, and in the index
                self.load(name, with_companions=True)
        for name, reason in self._repository.foreign().items():
            self._report(f"model {name!r} is not served: {reason}")
        if not any(entry.state == READY for entry in self.index(only_ready=True)):
            self._report(f"no model to serve in {self._repository.root}; `lookalike export` publishes one")

    def load(self, name: str, *, with_companions: bool = False) -> None:
        """Read a model again and serve what its config now says; on failure what was served goes on.

        Args:
            name: any of the three; NAME_encoded brings the other two along.

        Raises:
            RepositoryError: no such model, or its config cannot be read.
            ArtifactError: a version of it cannot be loaded.
        """
        base, suffix = name_parts(name)
        with self._loading:
            family = self._families.get(base, Family(base))
            wanted = family.wanted | (set(SUFFIXES) if with_companions else NEEDS[suffix])
            loaded = self._read(name, base, family)
            if loaded.failures and (family.loaded.networks or not loaded.networks):
                loaded.close_except(family.loaded.networks)
                with self._changed:
                    family.reasons |= {key: why for key, why in loaded.failures.items() if key not in family.loaded}
                    self._families.setdefault(base, family)
            else:
                self._install(base, family, loaded, wanted)
        for (failed, version), reason in loaded.failures.items():
            self._report(f"model {failed!r} version {version} failed to load: {reason}")
        if loaded.failures:
            (failed, version), reason = next(iter(loaded.failures.items()))
            raise ArtifactError(
                f"load failed for model '{failed}': version {version} is at UNAVAILABLE state: {reason};"
            )

    def unload(self, name: str, *, dependents: bool = False) -> None:
        """Stop serving a name and those that need it, once their requests are answered; unknown names are no error.

        Args:
            dependents: unload NAME and NAME_decode too, where `name` is NAME_encoded.
        """
        base, suffix = name_parts(name)
        with self._loading:
            family = self._families.get(base)
            if family is None:
                return
            wanted = family.wanted - (NEEDS[suffix] if dependents else {suffix})
            loaded = family.loaded if "" in wanted else Loaded()
            self._install(base, family, loaded, wanted)

    def names(self) -> list[str]:
        """The names that answer, sorted."""
        with self._changed:
            return sorted({entry.name for entry in self._entries() if entry.state == READY})

    def versions(self, name: str) -> list[int]:
        """The versions of a name that answer, ascending; empty for a name that is not there."""
        with self._changed:
            return sorted(self._family(name).servables(name))

    def config(self, name: str, version: str = "") -> ModelConfig:
        """The config of a name that answers; raises what `find` raises."""
        with self._changed:
            self._family(name).find(name, parse_version(version))
            return self._family(name).loaded.configs[name]

    def find(self, name: str, version: str = "") -> Servable:
        """The servable of a name; version "" is the newest served.

        Raises:
            InvalidRequestError: a version that is no number.
            ModelNotFoundError: no such name or version.
            UnavailableError: a version that was served and is not now.
        """
        with self._changed:
            return self._family(name).find(name, parse_version(version))

    @contextmanager
    def running(self, name: str, version: str, *, num_bytes: int) -> Iterator[Servable]:
        """`find` for a request: until the end of the context the servable answers, whatever is loaded meanwhile.

        Args:
            num_bytes: size of the request.

        Raises:
            UnavailableError: the server is stopping, or has as many requests as it takes; and what `find` raises.
        """
        number = parse_version(version)
        with self._changed:
            if self._stopping:
                raise UnavailableError(STOPPING)
            servable = self._family(name).find(name, number)
            many = self._num_running >= self.max_running
            if many or (self._running_bytes and self._running_bytes + num_bytes > self._options.max_running_bytes):
                raise UnavailableError(QUEUE_FULL)
            lease = servable.lease()
            lease.__enter__()
            self._num_running += 1
            self._running_bytes += num_bytes
        try:
            yield servable
        finally:
            lease.__exit__(None, None, None)
            with self._changed:
                self._num_running -= 1
                self._running_bytes -= num_bytes
                self._changed.notify_all()

    def index(self, *, only_ready: bool = False) -> list[IndexEntry]:
        """Every name and version that answers; else also what does not, with the reason."""
        with self._changed:
            entries = self._entries()
        if only_ready:
            return [entry for entry in entries if entry.state == READY]
        seen = {entry.name for entry in entries}
        names = {name for base in self._repository.names() for name in names_of(base)}
        absent = {name: "unloaded" for name in names if (self._repository.root / name).is_dir()}
        absent |= self._unread | self._repository.foreign()
        entries += [IndexEntry(name, "", UNAVAILABLE, why) for name, why in absent.items() if name not in seen]
        return sorted(entries, key=lambda entry: (entry.name, len(entry.version), entry.version))

    def stop_accepting(self, timeout_s: float) -> bool:
        """Refuse new requests and wait for those that run; False if some still do after `timeout_s`."""
        with self._changed:
            self._stopping = True
        self._tell()
        with self._changed:
            return self._changed.wait_for(lambda: self._num_running == 0, timeout_s)

    def close(self) -> None:
        """Free everything; requests that still wait are refused."""
        with self._changed:
            self._stopping = True
        with self._loading:
            for family in self._families.values():
                for network in family.loaded.networks.values():
                    network.close(drain=False)
            self._decoder.close()

    def _read(self, name: str, base: str, family: Family) -> Loaded:
        failed = RepositoryError(f"failed to load '{name}', failed to poll from model repository")
        if not is_model_name(base):
            raise failed
        try:
            published = self._repository.model(base)
            loaded = load_model(published, self._options, self._decoder, reuse=family.loaded.networks)
        except (RepositoryError, ArtifactError) as error:
            self._report(f"model {name!r} cannot be loaded: {error}")
            self._unread |= {base: str(error)} if (self._repository.root / base).is_dir() else {}
            raise failed from None
        self._unread.pop(base, None)
        if name not in loaded.configs and not loaded.failures:
            loaded.close_except(family.loaded.networks)
            raise failed
        return loaded

    def _install(self, base: str, family: Family, loaded: Loaded, wanted: Set[str]) -> None:
        """Put a family in the place of what is served, and close the networks that it no longer has."""
        with self._changed:
            old = family.loaded.networks
            self._families[base] = family.successor(loaded, wanted)
        self._tell()
        kept = {id(network) for network in loaded.networks.values()}
        for network in old.values():
            if id(network) not in kept:
                network.close()

    def _tell(self) -> None:
        for call in self._watchers:
            call()

    def _family(self, name: str) -> Family:
        """The family of an addressable name; an empty one where it is not there."""
        base = name_parts(name)[0]
        return self._families.get(base) or Family(base)

    def _entries(self) -> list[IndexEntry]:
        return [entry for family in self._families.values() for entry in family.entries()]
