"""Lineage: the artifact that gave a table its vectors, in its schema metadata, and the refusals that follow from it.

Vectors of two spaces are never mixed, and none are compared by another distance than their artifact was trained with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from artifact.distances import DISTANCES, check_distance
from artifact.errors import DataError, SpaceError, UsageError

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
    """

    artifact: str
    version: str | int
    digest: str
    space: str
    distance: str
    normalized: bool
    kind: str = ""
    mode: str = ""

    def to_metadata(self) -> dict[bytes, bytes]:
        """Arrow schema metadata: {b"lookalike.lineage": JSON}."""
        return {METADATA_KEY: json.dumps(asdict(self), sort_keys=True).encode()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[bytes, bytes] | None, *, where: object = None) -> Lineage | None:
        """Read what `to_metadata` wrote; None where there is none; facts of a later version are left alone.

        Raises:
            DataError: the entry is not a lineage.
        """
        if not metadata or METADATA_KEY not in metadata:
            return None
        try:
            values: dict[str, Any] = json.loads(metadata[METADATA_KEY])
            return cls(**{key: values[key] for key in cls.__dataclass_fields__ if key in values})
        except (ValueError, TypeError) as error:
            raise DataError(
                "lineage", expected=f"JSON under {METADATA_KEY.decode()}", got=str(error), where=where
            ) from None

    def __str__(self) -> str:
        version = f" version {self.version}" if self.version != "" else ""
        return f"{self.artifact}{version} (space {self.space[:12]})"


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
    if (a.space if a else None) == (b.space if b else None) or (vouched and (a is None or b is None)):
        return
    shown = [f"{name} of {lineage or 'unknown origin'}" for name, lineage in zip(names, (a, b), strict=True)]
    raise SpaceError(
        "vectors of two spaces",
        expected="vectors of one model in one precision",
        got=" and ".join(shown),
        mend="score both tables with the same model",
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
