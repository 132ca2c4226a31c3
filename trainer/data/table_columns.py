"""Columns of a table that are trained on: images with their classes, or one image a stream.

Decisions a reader would question:
- Columns are found by the name of their role, or named by the user. A table with both shapes is refused, not guessed.
- Triplets have other names too: q, p, n and query, positive, negative. They count where a table has neither shape by
  the roles' own names, and all of a kind's streams by one of these.
- The target of siamese pairs is `different` or `same`, and never `label` (rows/pair_target.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from artifact.errors import DataError, UsageError
from artifact.kinds import KINDS
from artifact.listing import joined
from rows.cells import is_text
from rows.columns import SINGLE_STREAM_NAMES, require_images
from rows.pair_target import TARGET_ROLES, find_target
from trainer.data.catalogue import check_cells

IMAGE, LABEL = "image", "label"

OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "anchor": ("query", "q"),
    "positive": ("p",),
    "negative": ("n",),
    "negative2": ("n2",),
}
"""{stream: what else its column is called}, after Wang et al. 2014."""

CLASSES, TUPLES = "classes", "tuples"


@dataclass(frozen=True, kw_only=True)
class TableColumns:
    """The columns of a table, by role.

    Attributes:
        shape: `classes` (roles `image` and `label`, or `image` alone where no label is needed) or `tuples` (the kind's
            streams, and of siamese tables a target).
        images: image columns: {"image": column}, or one for every stream in the kind's order.
        label: of `classes`; None: its images have none.
        target: of siamese tuples: (`different` or `same`, column).
    """

    shape: str
    images: Mapping[str, str]
    label: str | None = None
    target: tuple[str, str] | None = None


def table_roles(kind: str) -> tuple[str, ...]:
    """Every role that a column may have in a table for this kind."""
    return IMAGE, LABEL, *KINDS[kind].streams, *(TARGET_ROLES if kind == "siamese" else ())


def check_roles(columns: Mapping[str, str], *, kind: str) -> None:
    """Refuse roles that this kind does not have, columns with two roles, and two shapes at once; raises UsageError."""
    roles = table_roles(kind)
    for role, column in columns.items():
        if role not in roles:
            raise UsageError(
                f'role "{role}" of a column',
                expected=f"one of {', '.join(roles)}",
                got=f"{role}={column}",
                where="--columns",
                mend="write --columns ROLE=COLUMN",
            )
        sharing = [other for other in columns if columns[other] == column]
        if len(sharing) > 1:
            raise UsageError(f'column "{column}"', expected="one role", got=" and ".join(sharing), where="--columns")
    of_classes = [role for role in columns if role in (IMAGE, LABEL)]
    of_tuples = [role for role in columns if role not in (IMAGE, LABEL)]
    if of_classes and of_tuples:
        raise UsageError(
            "columns of a table",
            expected=f"image and label, or {joined(_tuple_roles(kind))}",
            got=joined(list(columns)),
            where="--columns",
        )
    if all(target in columns for target in TARGET_ROLES):
        raise UsageError("target of pairs", expected="different or same", got="both", where="--columns")


def find_roles(
    schema: pa.Schema,
    *,
    kind: str,
    columns: Mapping[str, str],
    where: str,
    settle: Callable[[Sequence[str]], pa.Schema],
    needs_classes: bool = True,
    of_catalogue: bool = False,
) -> TableColumns:
    """Find the columns that are trained on.

    Args:
        schema: of the table.
        kind: decides the streams.
        columns: {role: column}; roles that are left out are looked for under their own name, and `image` under path,
            file, filename and file_name too.
        where: name of the table, for messages.
        settle: gives the types of the columns that are trained on: those of others do not matter.
        needs_classes: an image column alone is no shape; False: it is one of images without classes.
        of_catalogue: cells of tuples name rows of a catalogue, so they are numbers or texts.

    Raises:
        UsageError: a role that is none, or two shapes at once.
        DataError: a column that is not there or of the wrong type, a shape that is incomplete, or two of them.
    """
    check_roles(columns, kind=kind)
    for role, column in columns.items():
        if column not in schema.names:
            raise DataError(
                f'column "{column}"',
                expected=f"one of {', '.join(schema.names)}",
                got="no such column",
                where=where,
                mend=f"name the right one with --columns {role}=...",
            )
    found = _find_shape(schema, kind, columns, where, needs_classes=needs_classes)
    read = [
        *found.images.values(),
        *([found.label] if found.label else []),
        *(found.target[1:] if found.target else ()),
    ]
    for column in read:
        if schema.names.count(column) > 1:
            raise DataError(f'column "{column}"', expected="one column of that name", got="several", where=where)
    _check_types(settle(list(dict.fromkeys(read))), found, where, of_catalogue=of_catalogue)
    return found


def _find_shape(
    schema: pa.Schema, kind: str, columns: Mapping[str, str], where: str, *, needs_classes: bool
) -> TableColumns:
    """The columns by role, of one of the two shapes; their types are not looked at."""
    names = _by_name(schema, kind) | dict(columns)
    streams = KINDS[kind].streams
    if not (IMAGE in names and LABEL in names):
        others = {stream: _other_name(stream, schema) for stream in streams if stream not in names}
        if all(others.values()):
            names = {stream: str(name) for stream, name in others.items()} | names
    has_classes, has_streams = IMAGE in names and LABEL in names, all(stream in names for stream in streams)
    if columns:  # a column that is named says which shape is meant
        has_classes = has_classes and any(role in columns for role in (IMAGE, LABEL))
        has_streams = has_streams and not any(role in columns for role in (IMAGE, LABEL))
    if has_classes and has_streams:
        raise DataError(
            "table of images",
            expected=f"image and label, or {joined(_tuple_roles(kind))}",
            got=f"both: {', '.join(schema.names)}",
            where=where,
            mend=f"say which with --columns image={names[IMAGE]} or --columns {streams[0]}={names[streams[0]]}",
        )
    if has_classes:
        return TableColumns(shape=CLASSES, images={IMAGE: names[IMAGE]}, label=names[LABEL])
    if has_streams:
        target = _target(names, columns, schema, where) if kind == "siamese" else None
        return TableColumns(shape=TUPLES, images={stream: names[stream] for stream in streams}, target=target)
    if not needs_classes and IMAGE in names and set(columns) <= {IMAGE}:
        return TableColumns(shape=CLASSES, images={IMAGE: names[IMAGE]})
    alone = "" if needs_classes else "image alone, "
    raise DataError(
        f"table for a {kind} model",
        expected=f"columns {alone}image and label, or {joined(_tuple_roles(kind))}",
        got=", ".join(schema.names),
        where=where,
        mend="name them with --columns ROLE=COLUMN",
    )


def _by_name(schema: pa.Schema, kind: str) -> dict[str, str]:
    found = {role: role for role in table_roles(kind) if role in schema.names}
    for name in SINGLE_STREAM_NAMES:
        if IMAGE not in found and name in schema.names:
            found[IMAGE] = name
    return found


def _other_name(stream: str, schema: pa.Schema) -> str | None:
    return next((name for name in OTHER_NAMES.get(stream, ()) if name in schema.names), None)


def _target(names: Mapping[str, str], columns: Mapping[str, str], schema: pa.Schema, where: str) -> tuple[str, str]:
    named = {role: columns[role] for role in TARGET_ROLES if role in columns}  # goes before what is called so
    return find_target(named or names, schema.names, what="target of siamese pairs", where=where)


def _check_types(schema: pa.Schema, found: TableColumns, where: str, *, of_catalogue: bool) -> None:
    for role, column in found.images.items():
        check = check_cells if of_catalogue and found.shape == TUPLES else require_images
        check(schema.field(column).type, role, column, where)
    if found.label is not None:
        kind = schema.field(found.label).type
        types = pa.types
        is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
        if not (is_text(kind) or is_number or types.is_boolean(kind)):
            raise DataError(
                f'label column "{found.label}"',
                expected="strings or whole numbers",
                got=str(kind),
                where=where,
                mend="name the right column with --columns label=...",
            )


def _tuple_roles(kind: str) -> list[str]:
    return [*KINDS[kind].streams, *(["different (or same)"] if kind == "siamese" else [])]
