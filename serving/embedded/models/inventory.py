"""The models that are in memory, and what each addressable name answers."""

from __future__ import annotations

import threading

from artifact.errors import ModelNotFoundError, UnavailableError
from artifact.repository.triton_config import ModelConfig
from serving.embedded.models.families import Family, IndexEntry, name_parts
from serving.embedded.models.records import with_measured
from serving.embedded.models.servables import Network, Servable
from serving.protocol import READY, parse_version

LOADING = "Server is still loading its models"


class Inventory:
    """Families by the names of their models; safe to use from any thread."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}
        self._changed = threading.Lock()  # guards what is read by requests
        self._is_loading = False

    def names(self) -> list[str]:
        """The names that answer, sorted."""
        with self._changed:
            return sorted({entry.name for entry in self._entries() if entry.state == READY})

    def versions(self, name: str) -> list[int]:
        """The versions of a name that answer, ascending; empty for a name that is not there."""
        with self._changed:
            return sorted(self._family(name).servables(name))

    def servables(self) -> list[tuple[str, Servable]]:
        """Every name that answers with each of its versions, sorted."""
        with self._changed:
            found = [
                (name, servable)
                for family in self._families.values()
                for name in family.names()
                for servable in family.servables(name).values()
            ]
        return sorted(found, key=lambda each: (each[0], each[1].version))

    def networks(self) -> list[Network]:
        """Every network of ours that is loaded, in the order of names and versions."""
        with self._changed:
            families = [self._families[base] for base in sorted(self._families)]
        return [family.loaded.networks[version] for family in families for version in sorted(family.loaded.networks)]

    def config(self, name: str, version: str = "") -> ModelConfig:
        """The config of a name that answers, with the settings that were measured here; raises what `find` raises."""
        with self._changed:
            found = self._find(name, parse_version(version))
            config = self._family(name).loaded.config(name, found.version)
        return with_measured(config, found.tuned) if found.tuned else config

    def find(self, name: str, version: str = "") -> Servable:
        """The servable of a name; version "" is the newest served.

        Raises:
            InvalidRequestError: a version that is no number.
            ModelNotFoundError: no such name or version.
            UnavailableError: a version that was served and is not now, or may still come with the first loads.
        """
        with self._changed:
            return self._find(name, parse_version(version))

    def _find(self, name: str, number: int | None) -> Servable:
        try:
            return self._family(name).find(name, number)
        except ModelNotFoundError:
            if self._is_loading:
                raise UnavailableError(LOADING) from None
            raise

    def _key(self, name: str) -> str:
        """The name of the family that an addressable name belongs to."""
        base = name_parts(name)[0]
        ours = self._families.get(base)
        return base if ours is not None and not ours.is_plain else name

    def _family(self, name: str) -> Family:
        """The family of an addressable name; an empty one where it is not there."""
        key = self._key(name)
        return self._families.get(key) or Family(key)

    def _entries(self) -> list[IndexEntry]:
        return [entry for family in self._families.values() for entry in family.entries()]
