"""From a configuration to data and network, before anything is written.

Decision a reader would question: Conv4 takes images at their own size up to 64 px. It has no size it was made for, and
a fixed one would blow 28 px digits up or throw away most of a photograph.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from artifact.errors import DataError
from artifact.preprocessing import ImageError, Preprocessing, inspect_image
from trainer.base_networks import BaseNetwork, build_base
from trainer.config import TrainConfig
from trainer.conv4 import NATURAL_SIZE_PX
from trainer.image_folder import ImageFiles, check_classes, scan_folder
from trainer.images import BadImage, Images, read_images
from trainer.option_checks import check_validation
from trainer.run import Run, make_preprocessing
from trainer.sampling import batch_shape
from trainer.split import split_classes, split_images, without_copies
from trainer.validation import can_validate

Report = Callable[[dict[str, Any]], None]

_HEADERS = 64
_MIN_SIZE_PX = 16
_MB = 2**20


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """All that the loop needs.

    Attributes:
        config: with nothing left open.
        base: the base network, with its first weights.
        train: images to train on.
        held_out: images to validate on, or None.
        data_sha256: hash over the sorted content hashes of the image folder.
        num_images, num_classes: of the image folder, held-out ones included.
    """

    config: TrainConfig
    base: BaseNetwork
    train: Images
    held_out: Images | None
    data_sha256: str
    num_images: int
    num_classes: int


def prepare(config: TrainConfig, *, report: Report) -> Prepared:
    """Resolve the configuration, build the base network, read and split the images.

    Raises:
        UsageError: settings that make no sense, before any image is read.
        DataError: images that no tuple of the kind can be drawn from, or too many bad ones.
    """
    config = config.resolved()
    files = scan_folder(config.images)
    check_classes(files, kind=config.kind)
    size = config.size or (small_size(files) if config.base == "conv4" else None)
    base = build_base(config.base, size=size, pretrained=config.pretrained, weights=config.weights)
    config = config.model_copy(update={"size": base.size})
    preprocessing = make_preprocessing(config, base)
    images = _read(files, config, preprocessing, report=report)
    check_classes(images.files, kind=config.kind)
    train, held_out = _split(images, config, preprocessing, report=report)
    classes, per_class = batch_shape(
        len(train.files.classes),
        classes_per_batch=config.sampling.classes_per_batch,
        images_per_class=config.sampling.images_per_class,
    )
    sampling = config.sampling.model_copy(update={"classes_per_batch": classes, "images_per_class": per_class})
    return Prepared(
        config=config.model_copy(update={"sampling": sampling}),
        base=base,
        train=train,
        held_out=held_out,
        data_sha256=_data_sha256(images),
        num_images=len(images),
        num_classes=len(images.files.classes),
    )


def read_split(run: Run, *, report: Report) -> tuple[Images, Images | None]:
    """The images that a run was trained on, and those that it held out, as training split them.

    Raises:
        DataError: the images are not there any more, or have changed.
    """
    images = _read(scan_folder(run.config.images), run.config, run.preprocessing, report=report)
    if _data_sha256(images) != run.facts.get("data_sha256"):
        raise DataError(
            "images of the run", expected="as they were in training", got="changed", where=images.files.root
        )
    return _split(images, run.config, run.preprocessing, report=report)


def _data_sha256(images: Images) -> str:
    return hashlib.sha256("\n".join(sorted(images.hashes)).encode()).hexdigest()


def small_size(files: ImageFiles) -> int:
    """Median of the shorter sides of a sample of the images, from their headers, within 16 and 64 px."""
    sides = []
    for index in np.linspace(0, len(files) - 1, min(_HEADERS, len(files))).round().astype(int):
        try:
            _, width, height = inspect_image(files.path(int(index)).read_bytes())
        except (ImageError, OSError):
            continue  # reported with its reason when all images are read
        sides.append(min(width, height))
    return int(np.clip(np.median(sides), _MIN_SIZE_PX, NATURAL_SIZE_PX)) if sides else NATURAL_SIZE_PX


def _read(files: ImageFiles, config: TrainConfig, preprocessing: Preprocessing, *, report: Report) -> Images:
    images, bad = read_images(
        files,
        preprocessing,
        max_cache_bytes=config.max_cache_mb * _MB,
        max_bad_images=config.max_bad_images,
        progress=lambda done, total: report({"event": "read", "done": done, "total": total}),
    )
    if bad:
        report({"event": "warning", "message": _skipped(bad)})
    return images


def _skipped(bad: list[BadImage]) -> str:
    named = "; ".join(f"{image.name}: {image.reason}" for image in bad[:5])
    return f"{len(bad)} images were skipped: {named}"


def _split(
    images: Images, config: TrainConfig, preprocessing: Preprocessing, *, report: Report
) -> tuple[Images, Images | None]:
    """Images to train on and, where that is possible, images to validate on."""
    validation = check_validation(config.validation)
    held_out: Images | None
    if isinstance(validation, Path):
        files = scan_folder(validation, what="validation folder")
        train, held_out = images, _read(files, config, preprocessing, report=report)
    else:
        mode, share = validation
        if mode == "images":
            rows, held = split_images(images, share, seed=config.seed)
        else:
            min_train = 3 if config.kind == "quartet" else 2
            rows, held = split_classes(images, share, seed=config.seed, min_train=min_train)
        train, held_out = images.take(rows), images.take(held)
    held_out, dropped = without_copies(held_out, train)
    if dropped:
        message = f"{dropped} held-out images are copies of training images and were left out"
        report({"event": "warning", "message": message})
    if can_validate(held_out):
        return train, held_out
    if isinstance(validation, Path):
        raise DataError(
            "validation folder", expected="two classes, one of them with two images", got="fewer", where=validation
        )
    message = "nothing was held out, so there are no held-out metrics and no threshold: the classes are too small"
    report({"event": "warning", "message": f"{message}; use --validation classes:0.2 or a folder"})
    return images, None
