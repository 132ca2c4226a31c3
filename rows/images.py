"""One image of a table before it is scaled: a file, a span of a file, encoded bytes, or pixels; or a region of one.

Equal refs are the same image, so a set of refs holds each distinct image once: files by name, bytes and pixels by
content, and regions of them by their box and mask.

Decision a reader would question: what a ref of a region gives, whoever asks, is its crop and never the picture around
it: encoded, that is a PNG of the crop. Who cuts several regions out of one picture asks for that, `whole`, and decodes
it once.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from artifact.errors import bounded
from artifact.images.decoding import Pixels, decoded
from artifact.images.image_error import ImageError
from artifact.images.limits import DEFAULT_LIMITS, Limits, too_many_bytes
from artifact.images.pillow_pixels import rgb_pixels
from artifact.images.region import Region
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S
from rows.location import Location, UrlError, beside, locate, readable_name, shown
from rows.nearby import nearby
from rows.picture_arrays import is_array_file, picture_file
from rows.remote import always_wanted, read_remote

_LONGEST_SHOWN = 300


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A reference to an image; light, but for `data` and `pixels`.

    Attributes:
        path: the file, or None.
        data: the encoded bytes, or None.
        span: (offset, size) in bytes where the image is a part of the file `path`: a member of a tar.
        digest: of `pixels`.
        pixels: uint8 [h, w, 3], read-only and not always contiguous, or None.
        fault: why there is none of these, where more can be said than that the cell is empty.
        region: the part of the picture that is meant; None: all of it.

    With none of them the row's cell was empty, and `read` says so: a row with a missing image is a bad row, not the
    end of the job.
    """

    path: Location | None = None
    data: bytes | None = None
    span: tuple[int, int] | None = None
    digest: bytes | None = None
    pixels: Pixels | None = field(default=None, compare=False, repr=False)
    fault: str | None = None
    region: Region | None = None

    @classmethod
    def of_pixels(cls, pixels: Pixels) -> ImageRef:
        """The ref of uint8 [h, w, 3 or 4], [h, w, 1] or [h, w]; grey becomes three equal channels, alpha lies over
        white."""
        if pixels.shape[2:] == (4,):
            pixels = rgb_pixels(Image.fromarray(np.ascontiguousarray(pixels)))
        digest = hashlib.sha256(repr(pixels.shape).encode())
        digest.update(np.ascontiguousarray(pixels).data)
        grey = pixels[..., None] if pixels.ndim == 2 else pixels
        return cls(digest=digest.digest(), pixels=np.broadcast_to(grey, (*grey.shape[:2], 3)))

    @classmethod
    def of_name(cls, name: str | os.PathLike[str] | Location, folder: Location | None = None) -> ImageRef:
        """The ref of a file or URL, relative to a table's folder where one is given; of what is no URL, why."""
        try:
            return cls(path=locate(name) if folder is None or not isinstance(name, str) else beside(folder, name))
        except UrlError as error:
            return cls(fault=error.reason)

    @property
    def is_empty(self) -> bool:
        """Whether the row has no image."""
        return self.path is None and self.data is None and self.pixels is None

    @property
    def num_bytes(self) -> int:
        """Bytes of memory that its encoded bytes and pixels take; 0 where it only names a file."""
        return len(self.data or b"") + (0 if self.pixels is None else self.pixels.nbytes)

    @property
    def file(self) -> Path | None:
        """The local file that is this image and nothing else, or None."""
        is_file = isinstance(self.path, Path) and self.span is None and self.region is None
        return self.path if is_file and isinstance(self.path, Path) else None

    @property
    def whole(self) -> ImageRef:
        """The picture that a region is part of; of any other ref itself."""
        return self if self.region is None else replace(self, region=None)

    def cropped(self, pixels: Pixels) -> Pixels:
        """Its part of the picture, uint8 [h, w, 3] as decoded: the region's crop, or all; raises ImageError."""
        return pixels if self.region is None else self.region.crop(pixels)

    def own_pixels(self) -> Pixels | None:
        """What a table holds as pixels, cropped: uint8 [h, w, 3], C-contiguous; None for a file. Raises ImageError."""
        return None if self.pixels is None else self.cropped(np.ascontiguousarray(self.pixels))

    def decode(self, data: bytes, limits: Limits = DEFAULT_LIMITS) -> Pixels:
        """The region's own pixels out of the encoded picture `whole.read()`; raises ImageError."""
        if self.region is not None:
            self.region.require_box()  # before a picture is decoded for it
        with decoded(data, limits) as pixels:
            return self.cropped(pixels)

    def read(
        self,
        max_bytes: int = DEFAULT_LIMITS.max_bytes,
        *,
        max_pixels: int = DEFAULT_LIMITS.max_pixels,
        timeout_s: float = DEFAULT_READ_TIMEOUT_S,
        is_wanted: Callable[[], bool] = always_wanted,
    ) -> bytes:
        """The encoded bytes; of pixels and of a region a PNG file, which gives the same pixels again; of a file of one
        array a PPM.

        Args:
            max_bytes: larger files are refused before they are read, remote ones as soon as so much has come.
            max_pixels: of a region, of larger pictures nothing is cut out.
            timeout_s, is_wanted: for a remote file; see rows/remote.py.

        Raises:
            ImageError: no image in the row, no such file, not a file, too large, too slow, or not readable; of a region
                also where the picture cannot be decoded, or has no such part.
        """
        if self.region is not None:
            cropped = self.own_pixels()
            if cropped is None:
                data = self.whole.read(max_bytes, timeout_s=timeout_s, is_wanted=is_wanted)
                cropped = self.decode(data, replace(DEFAULT_LIMITS, max_bytes=max_bytes, max_pixels=max_pixels))
            return _png(cropped)
        if self.data is not None:
            return self.data
        if self.pixels is not None:
            return _png(self.pixels)
        if self.path is None:
            raise ImageError(f"no image: {self.fault or 'the cell is empty'}")
        try:
            if self.span is not None:
                return self._read_span(*self.span, max_bytes)
            if isinstance(self.path, Path):
                return self._as_image(self._read_local(max_bytes))
        except ImageError:
            raise
        except FileNotFoundError:
            hint = nearby(self.path) if isinstance(self.path, Path) else ""
            raise ImageError(f"no such file: {self._shown}{hint}") from None
        except OSError as error:
            raise ImageError(f"cannot be read ({error.strerror or type(error).__name__}): {self._shown}") from None
        except ValueError:  # a NUL byte in the name
            raise ImageError(f"not a file name: {bounded(repr(str(self.path)), _LONGEST_SHOWN)}") from None
        try:
            data = read_remote(self.path, max_bytes=max_bytes, timeout_s=timeout_s, is_wanted=is_wanted)
        except FileNotFoundError:
            raise ImageError(f"no such file: {self._shown}") from None
        except ImageError as error:
            raise ImageError(f"{error}: {self._shown}") from None
        return self._as_image(data)

    def _as_image(self, data: bytes) -> bytes:
        """A file's bytes as they are; of an array those of the picture that it is."""
        assert self.path is not None
        if not is_array_file(self.path.name):
            return data
        try:
            return picture_file(data)
        except ImageError as error:
            raise ImageError(f"{error}: {self._shown}") from None

    def _read_local(self, max_bytes: int) -> bytes:
        assert isinstance(self.path, Path)
        status = os.stat(self.path)
        if not stat.S_ISREG(status.st_mode):  # a pipe would block for ever
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device or pipe"
            raise ImageError(f"{kind}, not a file: {self._shown}")
        self._check_size(status.st_size, max_bytes)
        with open(self.path, "rb") as file:
            return file.read()

    def _read_span(self, offset: int, size: int, max_bytes: int) -> bytes:
        self._check_size(size, max_bytes)
        file = os.open(str(self.path), os.O_RDONLY)
        try:
            data = os.pread(file, size, offset)
        finally:
            os.close(file)
        if len(data) < size:
            raise ImageError(f"cut short, {len(data)} of {size} bytes: {self._shown}")
        return data

    def _check_size(self, size: int, max_bytes: int) -> None:
        if size > max_bytes:
            raise ImageError(too_many_bytes(size, max_bytes, where=self._shown))

    @property
    def _shown(self) -> str:
        return bounded(readable_name(shown(self.path)), _LONGEST_SHOWN) + (
            f", byte {self.span[0]}" if self.span else ""
        )


def _png(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", compress_level=1)
    return file.getvalue()
