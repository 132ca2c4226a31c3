"""The gate for images as a caller hands them over: paths, encoded bytes, PIL images, uint8 pixels.

Equal pictures are one image and run once: paths by name, bytes and pixels by content.

Decision a reader would question: an image that cannot be read, or that is missing (None, NaN), is a bad row like any
other. What is no image at all is a mistake in the caller's code, and raises at once.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
import pyarrow as pa
from PIL import Image

from artifact.errors import UsageError
from artifact.images.decoding import Pixels, require_within
from artifact.images.image_error import ImageError
from artifact.images.limits import DEFAULT_LIMITS, Limits
from artifact.images.pillow_images import image_pixels
from artifact.images.preprocessing import Preprocessing, load_pixels, resize_pixels
from rows.cells import image_of_cell, image_of_struct
from rows.images import ImageRef

if TYPE_CHECKING:
    from upath import UPath

ImageLike: TypeAlias = (
    "str | os.PathLike[str] | UPath | bytes | bytearray | memoryview | Image.Image | Pixels | ImageRef"
)

_MISSING = ("NAType", "NaTType")
"""The types of pandas for a missing value; pandas itself is not needed to know one."""


def picture(image: ImageLike | None, limits: Limits = DEFAULT_LIMITS) -> ImageRef:
    """The image as a hashable value; an empty one where a value is missing, as in a table.

    A PIL image gives the same pixels as its file would: EXIF orientation is applied, alpha goes over white. A text is a
    path, or holds the image itself as a cell of a table may (data: URI, base64).

    Args:
        limits: of a PIL image; what is only named here is held to them when it is read.

    Raises:
        ImageError: a PIL image that cannot be decoded, is over a limit, or whose mode has no pixels of 8 or 16 bits.
        UsageError: not an image, or an array other than uint8 [h, w, 3].
    """
    if isinstance(image, ImageRef):
        return image
    given: Any = _plain(image)
    if isinstance(given, np.bytes_):
        raise _refusal(
            "numpy.bytes_", mend="NumPy has cut the zeros at its end; give bytes, or an array of dtype object"
        )
    if isinstance(given, (bytes, bytearray, memoryview)):
        return ImageRef(data=bytes(given))
    if _is_missing(given):
        return ImageRef()
    if isinstance(given, str):
        return image_of_cell(given, Path())
    if is_path(given):
        return ImageRef.of_name(given)
    if isinstance(given, Image.Image):
        return ImageRef.of_pixels(image_pixels(given, limits))
    if not isinstance(given, np.ndarray):
        raise _refusal(type(given).__name__)
    if given.dtype != np.uint8 or given.ndim != 3 or given.shape[2] != 3 or 0 in given.shape:
        raise _refusal(f"{given.dtype} {list(given.shape)}", mend=_array_mend(given))
    return ImageRef.of_pixels(given)


def is_path(image: object) -> TypeGuard[str | os.PathLike[str] | UPath]:
    """Whether it is a path; those to object storage are no os.PathLike."""
    if isinstance(image, (str, os.PathLike)):
        return True
    if "upath" not in sys.modules:  # then nobody has made one
        return False
    from upath import UPath

    return isinstance(image, UPath)


def is_encoded(image: object) -> TypeGuard[bytes | bytearray | memoryview | pa.Buffer]:
    """Whether it is the bytes of one file."""
    return isinstance(image, (bytes, bytearray, memoryview, pa.Buffer))


def read_pixels(source: ImageRef, preprocessing: Preprocessing, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """uint8 [height, width, 3]; raises ImageError."""
    if source.pixels is not None:
        return resize_pixels(np.ascontiguousarray(source.pixels), preprocessing)
    return load_pixels(source.read(limits.max_bytes), preprocessing, limits)


def read_encoded(source: ImageRef, limits: Limits = DEFAULT_LIMITS) -> bytes:
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


def _plain(image: Any) -> Any:
    """A value of Arrow as Python has it; of a {bytes, path} struct what is the image."""
    if isinstance(image, pa.Scalar):
        image = image.as_py()
    if isinstance(image, pa.Buffer):
        return image.to_pybytes()
    return image_of_struct(image) if isinstance(image, Mapping) and set(image) & {"bytes", "path"} else image


def _is_missing(image: object) -> bool:
    if image is None or (isinstance(image, str) and not image) or type(image).__name__ in _MISSING:
        return True
    return isinstance(image, (float, np.floating)) and math.isnan(image)


def _refusal(got: str, *, mend: str | None = None) -> UsageError:
    expected = "a path, encoded bytes, a PIL image or a uint8 array [h, w, 3]"
    return UsageError("image", expected=expected, got=got, mend=mend)


def _array_mend(array: np.ndarray[Any, Any]) -> str | None:
    if array.dtype.kind == "f":
        return "scale it to 0..255 and give uint8: nobody can say whether 0.5 is grey or nearly black"
    if array.dtype != np.uint8 or 0 in array.shape:
        return None
    if array.ndim == 3 and array.shape[0] == 3:
        return "the channels are last: np.moveaxis(image, 0, -1)"
    if array.ndim == 3 and array.shape[2] in (1, 2, 4):
        return "give a PIL image, whose mode says what the channels are"
    if array.ndim == 2 and array.shape[1] == 3:
        return "put one image in a list"
    if array.ndim == 2:
        return "give PIL.Image.fromarray(image), or three equal channels"
    return None
