"""Pictures of the rows of a table of vectors, from any table of images: joined by id, read once, in order.

Decisions a reader would question:
- Ids are compared as text: what is a number in a CSV is text in a Parquet file as often as not. Of several images with
  one id the first counts, for every row that has it; how many there were is told.
- The picture of a detection is the part of its image that its box says; it is joined by the id of the image.
- Pictures come in the order of their table, which need not be that of the rows: so memory is that of the ids and of a
  few pictures. A row of which none can be had is counted and listed, and never ends the work.
- Thumbnails that scoring wrote are taken, where they are large enough, in place of the table that they were made of.
- One picture later on is found by its place in the table. A table that cannot be entered at a row (CSV, JSON lines, a
  compressed tar) would have to be read from its start for each, so of those the names of the files are kept.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np

from artifact.arrays import Indices
from artifact.images.image_error import ImageError
from artifact.images.limits import DEFAULT_LIMITS, Limits
from artifact.kinds import BRANCH_INPUT
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S
from rows.images import ImageRef
from rows.pictures.ahead import in_order
from rows.pictures.detected import DetectedParts
from rows.pictures.reading import IsWanted, PictureReader, Unread
from rows.pictures.tally import BadPicture, RowIds, Tally
from rows.pictures.thumbnail import Thumbnail, require_px
from rows.pictures.written import WrittenThumbnails
from rows.tables import ImageTable

__all__ = ["BadPicture", "Pictures", "Thumbnail", "require_px"]

_NONE_MADE = "no thumbnail could be made when it was scored"
_ROWS_PER_READ, _BYTES_PER_READ = 256, 32 * 2**20


class Pictures:
    """The pictures of some rows; for tables of vectors `open_pictures` (opened.py) makes it.

    Args:
        ids: [N], of the rows, as text.
        images: the table; None: only thumbnails are there.
        written: what scoring left of the same images.
        parts: of which image each row is which part; None: ids are those of the images, and rows all of them.
        limits, read_timeout_s: as for `open_pictures`.

    Attributes:
        source: the table of images, for messages.
    """

    def __init__(
        self,
        ids: Sequence[str],
        images: ImageTable | None,
        *,
        written: WrittenThumbnails | None = None,
        parts: DetectedParts | None = None,
        limits: Limits = DEFAULT_LIMITS,
        read_timeout_s: float = DEFAULT_READ_TIMEOUT_S,
    ) -> None:
        if images is None and written is None:
            raise ValueError("expected a table of images, or thumbnails")
        self._rows = RowIds(ids) if parts is None else RowIds(parts.image_ids, names=ids)
        self._images, self._written, self._parts = images, written, parts
        self._reader = PictureReader(limits=limits, timeout_s=read_timeout_s)
        self.source = str(images.source) if images is not None else f"the thumbnails of {written and written.folder}"
        if images is not None:
            images.allow_images(limits.max_bytes)
        self._images_lock, self._written_lock = threading.Lock(), threading.Lock()
        self._tally: Tally | None = None
        self._hashes: list[str | None] | None = None
        self._places: Indices | None = None  # of each row's image in its table
        self._refs: dict[int, ImageRef] = {}
        self._written_places: Indices | None = None

    def __len__(self) -> int:
        """How many rows, N."""
        return len(self._rows)

    def thumbnails(self, px: int) -> Iterator[tuple[int, Thumbnail]]:
        """(row, thumbnail) of every row that has a picture, each row once, in the order of the table of images.

        The table is read once. `bad`, `notes` and `hashes` know of it when the iteration has ended.

        Args:
            px: longest side at most, in pixels; smaller pictures keep their size.

        Raises:
            UsageError: px out of range. DataError: the table is broken further down.
        """
        require_px(px)
        if self.has_written(px):
            yield from self._read_written(px)
            return

        def make(image: ImageRef, turn: threading.Semaphore, is_wanted: IsWanted) -> Thumbnail | Unread:
            return self._reader.try_thumbnail(image, px, turn, is_wanted)

        tally = Tally(self._rows, self.source)
        for rows, made in in_order(self._found(tally), make):
            for row in rows:
                tally.hashes[row] = made.sha256
                if isinstance(made, Unread):
                    tally.reasons[row] = made.reason
                else:
                    yield row, made
        self._tally, self._hashes = tally, tally.hashes

    def hashes(self) -> list[str | None]:
        """[N]: SHA-256 in hex of each row's file; of an image that is an array of pixels, of its shape and pixels.

        None for a row without one. Reads the table of images, unless the thumbnails were read before.

        Raises:
            DataError: the table is broken further down.
        """
        if self._hashes is None:
            tally = Tally(self._rows, self.source)
            if self._written is not None:
                for name, digest in self._written.hashes():
                    for row in tally.meet(name):
                        tally.hashes[row] = digest
            else:
                for rows, found in in_order(self._found(tally), self._reader.try_hash):
                    for row in rows:
                        if isinstance(found, Unread):
                            tally.reasons[row] = found.reason
                        else:
                            tally.hashes[row] = found
            self._tally, self._hashes = self._tally or tally, tally.hashes
        return self._hashes

    def image(self, row: int) -> ImageRef:
        """The image of one row; may be called from several threads.

        The first call reads through the table, unless that was done before.

        Raises:
            ImageError: there is none, or the table is another by now. DataError: the table is broken.
        """
        if self._images is None:
            raise ImageError(f"not there: there are only {self.source}")
        with self._images_lock:
            if self._places is None:
                for _ in self._found(Tally(self._rows, self.source)):
                    pass
        name, place = self._rows.ids[row], -1 if self._places is None else int(self._places[row])
        if place in self._refs:
            return self._part(row, self._refs[place])
        if place < 0:
            raise ImageError(f"not in {self.source}")
        batch = next(self._images.batches(1, place), None)
        if batch is None or batch.ids[0] != name:
            raise ImageError(f"not in {self.source} any more, which has changed")
        return self._part(row, batch.images[BRANCH_INPUT][0])

    def read(self, row: int) -> bytes:
        """The encoded image of one row, of an array of pixels a PNG; raises as `image`."""
        return self._reader.read(self.image(row))

    def thumbnail(self, row: int, px: int) -> Thumbnail:
        """The thumbnail of one row; raises as `image`, and UsageError where px is out of range."""
        require_px(px)
        if self.has_written(px):
            assert self._written is not None
            with self._written_lock:
                if self._written_places is None:
                    self._written_places = self._written.places(self._rows)
            place = int(self._written_places[row])
            if place < 0:
                raise ImageError(f"not in {self.source}")
            found = self._written.read(place)
            if found is None:
                raise ImageError(_NONE_MADE)
            return found.within(px)
        return self._reader.thumbnail(self.image(row), px)

    def of_rows(self, rows: Sequence[int]) -> Pictures:
        """The pictures of some of the rows, of the same table; nothing is known of them yet."""
        names, reader = [self._rows.names[row] for row in rows], self._reader
        return Pictures(
            names,
            self._images,
            written=self._written,
            parts=None if self._parts is None else self._parts.of_rows(rows),
            limits=reader.limits,
            read_timeout_s=reader.timeout_s,
        )

    @property
    def can_read_any(self) -> bool:
        """Whether `read` finds any row in no time: not where a table that holds its images is read from its start."""
        if self._images is None:
            return False
        if self._images.num_rows is not None:
            return True
        return self._places is not None and len(self._refs) == len(np.unique(self._places[self._places >= 0]))

    @property
    def bad(self) -> list[BadPicture]:
        """The rows without a picture, by row: not in the table, or not to be read; none before a pass."""
        return self._tally.bad if self._tally is not None else []

    @property
    def notes(self) -> list[str]:
        """What is odd about the pictures, a line each; none before a pass."""
        return self._tally.notes if self._tally is not None else []

    def has_written(self, px: int) -> bool:
        """Whether thumbnails of so many pixels are those that scoring wrote, of which any is found in no time."""
        return self._written is not None and (self._images is None or self._written.px >= px)

    def _part(self, row: int, image: ImageRef) -> ImageRef:
        return image if self._parts is None else self._parts.part(row, image)

    def _found(self, tally: Tally) -> Iterator[tuple[Sequence[int], ImageRef]]:
        """(rows, image) of each id that rows have, from one reading of the table, which ends when all are found.

        Of parts of images, those of an image one after the other.
        """
        assert self._images is not None
        places = np.full(len(self._rows), -1, np.int64)
        refs: dict[int, ImageRef] = {}
        keeps_refs, num_left = self._images.num_rows is None, self._rows.num_distinct
        for batch in self._images.batches(_ROWS_PER_READ, max_bytes=_BYTES_PER_READ):
            for place, (name, image) in enumerate(
                zip(batch.ids, batch.images[BRANCH_INPUT], strict=True), start=batch.first_row
            ):
                rows = tally.meet(name)
                if not rows:
                    continue
                num_left -= 1
                places[list(rows)] = place
                if keeps_refs and not image.num_bytes:
                    refs[place] = image
                if self._parts is None:
                    yield rows, image
                else:
                    yield from (([row], self._parts.part(row, image)) for row in rows)
            if not num_left:
                break
        self._places, self._refs = places, refs

    def _read_written(self, px: int) -> Iterator[tuple[int, Thumbnail]]:
        assert self._written is not None
        tally = Tally(self._rows, self.source)
        for name, thumbnail in self._written.all():
            rows = tally.meet(name)
            if rows and thumbnail is None:
                tally.reasons |= dict.fromkeys(rows, _NONE_MADE)
            elif rows and thumbnail is not None:
                small = thumbnail.within(px)
                for row in rows:
                    tally.hashes[row] = small.sha256
                    yield row, small
        self._tally, self._hashes = tally, tally.hashes
