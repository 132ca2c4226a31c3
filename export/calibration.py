"""Calibration: which values the activations of a network take on real images, and the uint8 range that suits them.

Decisions a reader would question:
- The range is not the smallest and largest value: one outlier in millions would coarsen all others. It is the one with
  the least squared error of rounding and clipping over a sample, found by trying a hundred.
- Of every activation the same 4,096 randomly placed values are kept of each image, so memory does not grow with the
  image's size and the result depends on nothing but images, model and seed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from artifact.errors import DataError
from artifact.preprocessing import ImageError, Pixels, Preprocessing, load_pixels
from export.parity import make_session
from trainer.image_folder import IMAGE_SUFFIXES

MIN_IMAGES = 32
MAX_IMAGES = 256
BATCH = 4
_SAMPLES = 4096
_TRIED = 65_536
_SHARES = np.linspace(0.02, 1.0, 99)

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Range:
    """The values that uint8 will stand for."""

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


def read_calibration(folder: Path, preprocessing: Preprocessing, *, max_images: int = MAX_IMAGES) -> CalibrationImages:
    """Read images of a folder, in class folders or not.

    Raises:
        DataError: no such folder, fewer than 32 different images, or one that cannot be read.
    """
    if not folder.is_dir():
        got = "a file" if folder.is_file() else "nothing there"
        raise DataError("calibration folder", expected="a folder of images", got=got, where=folder)
    names = sorted(_image_names(folder))
    if not names:
        raise DataError("calibration folder", expected=f"at least {MIN_IMAGES} images", got="no image", where=folder)
    chosen = [names[index] for index in np.linspace(0, len(names) - 1, min(len(names), max_images)).round().astype(int)]
    pixels, hashes = [], []
    for name in chosen:
        try:
            content = (folder / name).read_bytes()
            pixels.append(load_pixels(content, preprocessing))
        except (ImageError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise DataError(
                "calibration image that cannot be read", got=reason, where=folder / name, mend="remove or replace it"
            ) from None
        hashes.append(hashlib.sha256(content).hexdigest())
    return check_calibration(CalibrationImages(np.stack(pixels), tuple(hashes), str(folder), len(names)))


def check_calibration(images: CalibrationImages) -> CalibrationImages:
    """The same images; raises DataError where they are too few, copies not counted."""
    different = len(set(images.hashes))
    if different < MIN_IMAGES:
        raise DataError(
            "calibration folder",
            expected=f"at least {MIN_IMAGES} different images",
            got=f"{different}",
            where=images.where,
            mend="a few hundred that are like those to be embedded do best",
        )
    return images


def find_ranges(model: onnx.ModelProto, tensors: Sequence[str], pixels: Pixels, *, seed: int = 0) -> dict[str, Range]:
    """Run the model on all images and choose a range for every tensor.

    Args:
        model: a branch, with input `image`.
        tensors: names of float32 activations in it.
        pixels: uint8 [images, H, W, 3].
    """
    samples = _observe(model, tensors, pixels, np.random.default_rng(seed))
    return {name: best_range(values) for name, values in samples.items()}


def best_range(values: Array) -> Range:
    """The range [low, high] that holds 0 and gives uint8 the least squared error over `values`, float32 [values].

    Both ends shrink together from the extremes in 98 steps: one search over two ends would be the square of that.
    """
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    if high == low:
        return Range(low, high)
    tried = values[:: max(1, len(values) // _TRIED)]
    errors = []
    for share in _SHARES:
        scale = np.float32((high - low) * share / 255)
        zero = np.rint(-low * share / float(scale))
        steps = np.rint(tried / scale)
        np.clip(steps, -zero, 255 - zero, out=steps)
        errors.append(float(np.square(steps * scale - tried, dtype=np.float64).mean()))
    share = float(_SHARES[int(np.argmin(errors))])
    return Range(low * share, high * share)


def _observe(
    model: onnx.ModelProto, tensors: Sequence[str], pixels: Pixels, random: np.random.Generator
) -> dict[str, Array]:
    """float32 [values] of each tensor over all images."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.ClearField("output")
    watched.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in tensors
    )
    session = make_session(watched.SerializeToString())
    kept: dict[str, list[Array]] = {name: [] for name in tensors}
    places: dict[str, npt.NDArray[np.int64]] = {}
    for start in range(0, len(pixels), BATCH):
        batch = pixels[start : start + BATCH]
        for name, values in zip(tensors, session.run(list(tensors), {"image": batch}), strict=True):
            flat = values.reshape(len(batch), -1)
            if name not in places:
                places[name] = np.sort(random.permutation(flat.shape[1])[:_SAMPLES])
            kept[name].append(flat[:, places[name]].ravel())
            kept[name].append(np.array([values.min(), values.max()], np.float32))
    return {name: np.concatenate(parts) for name, parts in kept.items()}


def _image_names(folder: Path) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        base = Path(parent).relative_to(folder)
        yield from (
            (base / name).as_posix()
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
        )
