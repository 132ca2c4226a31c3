"""Cells of a tar's rows: which column a member is, and what stands in it.

An image is a struct: its bytes, or the span of the archive where it lies, or why there is none.
"""

from __future__ import annotations

import tarfile
from typing import IO, Any, Literal, overload

import pyarrow as pa

from rows.image_suffixes import has_image_suffix
from rows.location import readable_name

TEXT_COLUMNS = {"cls": "label", "txt": "txt", "json": "json"}
"""Extension -> column, of members that are text."""

_FIELDS: dict[str, pa.DataType] = {
    "bytes": pa.binary(),
    "offset": pa.int64(),
    "size": pa.int64(),
    "fault": pa.string(),
}
IMAGE_CELL = pa.struct(list(_FIELDS.items()))


@overload
def column_of(extension: str) -> str | None: ...


@overload
def column_of(extension: str, *, is_image: Literal[True]) -> str: ...


def column_of(extension: str, *, is_image: bool = False) -> str | None:
    """The column of a member by what follows the first dot of its name; None where it is none.

    Args:
        is_image: whether it is one whatever its suffix.
    """
    lower = extension.lower()
    if lower in TEXT_COLUMNS:
        return TEXT_COLUMNS[lower]
    if is_image or has_image_suffix(f"x.{extension}"):
        stem = extension.rpartition(".")[0]
        return extension if stem in ("id", *TEXT_COLUMNS.values()) else stem or "image"
    return None


def image_cell(*, span: tuple[int, int] | None = None, data: bytes | None = None) -> dict[str, Any]:
    """An image by its span of the archive or by its bytes."""
    offset, size = span or (None, None)
    return {"bytes": data, "offset": offset, "size": size, "fault": None}


def faulty_cell(reason: str, is_text: bool) -> dict[str, Any] | None:
    """Why there is no image; of a text nothing, which is an empty cell."""
    return None if is_text else image_cell() | {"fault": readable_name(reason)}


def whole_cell(cell: Any, column: str, tar: tarfile.TarFile) -> Any:
    """A cell as the table has it: texts are read, and spans of images named."""
    is_span = isinstance(cell, tuple) or (isinstance(cell, dict) and cell["offset"] is not None)
    if not is_span:
        return cell
    offset, size = cell if isinstance(cell, tuple) else (cell["offset"], cell["size"])
    if column not in TEXT_COLUMNS.values():
        return image_cell(span=(offset, size))
    file: Any = tar.fileobj
    at = file.tell()
    file.seek(offset)
    text = text_cell(file, size)
    file.seek(at)
    return text


def text_cell(file: IO[bytes], size: int) -> str:
    """What a member of so many bytes says, without spaces around it."""
    return file.read(size).decode("utf-8", "backslashreplace").strip()
