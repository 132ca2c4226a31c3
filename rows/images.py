"""One image of a table before it is decoded: a file on disk, or bytes that the table itself holds."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from artifact.preprocessing import DEFAULT_LIMITS, ImageError


@dataclass(frozen=True, slots=True)
class ImageRef:
    """Where an encoded image is; equal refs are the same image, so a set of refs holds each distinct image once.

    Attributes:
        path: the file, or None.
        data: the encoded bytes, or None. With neither, the row's cell was empty, and `read` says so: a row with a
            missing image is a bad row, not the end of the job.
    """

    path: Path | None = None
    data: bytes | None = None

    def read(self, max_bytes: int = DEFAULT_LIMITS.max_bytes) -> bytes:
        """The encoded bytes.

        Args:
            max_bytes: larger files are refused before they are read.

        Raises:
            ImageError: no image in the row, no such file, not a file, too large, or not readable.
        """
        if self.data is not None:
            return self.data
        if self.path is None:
            raise ImageError("no image: the cell is empty")
        try:
            status = os.stat(self.path)
            if not stat.S_ISREG(status.st_mode):  # a pipe would block for ever
                kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device or pipe"
                raise ImageError(f"{kind}, not a file: {self._shown}")
            if status.st_size > max_bytes:
                raise ImageError(f"{status.st_size} bytes, over the limit of {max_bytes}: {self._shown}")
            with open(self.path, "rb") as file:
                return file.read()
        except ImageError:
            raise
        except FileNotFoundError:
            raise ImageError(f"no such file: {self._shown}") from None
        except OSError as error:
            raise ImageError(f"cannot be read ({error.strerror or type(error).__name__}): {self._shown}") from None
        except ValueError:  # a NUL byte in the name
            raise ImageError(f"not a file name: {str(self.path)!r}") from None

    @property
    def _shown(self) -> str:
        return readable_name(str(self.path))


def readable_name(name: str) -> str:
    r"""A file name as valid Unicode: bytes that are not UTF-8 become `\xff`, so that it fits in tables and messages."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
