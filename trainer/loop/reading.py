"""The data of a run: opened, read and split, and read again as training split it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from artifact.errors import DataError
from artifact.events import Report
from artifact.images.preprocessing import Preprocessing
from artifact.losses import LOSSES
from artifact.losses.loss import PAIR
from trainer.config.config import TrainConfig
from trainer.config.resolution import Share, loss_name, read_validation
from trainer.data.attribute_table import TowerRows, encode_rows
from trainer.data.catalogue import Catalogue, open_catalogue
from trainer.data.contradictions import same_and_different, two_classes
from trainer.data.dataset import Dataset, DatasetFiles, files_of, open_cache, open_dataset, read_dataset, tell_opened
from trainer.data.held_out import DataSplit, share_of, split_dataset
from trainer.data.image_files import newly_read
from trainer.data.images import Images
from trainer.data.notices import Notice, warn
from trainer.data.tuple_table import TupleFiles
from trainer.data.usable_classes import usable_classes
from trainer.run.saved_run import Run

Validation = DatasetFiles | Share | None
"""Data of its own, how much of the training data, or nothing."""


class ChangedImagesError(DataError):
    """Images of a run that are not those that it was trained on."""


def read_split(run: Run, *, report: Report) -> tuple[Images, Images | None]:
    """The images that a run was trained on, and those that it held out, as training split them.

    Neither is turned or mirrored; those of a table of tuples have no classes.

    Raises:
        DataError: the images are not there any more; ChangedImagesError where they have changed.
    """
    opened, validation = open_data(run.config, report, has_begun=True)
    expected = str(run.facts.get("data_sha256"))
    _, split = read_data(run.config, opened, validation, run.preprocessing, report=report, expected=expected)
    return split.train, split.held_out


def open_data(config: TrainConfig, report: Report, *, has_begun: bool) -> tuple[DatasetFiles, Validation]:
    """What is trained on, and what is validated on, or how much of the former; what they leave out is told.

    A run that has begun goes on with what older versions took for classes.
    """
    split_folders = config.split_folders and not has_begun
    if config.images is None:
        raise DataError("images of the run", expected="some", got="none, it was made without images")
    validation = read_validation(config.validation)
    most = config.limits.max_bytes
    catalogue = _open_catalogue(config)
    opened = open_dataset(
        config.images,
        kind=config.kind,
        columns=config.columns,
        attributes=config.attributes,
        split_folders=split_folders,
        needs_classes=config.is_trained,
        regions=config.regions,
        max_image_bytes=most,
        catalogue=catalogue,
    )
    tell_opened(opened, report)
    if isinstance(validation, Path):
        what = "validation folder"
        apart = open_dataset(
            validation,
            kind=config.kind,
            columns=config.columns,
            attributes=config.attributes,
            what=what,
            folder_has_columns=True,
            split_folders=split_folders,
            regions=config.regions,
            max_image_bytes=most,
            catalogue=catalogue,
        )
        tell_opened(apart, report, what=what if validation.is_dir() else "validation table")
        return opened, apart
    return opened, share_of(opened, validation, given=str(config.validation))


def _open_catalogue(config: TrainConfig) -> Catalogue | None:
    if config.catalogue is None:
        return None
    return open_catalogue(
        config.catalogue,
        column=config.catalogue_path,
        id_column=config.catalogue_id,
        max_image_bytes=config.limits.max_bytes,
    )


def read_data(
    config: TrainConfig,
    opened: DatasetFiles,
    validation: Validation,
    preprocessing: Preprocessing,
    *,
    report: Report,
    expected: str | None = None,
) -> tuple[Dataset, DataSplit]:
    """Read all images and split them; DataError where their hash is not the expected one."""
    total = sum(
        len(files_of(each)) for each in (opened, validation) if each is not None and not isinstance(each, tuple)
    )
    cache = open_cache(config, preprocessing, num_images=total, report=report)
    dataset = _checked(
        read_dataset(opened, config, preprocessing, cache=cache, report=report), opened, config, report=report
    )
    if expected is not None and dataset.sha256 != expected:
        where = dataset.images.files.root
        mend = newly_read(dataset.images.files)
        raise ChangedImagesError(
            "images of the run", expected="as they were in training", got="changed", where=where, mend=mend
        )
    held_out: Dataset | Share | None
    if validation is None or isinstance(validation, tuple):
        held_out = validation
    else:
        held_out = read_dataset(validation, config, preprocessing, cache=cache, report=report)
    return dataset, split_dataset(dataset, held_out, kind=config.kind, seed=config.seed, report=report)


def _checked(dataset: Dataset, opened: DatasetFiles, config: TrainConfig, *, report: Report) -> Dataset:
    """Without the classes that no tuple can be drawn from, if any is; contradictions are told. Raises DataError.

    A picture that is nearer than one and farther than another is no contradiction to a loss that only puts in order.
    """
    if isinstance(opened, TupleFiles) and dataset.tuples is not None:
        loss = LOSSES.get(loss_name(config))
        is_ranked = dataset.tuples.different is None and loss is not None and loss.form != PAIR
        line = None if is_ranked else same_and_different(dataset.tuples, dataset.images, opened)
    elif dataset.columns is not None:
        line = None
    else:
        line = two_classes(dataset.images)
        if config.is_trained:
            dataset = Dataset(images=usable_classes(dataset.images, kind=config.kind, report=report))
    if line is not None:
        warn(report, line)
    return dataset


def encode_attributes(config: TrainConfig, split: DataSplit, *, report: Report) -> tuple[DataSplit, TowerRows | None]:
    """The attributes of images as their tower takes them; held-out rows that it cannot take are left out."""
    if split.columns is None or config.images is None:
        return split, None
    validation = read_validation(config.validation)
    rows, kept, notices = encode_rows(
        split.columns,
        split.held_out_columns,
        where=config.images,
        held_out_where=validation if isinstance(validation, Path) else None,
        held_out_names=split.held_out.files.names if split.held_out is not None else (),
    )
    for each in (Notice(f"attributes: {rows.attributes}", is_warning=False), *notices):
        report(each.to_event())
    if kept is None or split.held_out is None:
        return split, rows
    return replace(split, held_out=split.held_out.take(kept)), rows
