"""The one way from an encoded image to the uint8 pixels of a network, for training, the embedded server and Triton.

A changed pixel is a new RESIZE_METHOD.

Decisions a reader would question:
- Images smaller than the target both ways are enlarged by Pillow: there cykooz-resizer is up to two levels off.
- fit="pad" fills with the mean colour, which the graph turns into zeros, as the network's own zero padding.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from cykooz_resizer import CropBox, FilterType, ImageData, PixelType, ResizeAlg, ResizeOptions, Resizer
from PIL import Image

from .decoding import Pixels, decoded
from .limits import DEFAULT_LIMITS, Limits

RESIZE_METHOD = "antialiased-bilinear/1"
FITS = ("stretch", "crop", "pad")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """The settings that turn an encoded image into the network's input; they stand in the manifest of every artifact.

    Attributes:
        height, width: size in pixels of the array that the graph takes.
        fit: `stretch` (ignore the aspect ratio), `crop` (centre crop), or `pad` (letterbox in the mean colour).
        resize: name and version of the resize method.
        color: channel order.
        mean, std: per channel, in units of [0, 1]; applied inside the graph, never here.
    """

    height: int
    width: int
    fit: str = "stretch"
    resize: str = RESIZE_METHOD
    color: str = "RGB"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ValueError(f"height and width: expected at least 1 px, got {self.height}x{self.width}")
        if self.fit not in FITS:
            raise ValueError(f"fit: expected one of {', '.join(FITS)}, got {self.fit!r}")
        if self.resize != RESIZE_METHOD:
            raise ValueError(
                f"resize: expected {RESIZE_METHOD!r}, got {self.resize!r}; this version cannot reproduce it"
            )
        if self.color != "RGB":
            raise ValueError(f"color: expected 'RGB', got {self.color!r}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ValueError("mean and std: expected three numbers each, std above 0")

    @property
    def fill(self) -> tuple[int, int, int]:
        """The mean as a colour, RGB from 0 to 255: what is around a picture that is padded."""
        red, green, blue = (min(255, max(0, round(value * 255))) for value in self.mean)
        return red, green, blue

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Read the mapping that `to_dict` wrote; keys of a later version are left alone."""
        known = {key: values[key] for key in cls.__dataclass_fields__ if key in values}
        for key in ("mean", "std"):
            if key in known:
                known[key] = tuple(float(value) for value in known[key])
        return cls(**known)

    def to_dict(self) -> dict[str, Any]:
        """The mapping that `from_dict` reads; plain JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def load_pixels(data: bytes, preprocessing: Preprocessing, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Decode and resize one encoded image.

    Args:
        data: the encoded file (JPEG, PNG, WebP, GIF, BMP, TIFF, PPM, AVIF).
        preprocessing: size and fit of the result.
        limits: what is refused before decoding.

    Returns:
        uint8 [height, width, 3], RGB, C-contiguous.

    Raises:
        ImageError: empty, truncated, not an image, over a limit.
    """
    with decoded(data, limits) as pixels:
        return resize_pixels(pixels, preprocessing)


def resize_pixels(pixels: Pixels, preprocessing: Preprocessing) -> Pixels:
    """Antialiased bilinear resize of uint8 [h, w, 3] to uint8 [height, width, 3], by the fit of `preprocessing`."""
    height, width = pixels.shape[:2]
    to_height, to_width = preprocessing.height, preprocessing.width
    if preprocessing.fit == "crop":
        box = CropBox.get_crop_box_to_fit_dst_size((width, height), (to_width, to_height))
        return _resize(pixels, to_height, to_width, box)
    if preprocessing.fit == "pad":
        scale = min(to_height / height, to_width / width)
        inner_height = max(1, min(to_height, round(height * scale)))
        inner_width = max(1, min(to_width, round(width * scale)))
        inner = _resize(pixels, inner_height, inner_width, None)
        canvas = np.empty((to_height, to_width, 3), np.uint8)
        canvas[:] = np.array(preprocessing.fill, np.uint8)
        top, left = round((to_height - inner_height) / 2), round((to_width - inner_width) / 2)
        canvas[top : top + inner_height, left : left + inner_width] = inner
        return canvas
    return _resize(pixels, to_height, to_width, None)


_thread = threading.local()


def _resize(pixels: Pixels, height: int, width: int, box: CropBox | None) -> Pixels:
    if box is None and pixels.shape[:2] == (height, width):
        return pixels
    from_height, from_width = (box.height, box.width) if box else pixels.shape[:2]
    if height > from_height and width > from_width:
        return _enlarge(pixels, height, width, box)
    resizer: Resizer | None = getattr(_thread, "resizer", None)
    if resizer is None:  # a Resizer keeps buffers, so each thread has its own
        resizer = _thread.resizer = Resizer()
    source = ImageData(pixels.shape[1], pixels.shape[0], PixelType.U8x3, np.ascontiguousarray(pixels).tobytes())
    target = ImageData(width, height, PixelType.U8x3)
    options = ResizeOptions(ResizeAlg.convolution(FilterType.bilinear), crop_box=box)
    resizer.resize(source, target, options)
    return np.frombuffer(target.get_buffer(), np.uint8).reshape(height, width, 3)


def _enlarge(pixels: Pixels, height: int, width: int, box: CropBox | None) -> Pixels:
    """Pillow itself: enlarged both ways, cykooz-resizer rounds twice and is two levels off in some places."""
    corners = (box.left, box.top, box.left + box.width, box.top + box.height) if box else None
    image = Image.fromarray(pixels)
    if corners:  # a box may end beyond the picture by the rounding of a float
        corners = (*corners[:2], min(corners[2], image.width), min(corners[3], image.height))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box=corners))
