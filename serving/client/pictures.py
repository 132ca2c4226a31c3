"""Images as a caller may hand them over (a path, encoded bytes, a PIL image, uint8 pixels), and which are the same.

Equal pictures are one image and run once: paths by name, bytes and pixels by content.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

import numpy as np
from PIL import Image, ImageOps

from artifact.decoding import ImageError, Pixels, require_within
from artifact.errors import UsageError
from artifact.limits import DEFAULT_LIMITS, Limits
from artifact.preprocessing import Preprocessing, load_pixels, resize_pixels
from rows.images import ImageRef
from rows.location import locate

if TYPE_CHECKING:
    from upath import UPath

ImageLike: TypeAlias = "str | os.PathLike[str] | UPath | bytes | Image.Image | Pixels | ImageRef"

_PNG_MODES = ("1", "L", "LA", "P", "PA", "RGBA", "I", "I;16")


Picture = ImageRef


def picture(image: ImageLike) -> Picture:
    """The image as a hashable value.

    A PIL image gives the same pixels as its file would: EXIF orientation is applied, alpha goes over white.

    Raises:
        UsageError: not an image, or an array other than uint8 [h, w, 3].
    """
    if isinstance(image, ImageRef):
        return image
    if isinstance(image, bytes):
        return ImageRef(data=image)
    if is_path(image):
        return ImageRef(path=locate(image))
    if isinstance(image, Image.Image):
        image = ImageOps.exif_transpose(image)
        if image.mode in _PNG_MODES:
            return ImageRef(data=_png(image))
        image = np.asarray(image.convert("RGB"))
    if not isinstance(image, np.ndarray):
        raise _refusal(type(image).__name__)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise _refusal(f"{image.dtype} {list(image.shape)}")
    return ImageRef.of_pixels(image)


def is_path(image: object) -> TypeGuard[str | os.PathLike[str] | UPath]:
    """Whether it is a path; those to object storage are no os.PathLike."""
    if isinstance(image, (str, os.PathLike)):
        return True
    if "upath" not in sys.modules:  # then nobody has made one
        return False
    from upath import UPath

    return isinstance(image, UPath)


def read_pixels(source: Picture, preprocessing: Preprocessing, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """uint8 [height, width, 3]; raises ImageError."""
    if source.pixels is not None:
        return resize_pixels(np.ascontiguousarray(source.pixels), preprocessing)
    return load_pixels(source.read(limits.max_bytes), preprocessing, limits)


def read_encoded(source: Picture, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The encoded file, for a server that decodes; raises ImageError.

    Nothing is sent that is over the limits here, so that both forms of sending refuse the same images. What cannot be
    read at all the server judges.
    """
    data = source.read(limits.max_bytes)
    if not data:  # Triton's python backend takes an empty string for a missing one
        raise ImageError("empty (0 bytes)")
    if source.pixels is None:  # an array has no limit
        require_within(data, limits)
    return data


def _refusal(got: str) -> UsageError:
    return UsageError("image", expected="a path, encoded bytes, a PIL image or a uint8 array [h, w, 3]", got=got)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()
