"""The one way from an encoded image to uint8 pixels, which training, the embedded server and real Triton share.

This file and image_batch.py are copied, as they are, next to the python-backend model NAME_decode. So they import
nothing else of Lookalike: only the standard library, numpy, Pillow, simplejpeg and cykooz-resizer. A changed pixel is a
new RESIZE_METHOD.

Decisions a reader would question:
- Pillow's plugins are called without `Image.open`, because that warns about large images from every thread; our own
  limits are checked from the header, before any pixel is decoded.
- RGB and grey JPEGs go through simplejpeg (libjpeg-turbo); whatever it does not like is left to Pillow, which decides.
- Images smaller than the target both ways are enlarged by Pillow: there cykooz-resizer is up to two levels off.
- fit="pad" fills with the mean colour, which the graph turns into zeros, as the network's own zero padding.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
from cykooz_resizer import CropBox, FilterType, ImageData, PixelType, ResizeAlg, ResizeOptions, Resizer
from PIL import Image, ImageFile, ImageOps

Pixels = npt.NDArray[np.uint8]

RESIZE_METHOD = "antialiased-bilinear/1"
FITS = ("stretch", "crop", "pad")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_EXIF_ORIENTATION = 0x0112


class ImageError(ValueError):
    """An image that cannot become pixels; `str()` is the reason alone, the caller knows which image it was."""


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


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Largest files and pictures; larger ones are refused from the header alone, before decoding.

    Attributes:
        max_bytes: size of the encoded image in bytes.
        max_pixels: width x height; the default of 2**26 takes a 64-megapixel photograph.
        max_frames: frames of an animation or pages of a TIFF (only the first is read).
        min_side_px: shortest side; a 1x1 image is a placeholder, not a picture.
        formats: Pillow's names of the accepted formats.
    """

    max_bytes: int = 64 * 1024 * 1024
    max_pixels: int = 2**26
    max_frames: int = 1000
    min_side_px: int = 2
    formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")

    def to_dict(self) -> dict[str, Any]:
        """The mapping that `from_dict` reads; plain JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Limits:
        """Read the mapping that `to_dict` wrote; keys of a later version are left alone."""
        known: dict[str, Any] = {
            key: tuple(values[key]) if isinstance(values[key], list) else values[key]
            for key in cls.__dataclass_fields__
            if key in values
        }
        return cls(**known)


DEFAULT_LIMITS = Limits()


def load_pixels(data: bytes, preprocessing: Preprocessing, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Decode and resize one encoded image.

    Args:
        data: the encoded file (JPEG, PNG, WebP, GIF, BMP, TIFF, PPM).
        preprocessing: size and fit of the result.
        limits: what is refused before decoding.

    Returns:
        uint8 [height, width, 3], RGB, C-contiguous.

    Raises:
        ImageError: empty, truncated, not an image, over or under a limit.
    """
    return resize_pixels(decode_image(data, limits), preprocessing)


def decode_image(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Decode an encoded image to uint8 [h, w, 3]: EXIF orientation applied, alpha over white, first frame, 8 bits."""
    image = _open_header(data, limits)
    if image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L"):
        try:
            return _upright(simplejpeg.decode_jpeg(data, colorspace="RGB"), _exif_orientation(image))
        except ValueError:  # strict about warnings that Pillow rightly passes over: let Pillow decide
            pass
    try:
        image.load()
        return np.ascontiguousarray(_to_rgb(ImageOps.exif_transpose(image)))
    except ImageError:
        raise
    except Exception as error:  # decoders of hostile bytes raise anything: OSError, struct.error, IndexError ...
        raise ImageError(f"cannot be decoded: {_one_line(error)}") from None


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
        fill = np.array([round(value * 255) for value in preprocessing.mean]).clip(0, 255).astype(np.uint8)
        canvas = np.empty((to_height, to_width, 3), np.uint8)
        canvas[:] = fill
        top, left = round((to_height - inner_height) / 2), round((to_width - inner_width) / 2)
        canvas[top : top + inner_height, left : left + inner_width] = inner
        return canvas
    return _resize(pixels, to_height, to_width, None)


def inspect_image(data: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[str, int, int]:
    """Format name, width and height in pixels, from the header alone; raises ImageError as `load_pixels` would."""
    image = _open_header(data, limits)
    return str(image.format), image.width, image.height


def _open_header(data: bytes, limits: Limits) -> ImageFile.ImageFile:
    """Find the plugin by the first bytes, read the header, check it against the limits; no pixel is decoded."""
    if not data:
        raise ImageError("empty (0 bytes)")
    if len(data) > limits.max_bytes:
        raise ImageError(f"{len(data)} bytes, over the limit of {limits.max_bytes}")
    image = _plugin_image(data, limits)
    width, height = image.size
    if width * height > limits.max_pixels:
        raise ImageError(f"{width}x{height} pixels, over the limit of {limits.max_pixels / 1e6:.0f} megapixels")
    if min(width, height) < limits.min_side_px:
        raise ImageError(f"{width}x{height} pixels, under the limit of {limits.min_side_px} px a side")
    try:
        frames = int(getattr(image, "n_frames", 1))
    except Exception as error:  # walking the frames of a broken animation
        raise ImageError(f"cannot be decoded: {_one_line(error)}") from None
    if frames > limits.max_frames:
        raise ImageError(f"{frames} frames, over the limit of {limits.max_frames}")
    return image


def _plugin_image(data: bytes, limits: Limits) -> ImageFile.ImageFile:
    Image.preinit()
    for name in limits.formats:
        if name not in Image.OPEN:
            Image.init()
        factory, accept = Image.OPEN.get(name, (None, None))
        if factory is None or (accept is not None and accept(data[:16]) is not True):
            continue
        try:
            return factory(io.BytesIO(data), "")
        except Exception as error:  # any exception is a plugin's way to say no
            raise ImageError(f"not a readable {name} image: {_one_line(error)}") from None
    raise ImageError(f"not an image in any of {', '.join(limits.formats)} (starts with {bytes(data[:8])!r})")


def _to_rgb(image: Image.Image) -> Pixels:
    if image.mode.startswith("I"):
        return _grey16(image)
    if image.mode == "F":
        raise ImageError("32-bit float pixels are not supported; save as 8 or 16 bits")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB"))
    return np.asarray(image.convert("RGB"))


def _grey16(image: Image.Image) -> Pixels:
    """16-bit grey scaled to 8 bits with rounding; Pillow's own convert clips everything above 255 to white."""
    values = np.asarray(image).astype(np.int64).clip(0, 65535)
    grey = ((values * 255 + 32767) // 65535).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _exif_orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # broken EXIF in a good image: treat as upright, as Pillow's own tools do
        return 1


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Apply EXIF orientation 2..8; anything else is upright already."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


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


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
