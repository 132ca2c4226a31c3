"""The survey of a plain tar: what its headers tell before any row is read."""

from __future__ import annotations

from dataclasses import dataclass, field

from rows.formats.source import LABEL
from rows.formats.tar_archive import BROKEN, archive, link_target, members, plain_name
from rows.formats.tar_keys import KeySketch
from rows.formats.tar_members import Sieve
from rows.location import Location

_MAX_LINKS = 8


@dataclass(frozen=True)
class TarSurvey:
    """What the headers tell.

    Attributes:
        has_returning: a key comes back behind another one.
        links: name of a link -> the name that it means.
        spans: (offset, size) of what they mean, by name.
        has_label: a member is a label.
        sieve: what is passed over.
    """

    has_returning: bool = False
    links: dict[str, str] = field(default_factory=dict)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    has_label: bool = False
    sieve: Sieve = field(default_factory=Sieve)

    def followed(self, name: str) -> tuple[int, int] | None:
        """Where what a link means lies; None where it is not there."""
        for _ in range(_MAX_LINKS):
            name = self.links.get(name, name)
            if name in self.spans:
                return self.spans[name]
        return None


def survey_of(path: Location) -> TarSurvey:
    """Look at all headers, up to where they break: whoever reads the rows comes to it, and tells."""
    keys, last, has_returning, has_label = KeySketch(), None, False, False
    sieve = Sieve()
    links: dict[str, str] = {}
    spans: dict[str, tuple[int, int]] = {}
    try:
        with archive(path) as (tar, _):
            for key, column, member, _ in sieve.cells_of(tar):
                has_returning = has_returning or (key != last and not keys.add(key))
                has_label = has_label or column == LABEL
                last = key
                if (target := link_target(member)) is not None:
                    links[plain_name(member.name)] = target
        if links:
            wanted = set(links.values())
            with archive(path) as (tar, _):
                for member in members(tar):
                    if member.isreg() and plain_name(member.name) in wanted:
                        spans[plain_name(member.name)] = (member.offset_data, member.size)
    except BROKEN:
        pass
    return TarSurvey(has_returning, links, spans, has_label, sieve)
