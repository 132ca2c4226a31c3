"""Rows of attributes as callers hand them over, and who is sent to the other tower's artifact with what he has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa

from artifact.attributes import Attributes
from artifact.errors import AttributeColumnError, UsageError
from artifact.kinds import ATTRIBUTES
from artifact.model.manifest import Manifest
from artifact.modes import MODES, TOWERS
from rows.attribute_rows import AttributeRow, attribute_rows
from rows.attribute_tables import OWN_NAMES, open_attribute_table
from serving.client.windows import ROWS_PER_WINDOW

AttributeStream: TypeAlias = "Mapping[str, Sequence[AttributeRow]]"
AttributeColumns: TypeAlias = "Mapping[str, Sequence[Any] | pa.Array[Any] | pa.ChunkedArray[Any]] | pa.Table"


def attribute_windows(given: AttributeColumns, attributes: Attributes) -> Iterator[AttributeStream]:
    """Windows of the stream `attributes`; what is given is looked at before the first.

    Args:
        given: {attribute: its values}, all as long, those not named missing; or a table, which may hold other columns
            besides.

    Raises:
        UsageError: names that are no attributes, or columns of two lengths.
        DataError: a table without any of the attributes.
    """
    if isinstance(given, pa.Table):
        if not given.num_rows:
            return iter(())
        try:
            table = open_attribute_table(_without_ids(given, attributes), attributes)
        except AttributeColumnError as error:
            raise error.but(mend=OWN_NAMES) from None
        return ({ATTRIBUTES: batch.attributes} for batch in table.batches(ROWS_PER_WINDOW))
    if not isinstance(given, Mapping) or not given:
        got = type(given).__name__ if not isinstance(given, Mapping) else "none"
        raise UsageError("attributes", expected="{name: values}, or an Arrow table", got=got)
    for name, values in given.items():
        attributes.require(name)
        if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
            got = f"one value, {values!r}"
            raise UsageError(f"attribute {name!r}", expected="a list of values", got=got, mend="put it in a list")
    lengths = {name: len(values) for name, values in given.items()}
    if len(set(lengths.values())) > 1:
        got = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise UsageError("attributes", expected="as many values of each", got=got)
    num_rows = next(iter(lengths.values()))
    return (_window(given, attributes, at, num_rows) for at in range(0, num_rows, ROWS_PER_WINDOW))


def _without_ids(given: pa.Table, attributes: Attributes) -> pa.Table:
    """The table without a column of ids, which have rules of their own: nothing here is given back by id."""
    ids = [at for at, name in enumerate(given.column_names) if name == "id" and name not in attributes.names]
    return given.select([at for at in range(given.num_columns) if at not in ids])


def _window(given: Mapping[str, Any], attributes: Attributes, at: int, num_rows: int) -> AttributeStream:
    some = {name: values[at : at + ROWS_PER_WINDOW] for name, values in given.items()}
    return {ATTRIBUTES: attribute_rows(attributes, some, min(ROWS_PER_WINDOW, num_rows - at))}


def require_attributes(manifest: Manifest, model: str) -> Attributes:
    """The attributes of an artifact that takes rows of them; raises UsageError that names the one to use."""
    attributes = manifest.attribute_set
    if manifest.mode != ATTRIBUTES or attributes is None:
        raise UsageError(
            "rows of attributes",
            expected="a model that takes them",
            got=f"{model!r}, {_takes(manifest)}",
            mend=None if attributes is None else f"use {attribute_model(manifest, model)}",
        )
    return attributes


def require_images(manifest: Manifest, model: str) -> None:
    """Raise UsageError that names the artifact to use for one that takes more than images, or none."""
    if manifest.mode in (ATTRIBUTES, TOWERS):
        raise UsageError(
            "images",
            expected="a model that takes images alone",
            got=f"{model!r}, {_takes(manifest)}",
            mend=f"use {image_model(manifest, model)}",
        )


def attribute_model(manifest: Manifest, model: str) -> str:
    """The published name of the artifact of attributes beside another of its run, in words."""
    return f"model {model.removesuffix(MODES[manifest.mode].suffix) + MODES[ATTRIBUTES].suffix!r}"


def image_model(manifest: Manifest, model: str) -> str:
    """The published name of the artifact of images beside another of its run, in words."""
    name = model.removesuffix(MODES[manifest.mode].suffix)
    return f"model {name!r}" if name != model else "the artifact of images of the same run"


def _takes(manifest: Manifest) -> str:
    return "which takes " + " and ".join(tensor.name for tensor in manifest.inputs)
