"""Lineage: the artifact that gave a table its vectors, in its schema metadata, and the refusals that follow from it.

Vectors of two spaces are never mixed, and none are compared by another distance than their artifact was trained with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from artifact.distances import DISTANCES, check_distance
from artifact.errors import DataError, SpaceError, UsageError
from artifact.prefixes import require_promised

METADATA_KEY = b"lookalike.lineage"


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """The artifact that gave the vectors.

    Attributes:
        artifact: its name.
        version: its version in the repository, or "" where it came from a file.
        digest: its key.
        space: vectors of one space can be compared, whichever artifact of it gave them.
        distance: a name in artifact.distances.DISTANCES.
        normalized: True where every vector has length 1.
        kind, mode: siamese, triplet or quartet; branch or full.
        dims: D where the vectors are prefixes, the first D numbers of those that the artifact gives; None: whole ones.
        prefixes: (D, its threshold or None) of each shorter prefix that the artifact promises, ascending.
        threshold: two images are the same iff the distance of these very vectors is at most this; None where there is
            none, and in tables from before it was told for artifacts that promise no prefixes.
    """

    artifact: str
    version: str | int
    digest: str
    space: str
    distance: str
    normalized: bool
    kind: str = ""
    mode: str = ""
    dims: int | None = None
    prefixes: tuple[tuple[int, float | None], ...] = ()
    threshold: float | None = None

    def cut(self, dims: int, *, whole: int, where: object) -> Lineage:
        """Where the first `dims` numbers of vectors of this lineage come from.

        Args:
            whole: numbers of a vector as it is.
            where: the table, for messages.

        Raises:
            UsageError: no such prefix is promised.
        """
        promised = [each for each, _ in self.prefixes]
        require_promised(dims, promised, whole=whole, where=where)
        if dims == whole:
            return self
        at = promised.index(dims)
        return replace(self, dims=dims, prefixes=self.prefixes[:at], threshold=self.prefixes[at][1])

    def to_dict(self) -> dict[str, Any]:
        """Its facts for JSON; without those on prefixes where there are none."""
        facts = asdict(self)
        return {key: value for key, value in facts.items() if key not in _OF_PREFIXES or value not in (None, ())}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Lineage:
        """What `to_dict` gave; facts of a later version are left alone; raises ValueError or TypeError."""
        known = {key: facts[key] for key in cls.__dataclass_fields__ if key in facts}
        known["prefixes"] = tuple((int(dims), threshold) for dims, threshold in known.get("prefixes", ()))
        return cls(**known)

    def to_metadata(self) -> dict[bytes, bytes]:
        """Arrow schema metadata: {b"lookalike.lineage": JSON}."""
        return {METADATA_KEY: json.dumps(self.to_dict(), sort_keys=True).encode()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[bytes, bytes] | None, *, where: object = None) -> Lineage | None:
        """Read what `to_metadata` wrote; None where there is none; facts of a later version are left alone.

        Raises:
            DataError: the entry is not a lineage.
        """
        if not metadata or METADATA_KEY not in metadata:
            return None
        try:
            return cls.from_dict(json.loads(metadata[METADATA_KEY]))
        except (ValueError, TypeError) as error:
            raise DataError(
                "lineage", expected=f"JSON under {METADATA_KEY.decode()}", got=str(error), where=where
            ) from None

    def __str__(self) -> str:
        version = f" version {self.version}" if self.version != "" else ""
        first = f", first {self.dims} numbers" if self.dims is not None else ""
        return f"{self.artifact}{version} (space {self.space[:12]}{first})"


_OF_PREFIXES = ("dims", "prefixes", "threshold")


def require_same_space(
    a: Lineage | None,
    b: Lineage | None,
    *,
    names: tuple[str, str] = ("the first", "the second"),
    vouched: bool = False,
) -> None:
    """Refuse vectors that cannot be compared.

    Two tables that both carry no lineage pass: they are not ours, and their owner knows. One with and one
    without do not, unless somebody vouches for the one without: pandas loses the lineage of vectors that are ours.

    Args:
        a, b: lineage of each table.
        names: what to call the tables in the message, such as their paths.
        vouched: let one without a lineage pass; two lineages must be of one space all the same.

    Raises:
        SpaceError: names both.
    """
    if vouched and (a is None or b is None):
        return
    if (a.space if a else None) == (b.space if b else None):
        _require_same_dims(a, b, names)
        return
    shown = [f"{name} of {lineage or 'unknown origin'}" for name, lineage in zip(names, (a, b), strict=True)]
    raise SpaceError(
        "vectors of two spaces",
        expected="vectors of one model in one precision",
        got=" and ".join(shown),
        mend="score both tables with the same model",
    )


def _require_same_dims(a: Lineage | None, b: Lineage | None, names: tuple[str, str]) -> None:
    """Refuse a prefix of a vector beside another one or a whole vector; raises SpaceError."""
    sides = [(name, lineage.dims if lineage else None) for name, lineage in zip(names, (a, b), strict=True)]
    if sides[0][1] == sides[1][1]:
        return
    shown = [f"{name} of {'whole vectors' if dims is None else f'{dims} numbers'}" for name, dims in sides]
    shorter = min(dims for _, dims in sides if dims is not None)
    raise SpaceError(
        "vectors and prefixes of them",
        expected="as many numbers of each vector",
        got=" and ".join(shown),
        where=a,
        mend=f"cut the longer ones with --dims {shorter} where they are read, or score both with it",
    )


def table_distance(lineage: Lineage | None, distance: str | None, *, where: str) -> str:
    """The distance of a table of vectors: the one its artifact was trained with, or the one named where it has none.

    Raises:
        UsageError: neither, an unknown one, or one that contradicts the lineage.
    """
    if distance is not None:
        check_distance(distance)
    if lineage is None:
        if distance is None:
            raise UsageError(
                "distance",
                expected="a name, for vectors without lineage",
                got="none",
                where=where,
                mend=f"name one of {', '.join(DISTANCES)} with --distance (in Python, distance=...)",
            )
        return distance
    check_distance(lineage.distance)
    if distance not in (None, lineage.distance):
        raise UsageError(
            "distance", expected=f"{lineage.distance}, as {lineage.artifact} was trained", got=distance, where=where
        )
    return lineage.distance


def distance_of_two(
    a: Lineage | None, b: Lineage | None, distance: str | None, *, names: tuple[str, str] = ("the first", "the second")
) -> str:
    """The distance to compare the vectors of two tables by: that of either lineage, or the one named where none is.

    A distance that is named vouches for a table without a lineage: its vectors are of the other's space.

    Args:
        a, b: lineage of each table.
        names: what to call the tables in messages, such as their paths.

    Raises:
        SpaceError: vectors of two spaces, or of one that is known and one that is not with no distance named.
        UsageError: as `table_distance`, of the table that has a lineage.
    """
    require_same_space(a, b, names=names, vouched=distance is not None)
    known, where = (b, names[1]) if a is None and b is not None else (a, names[0])
    return table_distance(known, distance, where=where)
