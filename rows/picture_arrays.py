"""NumPy files of ONE picture: uint8 [h, w], [h, w, 1], [h, w, 3] or [h, w, 4], alone in a .npy or .npz file.

Decisions a reader would question:
- Such a file is an image wherever images are named: alone, in a folder, in a cell. It is read into a plain PPM or PGM
  file, which gives the same pixels again and the same bytes on every machine. So hashes, limits, caches and servers
  treat it as any other image, and nobody but this file knows of arrays: NAME_decode never sees one.
- Transparency is laid over white by the function that does it for every image.
- A folder's .npy files are looked into, and those of one picture are its images; its .npz files are tables, as ever.
- A 3-d array whose last axis is 1, 3 or 4 is one picture, and no set of pictures of that width.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import numpy as np
from PIL import Image

from artifact.images.decoding import Pixels
from artifact.images.image_error import ImageError
from artifact.images.limits import DEFAULT_LIMITS
from artifact.images.pillow_pixels import rgb_pixels
from rows.array_header import BROKEN, ArrayHeader, member_names, read_header

CHANNELS = (1, 3, 4)
ARRAY_SUFFIXES = (".npy", ".npz")
KINDS = "uint8 [h, w], [h, w, 1], [h, w, 3] or [h, w, 4]"
_MAX_BYTES = 4 * DEFAULT_LIMITS.max_pixels


def is_array_file(name: str) -> bool:
    """Whether a file of this name holds arrays."""
    return name.lower().endswith(ARRAY_SUFFIXES)


def is_one_picture(header: ArrayHeader) -> bool:
    """Whether an array is one picture."""
    shape = header.shape
    is_flat = len(shape) == 2 or (len(shape) == 3 and shape[2] in CHANNELS)
    return is_flat and header.dtype == np.uint8 and 0 not in shape and not header.is_fortran


def begins_one_picture(head: bytes) -> bool:
    """Whether a .npy file that begins with these bytes is one picture."""
    try:
        return is_one_picture(read_header(io.BytesIO(head)))
    except BROKEN:
        return False


def only_picture(headers: Mapping[str, ArrayHeader]) -> str | None:
    """The name of the array that is a file's only picture; None where there is none, several, or a set of pictures."""
    found = [name for name, header in headers.items() if is_one_picture(header)]
    others = [header for name, header in headers.items() if name not in found and len(header.shape) > 2]
    return found[0] if len(found) == 1 and not others else None


def picture_file(data: bytes) -> bytes:
    """The bytes of a .npy or .npz file of one picture as those of a PPM or PGM file; raises ImageError."""
    try:
        if data[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return _file_of(_member(archive))
        return _file_of(_array(data))
    except ImageError:
        raise
    except BROKEN as error:
        raise ImageError(f"not a readable array: {' '.join(str(error).split())[:200]}") from None


def _member(archive: zipfile.ZipFile) -> Pixels:
    headers = {}
    for name in member_names(archive):
        with archive.open(f"{name}.npy") as member:
            headers[name] = read_header(member)
    only = only_picture(headers)
    if only is None:
        raise ImageError(f"an .npz file without an only array that is one picture, {KINDS}")
    _require_bounded(headers[only])
    with archive.open(f"{only}.npy") as member:  # of which no more is unpacked than its header says there is
        return _array(member.read(headers[only].offset + headers[only].num_bytes))


def _array(data: bytes) -> Pixels:
    header = read_header(io.BytesIO(data))
    if not is_one_picture(header):
        order = " in column order" if header.is_fortran else ""
        raise ImageError(f"an array of {header.dtype} {list(header.shape)}{order} and no picture, {KINDS}")
    _require_bounded(header)
    if len(data) < header.offset + header.num_bytes:
        raise ImageError("an array that is cut short")
    pixels: Pixels = np.frombuffer(data, np.uint8, header.num_bytes, header.offset).reshape(header.shape)
    return pixels


def _require_bounded(header: ArrayHeader) -> None:
    if header.num_bytes > _MAX_BYTES:
        raise ImageError(f"an array of {header.num_bytes:,} bytes is over the limit of {_MAX_BYTES:,}")


def _file_of(pixels: Pixels) -> bytes:
    if pixels.shape[2:] == (4,):
        pixels = rgb_pixels(Image.fromarray(pixels))
    kind = b"P6" if pixels.shape[2:] == (3,) else b"P5"
    return b"%s %d %d 255\n" % (kind, pixels.shape[1], pixels.shape[0]) + pixels.tobytes()
