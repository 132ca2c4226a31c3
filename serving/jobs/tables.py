"""Tables opened for a model: the streams that it takes, and of pairs with a loss the column that is their target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from artifact.errors import DataError, UsageError
from artifact.kinds import BRANCH_INPUT, KINDS
from artifact.model.manifest import Manifest
from artifact.modes import FULL, MODES
from rows.formats.opening import open_source
from rows.pair_target import TARGET_ROLES
from rows.tables import ImageTable, table_of_source
from serving.jobs.loss_column import loss_target

Target = tuple[str, str]
"""(`different` or `same`, the column that is 1 where a pair is)."""


def open_scored_table(
    table: str,
    manifest: Manifest,
    *,
    model: str,
    columns: Mapping[str, str] | None = None,
    copy: Sequence[str] = (),
    id_column: str | None = None,
    loss: bool = False,
) -> tuple[ImageTable, Target | None]:
    """Open a table with the streams that a model takes.

    A branch takes single images, and tuples where `loss` is asked for or `columns` names streams of its kind; a full
    model takes tuples.

    Args:
        table: as rows.tables.open_table takes it.
        manifest: of the model.
        model: its published name, for messages.
        columns: {stream: column} where the names differ; of pairs with `loss` also {`different` or `same`: column}.
        copy: columns to copy besides `id` and `label`.
        id_column: the column of row ids.
        loss: each tuple's loss will be computed: the target of pairs is found, and copied.

    Returns:
        The table, and the target of pairs with `loss`, else None: what `score_table` takes.

    Raises:
        UsageError: a stream that the model has not, or both targets.
        DataError: as open_table, and pairs without a target; an image folder for a full model names the model to use.
    """
    mapping = dict(columns or {})
    needs_target = loss and len(KINDS[manifest.kind].streams) == 2
    target = _named_target(mapping) if needs_target else None
    streams = _streams(mapping, manifest, loss=loss)
    source, where = open_source(table)
    if needs_target and target is None:
        target = loss_target(source.schema.names, where=where)
    copied = [*copy, *([target[1]] if target else [])]
    try:
        opened = table_of_source(
            source, table, streams=streams, columns=mapping, copy=copied, id_column=id_column, where=where
        )
    except DataError as error:
        if manifest.is_branch or error.got != "an image folder":
            raise
        branch = model.removesuffix(MODES[FULL].suffix)
        named = f"model {branch!r}" if branch != model else "model of the same run"
        raise error.but(mend=f"score single images with the branch {named}") from None
    return opened, target


def _named_target(mapping: dict[str, str]) -> Target | None:
    """The target that the mapping names, taken out of it."""
    named = [role for role in TARGET_ROLES if role in mapping]
    if len(named) > 1:
        raise UsageError("target of pairs", expected="different or same", got="both", where="--columns")
    return (named[0], mapping.pop(named[0])) if named else None


def _streams(mapping: Mapping[str, str], manifest: Manifest, *, loss: bool) -> Sequence[str]:
    """Single images unless the artifact is full, a loss is asked for or the kind's streams are named."""
    streams = KINDS[manifest.kind].streams
    if manifest.is_branch and not loss and set(mapping) <= {BRANCH_INPUT}:
        return (BRANCH_INPUT,)
    unknown = set(mapping) - set(streams)
    if unknown:
        raise UsageError(
            f"stream {sorted(unknown)[0]!r} of --columns", expected=f"one of {', '.join(streams)}", got="another name"
        )
    return streams
