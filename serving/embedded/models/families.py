"""A published model under its three names: what is loaded of it, which of the names are wanted, and what answers.

The names are NAME (pixels to vectors), NAME_decode (encoded images to pixels) and NAME_encoded (encoded images to
vectors). They load together, so that one never runs with another version's part. Another people's model has one name.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field

from artifact.errors import ModelNotFoundError, UnavailableError
from artifact.repository.triton_config import DECODE_SUFFIX, ENCODED_SUFFIX
from serving.embedded.models.loading import Loaded
from serving.embedded.models.servables import Servable
from serving.protocol import READY, UNAVAILABLE

SUFFIXES = ("", DECODE_SUFFIX, ENCODED_SUFFIX)
NEEDS = {"": {""}, DECODE_SUFFIX: {"", DECODE_SUFFIX}, ENCODED_SUFFIX: set(SUFFIXES)}
"""The suffixes that have to be loaded for each of the three names."""


@dataclass(frozen=True)
class IndexEntry:
    """One line of the repository's index: `reason` says why a version is not ready."""

    name: str
    version: str
    state: str
    reason: str = ""


@dataclass
class Family:
    """A model's three names, or its one.

    Attributes:
        base: NAME.
        is_plain: whether it is another people's model; then its name may end as a companion's does.
        loaded: what is in memory.
        wanted: the suffixes that are to answer.
        reasons: {(addressable name, version): why it does not answer}; version 0 where that is of no one version.
    """

    base: str
    is_plain: bool = False
    loaded: Loaded = field(default_factory=Loaded)
    wanted: Set[str] = frozenset()
    reasons: dict[tuple[str, int], str] = field(default_factory=dict)

    def successor(self, loaded: Loaded, wanted: Set[str]) -> Family:
        """What takes this one's place: it knows why versions that answered before do not any more."""
        known = {key: why for key, why in self.reasons.items() if key[1]} | dict.fromkeys(self.served(), "unloaded")
        family = Family(self.base, loaded.is_plain, loaded, wanted)
        now = family.served()
        family.reasons = {key: why for key, why in (known | loaded.failures).items() if key not in now}
        return family

    def served(self) -> set[tuple[str, int]]:
        """(addressable name, version) of all that answer."""
        return {(name, number) for name in self.names() for number in self.servables(name)}

    def names(self) -> list[str]:
        """The names under which it may answer."""
        return [self.base] if self.is_plain else names_of(self.base)

    def servables(self, name: str) -> dict[int, Servable]:
        """{version: servable} of one of the names; empty where it does not answer."""
        if not self.wanted >= NEEDS["" if self.is_plain else name_parts(name)[1]]:
            return {}
        return self.loaded.servables.get(name, {})

    def find(self, name: str, number: int | None) -> Servable:
        """The servable of one of the names; `None` is the newest served.

        Raises:
            ModelNotFoundError: no such name or version.
            UnavailableError: a version that was served and is not now.
        """
        servables = self.servables(name)
        if number is None and servables:
            return servables[max(servables)]
        if number in servables:
            return servables[number]
        known = {version: why for (known_name, version), why in self.reasons.items() if known_name == name}
        if number in known and number:
            raise UnavailableError(f"Request for unknown model: '{name}' version {number} is not at ready state")
        if servables or (number is not None and known):
            raise ModelNotFoundError(f"Request for unknown model: '{name}' version {number} is not found")
        reason = "has no available versions" if known else "is not found"
        raise ModelNotFoundError(f"Request for unknown model: '{name}' {reason}")

    def entries(self) -> list[IndexEntry]:
        """Its lines of the index."""
        ready = [IndexEntry(name, str(number), READY) for name, number in self.served()]
        return ready + [
            IndexEntry(name, str(number or ""), UNAVAILABLE, why) for (name, number), why in self.reasons.items()
        ]


def name_parts(name: str) -> tuple[str, str]:
    """NAME and the suffix of an addressable name."""
    for suffix in (DECODE_SUFFIX, ENCODED_SUFFIX):
        if name.endswith(suffix):
            return name.removesuffix(suffix), suffix
    return name, ""


def names_of(base: str) -> list[str]:
    """The three addressable names of a model."""
    return [base + suffix for suffix in SUFFIXES]
