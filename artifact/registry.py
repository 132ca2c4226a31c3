"""Registry: objects by their names, in the order given."""

from __future__ import annotations

from typing import Protocol, TypeVar


class Named(Protocol):
    """Anything with a name of its own."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


def registry(*entries: T) -> dict[str, T]:
    """{name: entry}; raises ValueError where two have one name."""
    found: dict[str, T] = {}
    for entry in entries:
        if entry.name in found:
            raise ValueError(f"two entries of the name {entry.name!r}; give one of them another")
        found[entry.name] = entry
    return found
