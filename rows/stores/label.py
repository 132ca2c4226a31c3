"""Labels of collections: facts of their vectors, kept with them in the store, so that spaces never mix there either.

Decision a reader would question: a collection without a label is somebody else's and is never written to nor removed,
not even with --recreate: its columns, ids and distances are its owner's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from artifact.distances import DISTANCES
from artifact.errors import OutputError, SpaceError, UsageError
from rows.vectors.lineage import Lineage, require_same_space

KEY = "lookalike"
"""Name under which stores with named metadata keep the label."""

T = TypeVar("T")

OTHER = "choose another --collection, or replace this one with --recreate"


@dataclass(frozen=True, kw_only=True)
class Label:
    """Facts of a collection that all its rows share.

    Attributes:
        column: the vector column that was pushed.
        dim: numbers in a vector.
        distance: a name in artifact.distances.DISTANCES.
        id_type: "integer" or "text".
        lineage: None for vectors that no Lookalike artifact gave.
    """

    column: str
    dim: int
    distance: str
    id_type: str
    lineage: Lineage | None

    def metric(self, metrics: Mapping[str | None, T]) -> T:
        """The store's own name of the distance, from {product: metric}; raises UsageError where it has none."""
        product = DISTANCES[self.distance].product
        if product not in metrics:
            known = [name for name, facts in DISTANCES.items() if facts.product in metrics]
            raise UsageError("distance of a store", expected=f"one of {', '.join(known)}", got=self.distance)
        return metrics[product]

    def to_text(self) -> str:
        """JSON, which `from_text` reads."""
        lineage = self.lineage.to_dict() if self.lineage else None
        return json.dumps(asdict(self) | {"lineage": lineage}, sort_keys=True)

    @classmethod
    def from_text(cls, text: str | None, *, collection: str, where: str) -> Label:
        """Read the label of a collection that is there.

        Args:
            text: None or anything else that is no label: not ours.

        Raises:
            OutputError: `lookalike push` did not make the collection.
        """
        try:
            values: dict[str, Any] = json.loads(text or "")
            known = {key: values[key] for key in cls.__dataclass_fields__}
            lineage = known["lineage"]
            if lineage is not None:
                lineage = Lineage.from_dict(lineage)
            return replace(cls(**known), lineage=lineage)
        except (ValueError, KeyError, TypeError):
            raise OutputError(
                f'collection "{collection}"',
                expected="one that lookalike push made",
                got="another's",
                where=where,
                mend="choose another --collection",
            ) from None

    def require_same(self, pushed: Label, *, collection: str, where: str) -> None:
        """Refuse rows that do not belong beside those already there.

        Raises:
            SpaceError: vectors of another space.
            OutputError: another column, distance or type of id.
        """
        try:
            require_same_space(self.lineage, pushed.lineage, names=(f'collection "{collection}"', "the pushed table"))
        except SpaceError as error:
            raise error.but(where=where, mend=OTHER) from None
        for fact in ("column", "dim", "distance", "id_type"):
            there, ours = getattr(self, fact), getattr(pushed, fact)
            if there != ours:
                raise OutputError(
                    f'{fact} of collection "{collection}"',
                    expected=str(there),
                    got=str(ours),
                    where=where,
                    mend=OTHER,
                )
