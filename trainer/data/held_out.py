"""The split of the data into what is trained on and what is held out, whatever shape they have.

Decision a reader would question: held-out tuples of a table of their own that show an image which is trained on are
left out, as held-out copies of training images are. The rest measures what the network makes of unseen images.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from artifact.errors import DataError, UsageError
from artifact.events import Report
from trainer.config.resolution import OPEN
from trainer.config.towers import COMBINATIONS
from trainer.data.attribute_table import AttributeFiles, Columns, combinations, taken
from trainer.data.contradictions import two_classes_across
from trainer.data.dataset import Dataset, DatasetFiles, files_of
from trainer.data.images import Images
from trainer.data.notices import warn
from trainer.data.open_split import choose_split
from trainer.data.split import (
    num_different,
    num_held_out_classes,
    split_classes,
    split_combinations,
    split_contents,
    split_images,
    split_tuples,
    without_copies,
)
from trainer.data.tuple_table import TupleFiles, TupleRows, only_used


@dataclass(frozen=True, kw_only=True)
class DataSplit:
    """Images to train on and to validate on, and where they are of tuples, the tuples over each.

    Attributes:
        validation: what was held out where that was open, as `--validation` says it; else None.
        columns, held_out_columns: the attributes of images that have such, else None.
    """

    train: Images
    tuples: TupleRows | None = None
    held_out: Images | None = None
    held_out_tuples: TupleRows | None = None
    validation: str | None = None
    columns: Columns | None = None
    held_out_columns: Columns | None = None


def can_validate(images: Images | None) -> bool:
    """Whether leave-one-out retrieval means anything here: two classes, one of them with two images."""
    return images is not None and len(images.files.classes) > 1 and int(np.bincount(images.labels).max()) > 1


def share_of(opened: DatasetFiles, share: tuple[str, float] | None, *, given: str) -> tuple[str, float] | None:
    """How much of a data set is held out: of images without classes nothing, for nothing is measured on them.

    That is what an open share comes to there; one that was asked for is refused.

    Args:
        opened: what is held out of.
        share: (`images`, `classes`, `small_classes` or `open`, share), or None.
        given: the setting, for messages.

    Raises:
        UsageError: a share of classes where there are none, or of images where nothing can be measured on them.
    """
    if files_of(opened).classes or isinstance(opened, AttributeFiles):
        return share
    is_tuples = isinstance(opened, TupleFiles)
    if share is not None and share[0] != OPEN and not (is_tuples and share[0] == "images"):
        raise UsageError(
            f"validation of {'a table of tuples' if is_tuples else 'images without classes'}",
            expected=f"{'images:SHARE' if is_tuples else 'none'}, or another table or folder",
            got=given,
            where="--validation",
        )
    return share if is_tuples else None


def split_dataset(
    dataset: Dataset, validation: Dataset | tuple[str, float] | None, *, kind: str, seed: int, report: Report
) -> DataSplit:
    """Hold out a share of the data, or take another set and leave out of it what is trained on.

    Args:
        dataset: all that was read.
        validation: a set of its own, (`images`, `classes`, `small_classes` or `open`, share), or None to train on all.
        kind: decides how many classes must stay.
        seed: decides the split.
        report: gets warnings.

    Raises:
        DataError: classes that cannot be split, or a set of its own that nothing can be measured on.
    """
    if dataset.columns is not None:
        return _split_columns(dataset.images, dataset.columns, validation, seed, report)
    if validation is None:
        return DataSplit(train=dataset.images, tuples=dataset.tuples, validation="none")
    if isinstance(validation, Dataset):
        return _with_validation(dataset, validation, report)
    mode, share = validation
    if dataset.tuples is not None:
        split = _split_tuples(dataset.images, dataset.tuples, share, seed, report)
        return replace(split, validation=_as_setting("images", share) if mode == OPEN else None)
    images, min_train = dataset.images, 3 if kind == "quartet" else 2
    said = None
    if mode == OPEN:
        mode, share = choose_split(images, share, seed=seed, min_train=min_train, report=report)
        said = _as_setting(mode, share)
    if mode == "images":
        rows, held = split_images(images, share, seed=seed)
    else:
        try:
            rows, held = split_classes(images, share, seed=seed, min_train=min_train, mode=mode)
        except DataError as error:
            raise error.but(mend=_way_to_validate(images, seed=seed, min_train=min_train)) from None
    held_out = _without_copies(images.take(held), images.take(rows), report)
    if can_validate(held_out):
        return DataSplit(train=images.take(rows), held_out=held_out, validation=said)
    why = "there is one class only" if len(images.files.classes) == 1 else "the classes are too small"
    message = f"nothing was held out, so there are no held-out metrics and no threshold: {why}"
    warn(report, f"{message}; {_way_to_validate(images, seed=seed, min_train=min_train)}")
    return DataSplit(train=images, validation=said)


def _way_to_validate(images: Images, *, seed: int, min_train: int) -> str:
    """What would hold something out of these images: only what does is named."""
    ways = []
    num_classes, sizes = len(images.files.classes), num_different(images)
    if num_classes - num_held_out_classes(0.2, num_classes) >= min_train and int(np.sum(sizes > 1)) > 1:
        ways.append("classes:0.2")
    if can_validate(images.take(split_images(images, 0.1, seed=seed)[1])):
        ways.append("images:0.1")
    return f"use --validation {' or '.join([*ways, ''])}a folder of other images with classes"


def _as_setting(mode: str, share: float) -> str:
    """`images:0.1`, as `--validation` takes it."""
    return f"{mode}:{share!r}"


def _with_validation(dataset: Dataset, validation: Dataset, report: Report) -> DataSplit:
    train, tuples = dataset.images, dataset.tuples
    if validation.tuples is None:
        if train.files.classes and (line := two_classes_across(train, validation.images)) is not None:
            warn(report, line)
        held_out = _without_copies(validation.images, train, report)
        if not can_validate(held_out):
            files, copies = held_out.files, len(validation.images) - len(held_out)
            without = f", without {copies} that are trained on" if copies else ""
            raise DataError(
                "validation folder",
                expected="two classes, one of them with two images",
                got=f"{len(held_out)} images of {len(files.classes)} classes{without}",
                where=validation.images.files.root,
            )
        return DataSplit(train=train, tuples=tuples, held_out=held_out)
    seen = set(train.hashes)
    is_new = np.array([digest not in seen for digest in validation.images.hashes], bool)
    kept = np.flatnonzero(is_new[validation.tuples.images].all(axis=1))
    dropped = len(validation.tuples) - len(kept)
    if not len(kept):
        raise DataError(
            "validation table",
            expected="tuples of images that are not trained on",
            got="none",
            where=validation.images.files.root,
            mend="name another table, or use --validation images:0.1",
        )
    if dropped:
        warn(report, f"{dropped} held-out tuples have images that are trained on and were left out")
    images, held_out_tuples = only_used(validation.images, validation.tuples.take(kept))
    return DataSplit(train=train, tuples=tuples, held_out=images, held_out_tuples=held_out_tuples)


def _split_tuples(images: Images, tuples: TupleRows, share: float, seed: int, report: Report) -> DataSplit:
    rows, held, apart = split_tuples(tuples, images.hashes, share, seed=seed)
    if not len(held):
        warn(report, "nothing was held out, so there are no held-out metrics: there is one tuple only")
        train, tuples = only_used(images, tuples)
        return DataSplit(train=train, tuples=tuples)
    if not apart:
        warn(
            report,
            "the tuples hang together by the images that they share, so images of held-out tuples are trained on in "
            "others, and the held-out figures are too good; name a table of other images with --validation",
        )
    train, train_tuples = only_used(images, tuples.take(rows))
    held_out, held_out_tuples = only_used(images, tuples.take(held))
    return DataSplit(train=train, tuples=train_tuples, held_out=held_out, held_out_tuples=held_out_tuples)


def _split_columns(
    images: Images, columns: Columns, validation: Dataset | tuple[str, float] | None, seed: int, report: Report
) -> DataSplit:
    """Images with attributes: a share of the images or of the combinations, or a table of its own."""
    if validation is None:
        return DataSplit(train=images, columns=columns, validation="none")
    if isinstance(validation, Dataset):
        kept = np.flatnonzero(~np.isin(validation.images.hashes, images.hashes))
        if not len(kept):
            expected, where = "images that are not trained on", validation.images.files.root
            raise DataError("validation table", expected=expected, got="none", where=where)
        if dropped := len(validation.images) - len(kept):
            warn(report, f"{dropped} held-out images are copies of training images and were left out")
        held_out, of_held_out = validation.images.take(kept), taken(validation.columns, kept)
        return DataSplit(train=images, columns=columns, held_out=held_out, held_out_columns=of_held_out)
    mode, share = validation
    if mode == COMBINATIONS:
        rows, held = split_combinations(combinations(columns), images.hashes, share, seed=seed)
    else:
        rows, held = split_contents(images.hashes, share, seed=seed)
    if not len(held) or len(rows) < 2:  # what every row says the same of tells nothing apart
        warn(report, "nothing was held out, so there are no held-out metrics: there are too few images")
        return DataSplit(train=images, columns=columns)
    return DataSplit(
        train=images.take(rows),
        columns=taken(columns, rows),
        held_out=images.take(held),
        held_out_columns=taken(columns, held),
        validation=_as_setting("images", share) if mode == OPEN else None,
    )


def _without_copies(held_out: Images, train: Images, report: Report) -> Images:
    held_out, dropped = without_copies(held_out, train)
    if dropped:
        warn(report, f"{dropped} held-out images are copies of training images and were left out")
    return held_out
