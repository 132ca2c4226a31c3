"""Images that int8 is calibrated on and judged by: of folders that are given, else of the run.

Decision a reader would question: without folders, calibration takes images that the run was trained on and evaluation
those that it held out, split anew by content exactly as in training. So the two have no image in common, and the
network has never seen what it is judged by.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from artifact.errors import DataError
from artifact.events import Report
from artifact.images.limits import Limits
from export.calibration import MAX_IMAGES, CalibrationImages, check_calibration, read_calibration
from trainer.data.class_sets import open_class_folder
from trainer.data.contradictions import two_classes
from trainer.data.dataset import tell_opened
from trainer.data.held_out import can_validate
from trainer.data.images import Images, images_left_out, read_images
from trainer.data.notices import Notice
from trainer.loop.reading import ChangedImagesError, read_split
from trainer.run.saved_run import Run

_MB = 2**20


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Images to calibrate on and to judge by.

    Attributes:
        calibration: pixels to calibrate on.
        evaluation: images with classes to judge by.
        source: where the latter come from, for the manifest: no path, which would tell of the exporting machine.
        num_shared: evaluation images that were calibrated on too.
    """

    calibration: CalibrationImages
    evaluation: Images
    source: str
    num_shared: int


def read_evidence(
    run: Run,
    *,
    calibration: Path | None = None,
    evaluation: Path | None = None,
    max_megapixels: float = 0.0,
    max_image_mb: float = 0.0,
    report: Report = lambda event: None,
) -> Evidence:
    """Read the images of the folders, or of the run where one is not given.

    Args:
        calibration, evaluation: the folders.
        max_megapixels, max_image_mb: limits of the images in them, where these are larger than the run's. The run's own
            images are read as they were in training, or they would not be the same.
        report: gets events of reading.

    Raises:
        DataError: a folder that is missing, empty or is of splits; too few images that can be read; a run whose
            images are not where they were, or that held out none.
    """
    settings = run.preprocessing
    limits = Limits.of(
        max_megapixels=max(max_megapixels, run.config.max_megapixels),
        max_image_mb=max(max_image_mb, run.config.max_image_mb),
    )
    chosen = read_calibration(calibration, settings, limits, report=report) if calibration is not None else None
    judged = _read_evaluation(evaluation, run, limits, report) if evaluation is not None else None
    if chosen is None or judged is None:
        train, held_out = _read_run(run, report=report)
        chosen = chosen or _sample(train)
        judged = judged or held_out
    if judged is None or not can_validate(judged):
        raise DataError(
            "held-out images for int8",
            expected="two classes, one of them with two images",
            got="none held out",
            where=run.path,
            mend="give some in class folders: --evaluation DIR",
        )
    calibrated = set(chosen.hashes)
    return Evidence(
        calibration=chosen,
        evaluation=judged,
        source="the run's held-out images" if evaluation is None else "a folder given",
        num_shared=sum(digest in calibrated for digest in judged.hashes),
    )


def _read_evaluation(folder: Path, run: Run, limits: Limits, report: Report) -> Images:
    what = "evaluation folder"
    files = open_class_folder(folder, what=what, split_folders=run.config.split_folders)
    tell_opened(files, report, what=what)
    images, bad = read_images(files, run.preprocessing, limits=limits, max_cache_bytes=run.config.max_cache_mb * _MB)
    notices = [images_left_out(bad, len(files))] if bad else []
    if (line := two_classes(images)) is not None:
        notices.append(Notice(line))
    for each in notices:
        report(each.to_event(what=what))
    if not can_validate(images):
        raise DataError(
            "evaluation folder",
            expected="two classes, one of them with two images",
            got=f"{len(images)} images of {len(images.files.classes)} classes",
            where=folder,
        )
    return images


def _read_run(run: Run, *, report: Report) -> tuple[Images, Images | None]:
    try:
        return read_split(run, report=report)
    except DataError as error:
        also = error.mend if isinstance(error, ChangedImagesError) else None
        raise error.but(
            what="the run's own images for int8: " + error.what,
            mend="name folders: --calibration DIR --evaluation DIR" + (f", or {also}" if also else ""),
        ) from None


def _sample(train: Images) -> CalibrationImages:
    rows = np.linspace(0, len(train) - 1, min(len(train), MAX_IMAGES)).round().astype(np.int64)
    some = train.take(rows)
    pixels = some.pixels(np.arange(len(some), dtype=np.int64))
    return check_calibration(CalibrationImages(pixels, tuple(some.hashes), str(train.files.root), len(train)))
