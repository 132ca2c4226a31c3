"""Tables opened for a model: the streams that it takes, and of pairs with a loss the column that is their target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from artifact.errors import DataError, UsageError
from artifact.kinds import ATTRIBUTES, BRANCH_INPUT, KINDS
from artifact.model.manifest import Manifest
from artifact.modes import FULL, MODES, REGIONS
from rows.attribute_tables import NO_ATTRIBUTES, has_attributes, has_images, open_attribute_table
from rows.box_columns import BOX_NAMES
from rows.formats.opening import open_source
from rows.formats.reading import PLAIN, Reading
from rows.formats.source import Source
from rows.pair_target import TARGET_ROLES
from rows.regions import CLIP, KEEP, RegionOptions
from rows.tables import ImageTable, table_of_source
from serving.client.attributes import attribute_model, image_model, require_images
from serving.jobs.loss_column import loss_target

CROP, BOXES = "crop", "boxes"
"""Ways of a region to its vector: cut out here, or boxes beside the whole picture for a region artifact."""

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
    reading: Reading = PLAIN,
    regions: RegionOptions | None = None,
    region_way: str | None = None,
) -> tuple[ImageTable, Target | None]:
    """Open a table with the streams that a model takes.

    A branch takes single images, and tuples where `loss` is asked for or `columns` names streams of its kind; a full
    model takes tuples, one of attributes rows of them.

    Args:
        table: as rows.tables.open_table takes it.
        manifest: of the model.
        model: its published name, for messages.
        columns: {stream: column} where the names differ, or {attribute: column}; of pairs with `loss` also {`different`
            or `same`: column}.
        copy: columns to copy besides `id` and `label`, and attributes of a model that has some.
        id_column: the column of row ids.
        loss: each tuple's loss will be computed: the target of pairs is found, and copied.
        reading: the format where the name does not say it, and the folder of images of a COCO file.
        regions: how objects are cut out, each of which is a row; filled with the colour that the model's own padding
            has. None: whole images; of a region artifact the boxes that the table has, if it has any.
        region_way: `crop` or `boxes`: what the user says becomes of regions; None leaves it to the model.

    Returns:
        The table, and the target of pairs with `loss`, else None: what `score_table` takes.

    Raises:
        UsageError: a stream that the model has not, or both targets; crops for a model that takes boxes, or boxes for
            one that does not.
        DataError: as open_table, and pairs without a target; an image folder for a full model names the model to use.
    """
    mapping = dict(columns or {})
    attributes = manifest.attribute_set
    if manifest.mode == ATTRIBUTES and attributes is not None:
        if loss:
            raise UsageError("loss of each row", expected="a table of tuples of images", got="rows of attributes")
        if regions is not None or reading != PLAIN:
            raise UsageError("regions", expected=f"a model of images, {image_model(manifest, model)}", got=repr(model))
        try:
            return open_attribute_table(table, attributes, columns=mapping, copy=copy, id_column=id_column), None
        except (DataError, UsageError) as error:
            if error.what != NO_ATTRIBUTES and not (isinstance(error, UsageError) and BRANCH_INPUT in mapping):
                raise
            raise error.but(mend=f"for images take {image_model(manifest, model)}") from None
    require_images(manifest, model)
    needs_target = loss and len(KINDS[manifest.kind].streams) == 2
    target = _named_target(mapping) if needs_target else None
    streams = _streams(mapping, manifest, loss=loss)
    takes_boxes = manifest.mode == REGIONS
    _require_way(region_way, regions, model=model, takes_boxes=takes_boxes)
    reading = replace(reading, objects=regions is not None or takes_boxes)
    source, where = open_source(table, reading)
    if takes_boxes:
        regions = _boxes_of(source, regions or (RegionOptions() if region_way == BOXES else None))
    if needs_target and target is None:
        target = loss_target(source.schema.names, where=where)
    copied = [*copy, *([target[1]] if target else []), *_attributes_in(source, manifest)]
    try:
        opened = table_of_source(
            source,
            table,
            streams=streams,
            columns=mapping,
            copy=copied,
            id_column=id_column,
            reading=reading,
            regions=regions and replace(regions, colour=manifest.pixels.fill),
            where=where,
        )
    except DataError as error:
        if attributes is not None and has_attributes(source, attributes) and not has_images(source):
            raise error.but(mend=f"for rows of attributes take {attribute_model(manifest, model)}") from None
        if manifest.takes_single_images or error.got != "an image folder":
            raise
        branch = model.removesuffix(MODES[FULL].suffix)
        named = f"model {branch!r}" if branch != model else "model of the same run"
        raise error.but(mend=f"score single images with the branch {named}") from None
    return opened, target


def _attributes_in(source: Source, manifest: Manifest) -> list[str]:
    """Columns of the attributes of a model of images, which are copied: figures of attributes need them."""
    names = manifest.attribute_set.names if manifest.attribute_set is not None else ()
    return [name for name in names if source.schema.names.count(name) == 1]


def _require_way(way: str | None, regions: RegionOptions | None, *, model: str, takes_boxes: bool) -> None:
    if takes_boxes and way == CROP:
        raise UsageError(
            "--regions crop",
            expected="a model of whole pictures",
            got=f"{model!r}, which takes pictures with boxes",
            mend="say --regions boxes, or leave it out",
        )
    if takes_boxes and regions is not None and regions.edge != CLIP:
        raise UsageError("--region-edge", expected=f"{CLIP}, where boxes go to the model", got=regions.edge)
    if not takes_boxes and way == BOXES:
        mend = "use --regions crop, or export the run with --as regions"
        raise UsageError(
            "--regions boxes", expected="a model that takes boxes", got=f"{model!r}, which does not", mend=mend
        )


def _boxes_of(source: Source, regions: RegionOptions | None) -> RegionOptions | None:
    """The options for a region artifact, to which masks say nothing; None of a table without boxes."""
    names = set(source.schema.names)
    if regions is None and source.boxes is None and not any(names.issuperset(each) for each in BOX_NAMES):
        return None
    return replace(regions or RegionOptions(), background=KEEP)


def _named_target(mapping: dict[str, str]) -> Target | None:
    """The target that the mapping names, taken out of it."""
    named = [role for role in TARGET_ROLES if role in mapping]
    if len(named) > 1:
        raise UsageError("target of pairs", expected="different or same", got="both", where="--columns")
    return (named[0], mapping.pop(named[0])) if named else None


def _streams(mapping: Mapping[str, str], manifest: Manifest, *, loss: bool) -> Sequence[str]:
    """Single images unless the artifact is full, a loss is asked for or the kind's streams are named."""
    streams = KINDS[manifest.kind].streams
    if manifest.takes_single_images and not loss and set(mapping) <= {BRANCH_INPUT}:
        return (BRANCH_INPUT,)
    unknown = set(mapping) - set(streams)
    if unknown:
        raise UsageError(
            f"stream {sorted(unknown)[0]!r} of --columns", expected=f"one of {', '.join(streams)}", got="another name"
        )
    return streams
