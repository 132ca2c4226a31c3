"""Images as callers hand them over, some at a time: any iterable of them, or a column of Arrow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
from PIL import Image

from artifact.errors import UsageError
from rows.cells import IMAGE_KINDS, image_refs, is_image_column, kind_name
from serving.client.pictures import ImageLike, is_encoded, is_path

ArrowColumn: TypeAlias = "pa.Array[Any] | pa.ChunkedArray[Any]"
Images: TypeAlias = "Iterable[ImageLike] | ArrowColumn"


def chunks(images: Images, size: Callable[[], int]) -> Iterator[Sequence[ImageLike]]:
    """The images in order, some at a time; memory is that of one chunk, where `images` is lazy.

    Args:
        size: images of the next chunk, asked before each: it may change on the way.

    Raises:
        UsageError: one image instead of several, or a column that holds none.
    """
    if isinstance(images, pa.Array | pa.ChunkedArray):
        at = 0
        while at < len(images):
            rows = images[at : at + size()]
            yield image_list(rows)
            at += len(rows)
        return
    refuse_one(images)
    source = iter(images)
    while chunk := list(islice(source, size())):
        yield chunk


def image_list(images: Sequence[ImageLike] | ArrowColumn) -> Sequence[ImageLike]:
    """The images of a column; a sequence as it is. Raises UsageError for a column that holds no images."""
    if not isinstance(images, pa.Array | pa.ChunkedArray):
        return images
    column = pa.chunked_array([images]) if isinstance(images, pa.Array) else images
    if not is_image_column(column.type):
        raise UsageError("images", expected=f"a column of {IMAGE_KINDS}", got=kind_name(column.type))
    return image_refs(column, Path())


def refuse_one(images: object) -> None:
    """Raise UsageError for a single image where several are wanted."""
    if is_path(images) or is_encoded(images) or isinstance(images, Image.Image):
        raise UsageError("images", expected="a list or another iterable of them", got="one", mend="put it in a list")
