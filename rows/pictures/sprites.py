"""Sprite sheets: many thumbnails in few large pictures, a square cell each, as pages load and draw them.

Decisions a reader would question:
- Cells are filled in the order in which thumbnails come, and `cells` says which row has which. So few sheets
  are in memory at a time, whatever the order of the images in their table, and rows without a picture take no room.
- A thumbnail stands in the middle of its cell with nothing around it (alpha), so a page of any colour shows it alone.
- WebP, encoded fast: at equal quality it is a quarter smaller than JPEG, and slower methods win 13 % for twice the time
  (docs/decisions/0038-pictures-of-a-table.md).
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from artifact.errors import UsageError
from artifact.images.cores import available_cores
from rows.pictures.thumbnail import Thumbnail

SHEET_PX = 2048
"""Side of a sheet at most: what every graphics card takes for a texture."""
DEFAULT_PX, LEAST_PX, MOST_PX = 64, 32, 256
MEDIA_TYPE = "image/webp"
_QUALITY, _METHOD = 80, 0


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One encoded sheet: its number from 0, the file, a WebP, and its size in pixels."""

    number: int
    data: bytes
    width: int
    height: int


class Sprites:
    """Sheets of the thumbnails of a table; iterate `sheets` once, then `cells` is complete.

    Cell c is on sheet c // cells_per_sheet. There, with n = c % cells_per_sheet, its left upper corner is at
    x = px * (n % columns), y = px * (n // columns); a thumbnail of w x h is in the middle of it:
    x + (px - w) // 2, y + (px - h) // 2.

    Args:
        num_rows: N.
        px: side of a cell in pixels; thumbnails are at most that wide and high.

    Raises:
        UsageError: px out of range.

    Attributes:
        columns: cells beside each other on a sheet.
        cells_per_sheet: at most; the last sheet has as many rows of cells as it needs.
        cells: int32 [N], the cell of each row; -1 where it has none.
        sizes: uint16 [N, 2], width and height of each thumbnail in pixels; 0 where there is none.
    """

    def __init__(self, num_rows: int, px: int = DEFAULT_PX) -> None:
        require_cell(px)
        self.px, self.columns = px, SHEET_PX // px
        self.cells_per_sheet = self.columns**2
        self.cells: npt.NDArray[np.int32] = np.full(num_rows, -1, np.int32)
        self.sizes: npt.NDArray[np.uint16] = np.zeros((num_rows, 2), np.uint16)

    def sheets(self, thumbnails: Iterable[tuple[int, Thumbnail]]) -> Iterator[Sheet]:
        """The sheets in order; the next one is filled while others are encoded, one a core.

        Args:
            thumbnails: (row, thumbnail), each row once, such as Pictures.thumbnails(px) gives them.
        """
        waiting: deque[Future[Sheet]] = deque()
        canvas, num_cells, cores = self._blank(), 0, available_cores()
        with ThreadPoolExecutor(cores, "lookalike-sheet") as pool:
            for row, thumbnail in thumbnails:
                self._place(canvas, num_cells, row, thumbnail)
                num_cells += 1
                if num_cells % self.cells_per_sheet == 0:
                    if len(waiting) == cores:
                        yield waiting.popleft().result()
                    waiting.append(pool.submit(_encoded, num_cells // self.cells_per_sheet - 1, canvas))
                    canvas = self._blank()
            while waiting:
                yield waiting.popleft().result()
            number, left = divmod(num_cells, self.cells_per_sheet)
            if left:
                yield _encoded(number, canvas[: self.px * -(-left // self.columns)])

    def _blank(self) -> npt.NDArray[np.uint8]:
        side = self.px * self.columns
        return np.zeros((side, side, 4), np.uint8)

    def _place(self, canvas: npt.NDArray[np.uint8], cell: int, row: int, thumbnail: Thumbnail) -> None:
        pixels = thumbnail.within(self.px).pixels
        height, width = pixels.shape[:2]
        down, along = divmod(cell % self.cells_per_sheet, self.columns)
        x, y = self.px * along + (self.px - width) // 2, self.px * down + (self.px - height) // 2
        canvas[y : y + height, x : x + width, :3] = pixels
        canvas[y : y + height, x : x + width, 3] = 255
        self.cells[row], self.sizes[row] = cell, (width, height)


def require_cell(px: int) -> None:
    """Raise UsageError unless it can be the side of a cell."""
    if not LEAST_PX <= px <= MOST_PX:
        raise UsageError("side of a picture on a sheet", expected=f"{LEAST_PX} to {MOST_PX} px", got=str(px))


def _encoded(number: int, canvas: npt.NDArray[np.uint8]) -> Sheet:
    height, width = canvas.shape[:2]
    is_full = bool((canvas[..., 3] == 255).all())
    image = Image.fromarray(np.ascontiguousarray(canvas[..., :3]) if is_full else canvas)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=_QUALITY, method=_METHOD)
    return Sheet(number=number, data=buffer.getvalue(), width=width, height=height)
