"""The models of a server: what is loaded and unloaded, who asks for it, and whether the server is ready.

Only names of the right form reach the file system, and no request does but those that load.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import contextmanager
from pathlib import Path

from artifact.errors import (
    ArtifactError,
    RepositoryError,
    UnavailableError,
)
from artifact.images.limits import MB, SERVER_LIMITS
from artifact.repository.companions import server_limits
from artifact.repository.reading import has_name_form, open_repository
from artifact.repository.triton_config import DECODE_SUFFIX, MAX_BATCH_SIZE
from serving.embedded.cache.cache import RowCache
from serving.embedded.models.catalogue import Catalogue
from serving.embedded.models.decoding import Decoder
from serving.embedded.models.families import NEEDS, SUFFIXES, Family, IndexEntry, names_of
from serving.embedded.models.inventory import Inventory
from serving.embedded.models.loading import Loaded, load_model, load_plain
from serving.embedded.models.running import Running
from serving.embedded.models.servables import Servable
from serving.embedded.models.trimming import give_back_memory
from serving.embedded.options import ServerOptions
from serving.protocol import READY, STOPPING, UNAVAILABLE, parse_version

UNLOADED = "unloaded"
"""Why a model does not answer that nobody asked for."""


class ModelStore(Inventory):
    """The models of a repository; safe to use from any thread.

    Args:
        root: the repository's folder.
        options: how they are run, and who is told what an operator wants to know.

    Attributes:
        requests: that are in the server: as many as a full queue and a full batch.
        catalogue: what the repository has.
        cache: of the vectors of all models; None without one.

    Raises:
        RepositoryError: no such folder.
    """

    def __init__(self, root: Path | str, options: ServerOptions) -> None:
        super().__init__()
        self._repository, self._options, self._report = open_repository(root), options, options.report
        self.requests = Running(options.max_queue + MAX_BATCH_SIZE, options.max_running_bytes)
        self._decoder = Decoder(options)
        self.cache = RowCache(int(options.cache_mb * MB)) if options.cache_mb else None
        self._unread: dict[str, str] = {}  # why folders of the repository could not even be looked at
        self._loading = threading.Lock()  # one load or unload at a time
        self._stopping = self._is_leaving = self._is_loaded = False
        self._watchers: list[Callable[[], None]] = []
        self.catalogue = Catalogue(self._repository, self._is_ours_here)

    def watch(self, call: Callable[[], None]) -> None:
        """Have a function called after every change of what is served."""
        self._watchers.append(call)

    @property
    def is_ready(self) -> bool:
        """Whether requests should be sent: the first loads have ended, and the server is not about to stop.

        With `strict_readiness` also whether all is served that should be.
        """
        if not self._is_loaded or self._is_leaving or self._stopping:
            return False
        if not self._options.strict_readiness:
            return True
        with self._changed:
            failed = any(why != UNLOADED for family in self._families.values() for why in family.reasons.values())
            return not (failed or self._unread)

    @property
    def is_stopping(self) -> bool:
        """Whether new requests are refused for good."""
        return self._stopping

    @property
    def control(self) -> str:
        """Who decides what is served; see ServerOptions."""
        return self._options.control

    def leave(self) -> None:
        """Say from now on that the server is not ready, and go on answering."""
        self._is_leaving = True
        self._tell()

    @property
    def device(self) -> str:
        """`cpu`, `cuda` or `tensorrt`."""
        return self._options.device

    @property
    def largest_image_bytes(self) -> int:
        """Of the encoded images that the models of the repository take."""
        root, given = self._repository.root, self._options.max_image_mb
        limits = [server_limits(root / (name + DECODE_SUFFIX), max_image_mb=given) for name in self._repository.names()]
        return max((each.max_bytes for each in limits), default=SERVER_LIMITS.max_bytes)

    @contextmanager
    def first_loads(self) -> Iterator[None]:
        """A context in which models are loaded for the first time: what is not there yet may be on its way."""
        self._is_loading = True
        try:
            yield
        finally:
            self._is_loaded, self._is_loading = True, False
            self._tell()

    def load(self, name: str, *, with_companions: bool = False) -> None:
        """Read a model again and serve what its config now says; on failure what was served goes on.

        Args:
            name: any of the three; NAME_encoded brings the other two along.

        Raises:
            RepositoryError: no such model, or its config cannot be read.
            ArtifactError: a version of it cannot be loaded.
            UnavailableError: the server is stopping.
        """
        with self._loading:
            if self._stopping:
                raise UnavailableError(STOPPING)
            base = self.catalogue.unit_of(name)
            is_plain = self._is_plain(base)
            family = self._families.get(base, Family(base, is_plain))
            wanted = family.wanted | (set(SUFFIXES) if with_companions else NEEDS[name.removeprefix(base)])
            loaded = self._read(name, base, family, is_plain=is_plain)
            if loaded.failures and (loaded.is_empty() or not family.loaded.is_empty()):
                loaded.close(but=family.loaded)
                give_back_memory()
                with self._changed:
                    family.reasons |= {key: why for key, why in loaded.failures.items() if key not in family.loaded}
                    self._families.setdefault(base, family)
            else:
                self._install(base, family, loaded, wanted)
        for (failed, version), reason in loaded.failures.items():
            self._report(f"model {failed!r} version {version} failed to load: {reason}")
        if loaded.failures:
            (failed, version), reason = next(iter(loaded.failures.items()))
            of_version = f"version {version} is at UNAVAILABLE state: {reason};" if version else reason
            raise ArtifactError(f"load failed for model '{failed}': {of_version}")

    def unload(self, name: str, *, dependents: bool = False) -> None:
        """Stop serving a name and those that need it, once their requests are answered; unknown names are no error.

        Args:
            dependents: unload NAME and NAME_decode too, where `name` is NAME_encoded.
        """
        with self._loading:
            family = self._families.get(self._key(name))
            if family is None:
                return
            base, suffix = family.base, name.removeprefix(family.base)
            wanted = family.wanted - (NEEDS[suffix] if dependents else {suffix})
            loaded = family.loaded if "" in wanted else Loaded()
            self._install(base, family, loaded, wanted)

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
            self.requests.begin(num_bytes)
            lease = servable.lease()
            lease.__enter__()
        try:
            yield servable
        finally:
            lease.__exit__(None, None, None)
            self.requests.end(num_bytes)

    def index(self, *, only_ready: bool = False) -> list[IndexEntry]:
        """Every name and version that answers; else also what does not, with the reason."""
        with self._changed:
            entries = self._entries()
        if only_ready:
            return _sorted(entry for entry in entries if entry.state == READY)
        seen = {entry.name for entry in entries}
        absent = dict.fromkeys(self.catalogue.addressable(), UNLOADED) | self._unread
        entries += [IndexEntry(name, "", UNAVAILABLE, why) for name, why in absent.items() if name not in seen]
        return _sorted(entries)

    def stop_accepting(self) -> None:
        """Refuse new requests from now on."""
        with self._changed:
            self._stopping = True

    def close(self) -> None:
        """Free everything; requests that still wait are refused."""
        with self._changed:
            self._stopping = True
        with self._loading:
            for family in self._families.values():
                family.loaded.close(drain=False)
            self._decoder.close()

    def _read(self, name: str, base: str, family: Family, *, is_plain: bool) -> Loaded:
        failed = RepositoryError(f"failed to load '{name}', failed to poll from model repository")
        if not has_name_form(base):
            if base in self.catalogue.units():
                self._unread[base] = "its name is none of a model: letters, digits, '_', '-' and '.'"
            raise failed
        try:
            if is_plain:
                loaded = load_plain(self.catalogue.plain(base), self._options, reuse=family.loaded.plain)
            else:
                published, reuse = self.catalogue.published(base), family.loaded.networks
                loaded = load_model(published, self._options, self._decoder, self.cache, reuse=reuse)
        except (RepositoryError, ArtifactError, OSError) as error:
            self._report(f"model {name!r} cannot be loaded: {error}")
            self._unread |= {base: str(error)} if (self._repository.root / base).is_dir() else {}
            raise failed from None
        self._unread.pop(base, None)
        if name not in loaded.configs and not loaded.failures:
            loaded.close(but=family.loaded)
            raise failed
        return loaded

    def _install(self, base: str, family: Family, loaded: Loaded, wanted: Set[str]) -> None:
        """Put a family in the place of what is served, and close the networks that it no longer has."""
        old = [family.loaded]
        with self._changed:
            self._families[base] = family.successor(loaded, wanted)
            if not loaded.is_plain:  # what was another people's model, while the config of ours did not parse
                stale = [name for name in names_of(base)[1:] if name in self._families]
                old += [self._families.pop(name).loaded for name in stale]
        self._tell()
        for each in old:
            each.close(but=loaded)
        if not all(each.is_empty() for each in old):
            give_back_memory()

    def forget(self, unit: str) -> None:
        """Unload what is no longer in the repository, and know it no longer."""
        family = self._families.get(unit)
        for name in family.names() if family else ():
            self.unload(name)
        with self._changed:
            self._families.pop(unit, None)
            self._unread.pop(unit, None)

    def _is_ours_here(self, base: str) -> bool:
        """Whether a network of ours of that name is in memory."""
        family = self._families.get(base)
        return family is not None and not family.is_plain and not family.loaded.is_empty()

    def _is_plain(self, unit: str) -> bool:
        return self.catalogue.is_plain(unit) and not self._is_ours_here(unit)

    def _tell(self) -> None:
        for call in self._watchers:
            call()


def _sorted(entries: Iterable[IndexEntry]) -> list[IndexEntry]:
    """By name, then by number."""
    return sorted(entries, key=lambda entry: (entry.name, len(entry.version), entry.version))
