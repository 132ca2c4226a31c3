"""The models of a server: what is loaded, what each addressable name answers, loading and unloading.

A published model is addressed by three names: NAME (pixels to vectors), NAME_decode (encoded images to pixels) and
NAME_encoded (encoded images to vectors). They load together, so that one never runs with another version's part.
Only names of the right form reach the file system, and no request does but those that load.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from artifact.errors import (
    ArtifactError,
    LookalikeError,
    ModelNotFoundError,
    RepositoryError,
    UnavailableError,
)
from artifact.preprocessing import DEFAULT_LIMITS
from artifact.repository.reading import is_model_name, open_repository
from artifact.repository.triton_config import DECODE_SUFFIX, ENCODED_SUFFIX, MAX_BATCH_SIZE, ModelConfig
from serving.embedded.batcher import QUEUE_FULL, STOPPING
from serving.embedded.decoding import Decoder
from serving.embedded.loading import Loaded, load_model
from serving.embedded.options import ServerOptions
from serving.embedded.servables import Servable
from serving.embedded.signature import parse_version

SUFFIXES = ("", DECODE_SUFFIX, ENCODED_SUFFIX)
NEEDS = {"": {""}, DECODE_SUFFIX: {"", DECODE_SUFFIX}, ENCODED_SUFFIX: set(SUFFIXES)}
"""What has to be loaded for each of the three names."""

READY, UNAVAILABLE = "READY", "UNAVAILABLE"


@dataclass(frozen=True)
class IndexEntry:
    """One line of the repository's index: `reason` says why a version is not ready."""

    name: str
    version: str
    state: str
    reason: str = ""


@dataclass
class _Family:
    """A model's three names: what is in memory, which of the names are wanted, and what became of other versions."""

    loaded: Loaded = field(default_factory=Loaded)
    wanted: set[str] = field(default_factory=set)
    reasons: dict[tuple[str, int], str] = field(default_factory=dict)


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
        self._decoder = Decoder(options.cores, options.max_queue, options.limits or DEFAULT_LIMITS)
        self._families: dict[str, _Family] = {}
        self._unread: dict[str, str] = {}  # why folders of the repository could not even be looked at
        self._changed = threading.Condition()  # guards what is read by requests
        self._loading = threading.Lock()  # one load or unload at a time
        self._num_running = self._running_bytes = 0
        self._stopping = False

    @property
    def is_ready(self) -> bool:
        return not self._stopping

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
        base, suffix = _parts(name)
        with self._loading:
            family = self._families.get(base, _Family())
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
        base, suffix = _parts(name)
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
            return sorted(self._servables(name))

    def config(self, name: str, version: str = "") -> ModelConfig:
        """The config of a name that answers; raises what `find` raises."""
        with self._changed:
            self._find(name, parse_version(version))
            return self._families[_parts(name)[0]].loaded.configs[name]

    def find(self, name: str, version: str = "") -> Servable:
        """The servable of a name; version "" is the newest served.

        Raises:
            InvalidRequestError: a version that is no number.
            ModelNotFoundError: no such name or version.
            UnavailableError: a version that was served and is not now.
        """
        with self._changed:
            return self._find(name, parse_version(version))

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
            servable = self._find(name, number)
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
        names = {name for base in self._repository.names() for name in _three(base)}
        absent = {name: "unloaded" for name in names if (self._repository.root / name).is_dir()}
        absent |= self._unread | self._repository.foreign()
        entries += [IndexEntry(name, "", UNAVAILABLE, why) for name, why in absent.items() if name not in seen]
        return sorted(entries, key=lambda entry: (entry.name, len(entry.version), entry.version))

    def stop_accepting(self, timeout_s: float) -> bool:
        """Refuse new requests and wait for those that run; False if some still do after `timeout_s`."""
        with self._changed:
            self._stopping = True
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

    def _read(self, name: str, base: str, family: _Family) -> Loaded:
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

    def _install(self, base: str, family: _Family, loaded: Loaded, wanted: set[str]) -> None:
        """Put a family in the place of what is served, and close the networks that it no longer has."""
        with self._changed:
            before = self._served(base)
            old = family.loaded.networks
            known = {key: why for key, why in family.reasons.items() if key[1]} | dict.fromkeys(before, "unloaded")
            self._families[base] = _Family(loaded, wanted)
            now, reasons = self._served(base), known | loaded.failures
            self._families[base].reasons = {key: why for key, why in reasons.items() if key not in now}
        kept = {id(network) for network in loaded.networks.values()}
        for network in old.values():
            if id(network) not in kept:
                network.close()

    def _served(self, base: str) -> set[tuple[str, int]]:
        return {(name, number) for name in _three(base) for number in self._servables(name)}

    def _servables(self, name: str) -> dict[int, Servable]:
        base, suffix = _parts(name)
        family = self._families.get(base)
        if family is None or not NEEDS[suffix] <= family.wanted:
            return {}
        return family.loaded.servables.get(name, {})

    def _find(self, name: str, number: int | None) -> Servable:
        servables = self._servables(name)
        family = self._families.get(_parts(name)[0])
        known = {} if family is None else {key[1]: why for key, why in family.reasons.items() if key[0] == name}
        if number is None and servables:
            return servables[max(servables)]
        if number in servables:
            return servables[number]
        if number in known and number:
            raise UnavailableError(f"Request for unknown model: '{name}' version {number} is not at ready state")
        if servables or (number is not None and known):
            raise ModelNotFoundError(f"Request for unknown model: '{name}' version {number} is not found")
        reason = "has no available versions" if known else "is not found"
        raise ModelNotFoundError(f"Request for unknown model: '{name}' {reason}")

    def _entries(self) -> list[IndexEntry]:
        entries = []
        for base, family in self._families.items():
            entries += [IndexEntry(name, str(number), READY) for name, number in self._served(base)]
            entries += [
                IndexEntry(name, str(number or ""), UNAVAILABLE, why) for (name, number), why in family.reasons.items()
            ]
        return entries


def _parts(name: str) -> tuple[str, str]:
    """NAME and the suffix of an addressable name."""
    for suffix in (DECODE_SUFFIX, ENCODED_SUFFIX):
        if name.endswith(suffix):
            return name.removesuffix(suffix), suffix
    return name, ""


def _three(base: str) -> list[str]:
    return [base + suffix for suffix in SUFFIXES]
