"""Calibration of int8: the ranges of a network's activations on real images, which uint8 must stand for.

Decision a reader would question: the range is from the smallest to the largest value seen. Clipping what is rare, by a
percentile or by least squared error, was tried on three trained networks: no better on average, and worse for the image
that fares worst, which is the one with the large values. Eight bits have room; at four it would be otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from artifact.errors import DataError
from artifact.events import Report
from artifact.images.decoding import Pixels
from artifact.images.image_error import ImageError
from artifact.images.limits import DEFAULT_LIMITS, Limits
from artifact.images.preprocessing import Preprocessing, load_pixels
from artifact.kinds import BRANCH_INPUT
from export.parity import make_session
from rows.formats.folder import list_images
from rows.formats.passed_over import no_images
from rows.location import readable_name
from trainer.data.images import BadImage, images_left_out

MIN_IMAGES = 32
MAX_IMAGES = 256
_BATCH = 4


@dataclass(frozen=True)
class Range:
    """The values that uint8 will stand for; 0 is among them."""

    low: float
    high: float


@dataclass(frozen=True)
class CalibrationImages:
    """Pixels to calibrate on.

    Attributes:
        pixels: uint8 [images, H, W, 3].
        hashes: SHA-256 of each file, hexadecimal.
        where: the folder, for messages.
        found: how many images it holds; of more than `MAX_IMAGES`, evenly spaced ones are taken.
    """

    pixels: Pixels
    hashes: tuple[str, ...]
    where: str
    found: int


def read_calibration(
    folder: Path,
    preprocessing: Preprocessing,
    limits: Limits = DEFAULT_LIMITS,
    *,
    report: Report = lambda event: None,
) -> CalibrationImages:
    """Read images of a folder, in class folders or not: those that scoring it would take.

    Args:
        report: gets a note of what the folder holds besides, and a warning of images that cannot be read.

    Raises:
        DataError: no such folder, or fewer than 32 different images that can be read.
    """
    if not folder.is_dir():
        got = "a file" if folder.is_file() else "nothing there"
        raise DataError("calibration folder", expected="a folder of images", got=got, where=folder)
    images = list_images(folder)
    if not images:
        expected = f"at least {MIN_IMAGES} images"
        raise no_images("calibration folder", images.passed_over, expected=expected, got="no image", where=folder)
    for line in images.notes:
        report({"event": "note", "message": f"calibration folder: {line}"})
    chosen = np.linspace(0, len(images) - 1, min(len(images), MAX_IMAGES)).round().astype(np.int64)
    pixels, hashes, bad = [], [], []
    for row, image in zip(chosen.tolist(), images.take(chosen), strict=True):
        try:
            content = image.read(limits.max_bytes)
            pixels.append(load_pixels(content, preprocessing, limits))
        except ImageError as error:
            bad.append(BadImage(readable_name(images.names[row]), str(error)))
            continue
        hashes.append(hashlib.sha256(content).hexdigest())
    if bad:
        report(images_left_out(bad, len(chosen)).to_event(what="calibration folder"))
    size = (0, preprocessing.height, preprocessing.width, 3)
    stacked = np.stack(pixels) if pixels else np.zeros(size, np.uint8)
    return check_calibration(CalibrationImages(stacked, tuple(hashes), str(folder), len(images)), num_bad=len(bad))


def check_calibration(images: CalibrationImages, *, num_bad: int = 0) -> CalibrationImages:
    """The same images; raises DataError where they are too few, copies and the bad ones not counted."""
    different = len(set(images.hashes))
    if different < MIN_IMAGES:
        raise DataError(
            "calibration folder",
            expected=f"at least {MIN_IMAGES} different images",
            got=f"{different}" + (f", and {num_bad} that cannot be read" if num_bad else ""),
            where=images.where,
            mend="a few hundred that are like those to be embedded do best",
        )
    return images


def find_ranges(model: onnx.ModelProto, tensors: Sequence[str], pixels: Pixels) -> dict[str, Range]:
    """Run the model on all images and see the range of every tensor; only the ranges are kept.

    Args:
        model: a branch, with input `image`.
        tensors: names of float32 activations in it.
        pixels: uint8 [images, H, W, 3].
    """
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.ClearField("output")
    watched.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in tensors
    )
    session = make_session(watched.SerializeToString())
    ranges = {name: Range(0.0, 0.0) for name in tensors}  # holds 0, so that zero padding is exact
    for start in range(0, len(pixels), _BATCH):
        outputs = session.run(list(tensors), {BRANCH_INPUT: pixels[start : start + _BATCH]})
        for name, values in zip(tensors, outputs, strict=True):
            seen = ranges[name]
            ranges[name] = Range(min(seen.low, float(values.min())), max(seen.high, float(values.max())))
    return ranges
