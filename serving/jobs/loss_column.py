"""The loss of each row of a scored table of tuples, and of pairs whether they are different, as columns of the output.

Decisions a reader would question:
- The schema carries it all: the field `loss` says in its metadata which loss with which margins it is, and from which
  column the target came. So a part that is made later, or elsewhere, has the same column, and its reader knows it.
- The target of pairs comes out as one bool column `different` in the place of the table's own, which may be the
  opposite (`same`), or have the name of the decision at the threshold. What is neither 0 nor 1 stops the job; a row
  without a target has no loss.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifact.errors import UsageError
from artifact.losses.row_loss import RowLoss, row_loss
from artifact.model.manifest import Manifest
from rows.pair_target import DIFFERENT, TARGET_ROLES, find_target, is_different
from rows.tables import ImageTable
from rows.vectors.cut_vectors import LOSS_KEY

LOSS = "loss"


@dataclass(frozen=True, kw_only=True)
class LossColumn:
    """The loss that fills the column, and the target of pairs; made by `loss_column`, or from a part's schema.

    Attributes:
        loss: of the artifact.
        target: of pairs: (`different` or `same`, the copied column that says so).
    """

    loss: RowLoss
    target: tuple[str, str] | None

    @property
    def fields(self) -> list[pa.Field[Any]]:
        """Of the output: `different` for pairs, then `loss`."""
        facts = {"name": self.loss.name, "kind": self.loss.kind, "margins": self.loss.margins, "target": self.target}
        loss = pa.field(LOSS, pa.float32(), metadata={LOSS_KEY: json.dumps(facts).encode()})
        return [loss] if self.target is None else [pa.field(DIFFERENT, pa.bool_()), loss]

    def __str__(self) -> str:
        margins = [f"{name} {value:g}" for name, value in self.loss.margins.items()]
        pairs = [] if self.target is None else [f"1 in {self.target[1]} = {self.target[0]}"]
        return f"loss of {', '.join([self.loss.name, *margins, *pairs])}"

    def kept(self, copied: pa.Schema) -> pa.Schema:
        """The copied columns without the target, whose place `different` takes."""
        gone = self.target[1] if self.target is not None else None
        return pa.schema([field for field in copied if field.name == "id" or field.name != gone])

    @classmethod
    def from_schema(cls, schema: pa.Schema) -> LossColumn | None:
        """Of the parts with this schema; None where they have no loss."""
        told = (schema.field(LOSS).metadata or {}).get(LOSS_KEY) if LOSS in schema.names else None
        if told is None:
            return None
        facts = json.loads(told)
        target = None if facts["target"] is None else (str(facts["target"][0]), str(facts["target"][1]))
        return cls(loss=RowLoss(name=facts["name"], kind=facts["kind"], margins=facts["margins"]), target=target)

    def columns(
        self, distances: Mapping[str, npt.NDArray[Any]], copied: pa.Table, rows: npt.NDArray[np.int64]
    ) -> dict[str, pa.ChunkedArray[Any]]:
        """The columns of `fields` for some rows.

        Args:
            distances: {`distance_<a>_<b>`: float32 [K]}.
            copied: the K rows' copied columns, the target among them.
            rows: int64 [K], their numbers in the table, for messages.

        Raises:
            DataError: a target that is neither 0 nor 1.
        """
        if self.target is None:
            return {LOSS: pa.chunked_array([pa.array(self.loss(distances))])}
        cells = zip(copied[self.target[1]].to_pylist(), rows, strict=True)
        flags = [is_different(value, self.target, place=f"row {row}", may_be_empty=True) for value, row in cells]
        unknown = np.array([flag is None for flag in flags], np.bool_)
        different = np.array([flag is True for flag in flags], np.bool_)
        losses = self.loss(distances, different)
        columns = {DIFFERENT: different, LOSS: losses}
        return {name: pa.chunked_array([pa.array(values, mask=unknown)]) for name, values in columns.items()}


def loss_column(manifest: Manifest, table: ImageTable, target: tuple[str, str] | None = None) -> LossColumn:
    """The column of the loss that an artifact was trained with, for a table.

    Args:
        target: of pairs: (`different` or `same`, copied column); by default the copied column of either name.

    Raises:
        UsageError: the artifact does not say its loss, or it cannot be told of rows; the table has no tuples.
        DataError: pairs without a target.
    """
    loss = row_loss(
        manifest.loss,
        kind=manifest.kind,
        margin=manifest.margin,
        margin2=manifest.margin2,
        cap=manifest.cap,
        where=f"artifact {manifest.name}",
    )
    copied = table.copied_schema.names
    if set(table.streams) != set(manifest.streams):
        raise UsageError(
            "loss of each row",
            expected=f"a table with {', '.join(manifest.streams)}",
            got=", ".join(table.streams),
            where=table.source,
        )
    if not loss.needs_target:
        return LossColumn(loss=loss, target=None)
    role, column = target or loss_target(copied, where=str(table.source))
    if role not in TARGET_ROLES:
        raise UsageError("role of the target of pairs", expected=" or ".join(TARGET_ROLES), got=role)
    if column not in copied:
        raise UsageError(
            f'target "{column}" of pairs',
            expected=f"a copied column ({', '.join(copied)})",
            got="none",
            where=table.source,
            mend="copy it",
        )
    return LossColumn(loss=loss, target=(role, column))


def loss_target(names: Sequence[str], *, where: str) -> tuple[str, str]:
    """(`different` or `same`, the column of that name) among the columns of a table; raises DataError."""
    return find_target({name: name for name in names}, names, what="loss of pairs", where=where)
