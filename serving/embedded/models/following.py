"""What a server loads without anybody asking: at its start, and in control mode poll what changes in the repository."""

from __future__ import annotations

from contextlib import suppress

from artifact.errors import LookalikeError
from serving.embedded.models.polling import Watch
from serving.embedded.models.store import ModelStore
from serving.embedded.options import ServerOptions
from serving.protocol import READY

_EVERYTHING = "*"
"""What Triton's --load-model says for every model."""


class Following:
    """Keeps the models of a store as its repository has them, as far as the options say.

    Args:
        store: the models.
        options: `control`, `poll_s`, `load_models`.
    """

    def __init__(self, store: ModelStore, options: ServerOptions) -> None:
        self._store, self._report = store, options.report
        self._named = [] if _EVERYTHING in options.load_models else list(options.load_models)
        polls = options.control == "poll"
        look = store.catalogue.snapshots
        self._watch = Watch(look, self._load, self._unload, options.poll_s) if polls else None

    def start(self) -> None:
        """Load every model of the repository, or those that the options name; failures are reported and listed.

        Raises:
            ModelNotFoundError: a model that the options name and the repository does not have.
        """
        for name in self._named:
            self._store.catalogue.require(name)
        if self._watch is not None:
            self._watch.take_as_is()
        with self._store.first_loads():
            for name in self._named or self._store.catalogue.units():
                with suppress(LookalikeError):  # reported, and in the index
                    self._store.load(name, with_companions=not self._named)
        if not any(entry.state == READY for entry in self._store.index(only_ready=True)):
            root = self._store.catalogue.root
            self._report(f"no model to serve in {root}; `lookalike export` publishes one")
        if self._watch is not None:
            self._watch.start()

    def stop(self) -> None:
        """Load nothing more."""
        if self._watch is not None:
            self._watch.stop()

    def _load(self, unit: str) -> None:
        with suppress(LookalikeError):  # reported, and in the index
            self._store.load(unit, with_companions=True)
            self._report(f"model {unit!r} was loaded as the repository has it now")

    def _unload(self, unit: str) -> None:
        self._store.forget(unit)
        self._report(f"model {unit!r} was unloaded: it is no longer in the repository")
