"""Tables of vectors -> what the page's server answers with: an index, pictures, a model, tags, behind plain callables.

Decisions a reader would question:
- Neighbours are looked up when they are asked for, in an index of all rows that compares every one (a million of 128
  numbers in a tenth of a second): nobody waits for those of all rows. It is built while the page is read already.
- Findings are looked for when their tab is opened; the server keeps them.
- A picture lands where the map puts new rows: by a projection's directions, else among its neighbours (maps.anchors).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.datasets.maps.anchors import Anchors
from analysis.search.graph import RowIndex, row_index
from analysis.search.query_attributes import AttributeWords
from artifact.arrays import Numbers, Vectors
from artifact.errors import DataError, LookalikeError, SpaceError, UsageError
from artifact.events import Report
from artifact.images.decoding import decode_image, inspect_image
from artifact.images.image_error import ImageError
from artifact.images.limits import DEFAULT_LIMITS, Limits
from artifact.kinds import ATTRIBUTES, BRANCH_OUTPUT
from lookalike.exploring.assembly import Assembled, Wanted, assemble, table_pictures
from lookalike.exploring.findings import FINDERS
from lookalike.exploring.pictures import TablePictures
from lookalike.exploring.table_tags import TableTags
from pages.explorer.answers import Answers, Landing, Near
from pages.explorer.data import tab_title
from rows.attribute_rows import AttributeRow
from rows.images import ImageRef
from rows.pictures.joined import Pictures
from rows.vectors.lineage import require_same_space
from rows.vectors.table import VectorTable

if TYPE_CHECKING:
    from serving.client.scorer import Scorer

NO_PICTURES_SERVED = "There are no pictures: nothing says which images the rows are of. Start it with --images."
LEFT_OUT_SERVED = "There are no pictures: it was started without thumbnails."
READABLE = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "AVIF": "image/avif",
}
"""What every browser shows, by Pillow's names; other files are sent as PNG."""
EXPECTED_ROWS = 100
"""Rows whose neighbours are asked for while somebody looks: by it the kind of index is chosen."""


class ServedTables:
    """What a server answers of some tables; to be used from several threads.

    Args:
        found: the page, assembled without neighbours, thumbnails and findings.
        pictures: of the rows, or None.
        thumbnails_px: their longest side.
        neighbours: of each row; 0: none.
        tabs: names of the findings that may be asked for.
        scorer: of the vectors' space, see `require_scorer`; or None.
        limits: of the pictures that are shown and taken.
    """

    def __init__(
        self,
        found: Assembled,
        *,
        pictures: TablePictures | None = None,
        thumbnails_px: int = 64,
        neighbours: int = 10,
        tabs: Sequence[str] = (),
        scorer: Scorer | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._found, self._question, self._table = found, found.question, found.question.together
        self._pictures, self._px, self._limits = pictures, thumbnails_px, limits
        self._k, self._scorer = min(neighbours, self._table.num_rows - 1), scorer
        self._tabs = [name for name in FINDERS if name in tabs and self._arises(name)]
        self._index_lock, self._model_lock = threading.Lock(), threading.Lock()
        self._tags = TableTags(self._question.tables, self._question.first_rows)

    def answers(self) -> Answers:
        """As pages.explorer.server takes them."""
        has_pictures = self._pictures is not None
        return Answers(
            data=self._found.data,
            tabs=[(name, tab_title(name)) for name in self._tabs],
            num_neighbours=self._k,
            neighbours=self.neighbours,
            finding=self.finding,
            thumbnails=self.thumbnails if has_pictures else None,
            picture=self.picture if has_pictures else None,
            embed=self.embed if self._scorer is not None else None,
            attributes=self._asked_for(),
            model=self._scorer.lineage.artifact if self._scorer is not None else "",
            max_upload_bytes=self._limits.max_bytes,
            tags=self._tags.column,
            tag=self._tags.change,
        )

    def warm(self) -> None:
        """Make what the first answers need, in a thread; what fails is told by the answers."""
        threading.Thread(target=self._prepare, name="lookalike-explorer-index", daemon=True).start()

    def neighbours(self, row: int) -> list[Near]:
        """The nearest others of a row."""
        if not self._k:
            return []
        vector = np.ascontiguousarray(self.index.index.reconstruct_batch(np.array([row])), np.float32)
        distances, rows = self.index.nearest(vector, self._k, own=np.array([row]))
        return _near(distances, rows)

    @property
    def index(self) -> RowIndex:
        """Of all rows, made once."""
        with self._index_lock:
            return self._index

    @cached_property
    def _index(self) -> RowIndex:
        return row_index(
            self._table, distance=self._question.distance, num_queries=EXPECTED_ROWS, seed=self._question.seed
        )

    def finding(self, name: str) -> dict[str, Any]:
        """The content of a tab; why there is none where it cannot be made."""
        try:
            tab = FINDERS[name](self._question)
            note = "There is nothing to look for."
        except DataError as error:
            tab, note = None, str(error)
        return {"note": note, "facts": [], "headings": [], "num_found": 0, "rows": []} if tab is None else tab.content()

    def thumbnails(self, rows: Sequence[int]) -> list[bytes | None]:
        """A JPEG of each row, None where it has no picture."""
        return [self._thumbnail(row) for row in rows]

    def picture(self, row: int) -> tuple[str, bytes]:
        """Media type and bytes of a row's picture: the file itself where browsers read it, else a PNG of its pixels.

        Raises:
            ImageError: there is none, or what is there is no image.
        """
        pictures, own = self._part(row)
        data = pictures.read(own)
        name, _, _ = inspect_image(data, self._limits)
        if name in READABLE:
            return READABLE[name], data
        return READABLE["PNG"], ImageRef.of_pixels(decode_image(data, self._limits)).read()

    def embed(self, data: bytes) -> Landing:
        """Where an encoded image, or attributes in words, belongs on the map.

        Raises:
            ImageError: it is no image. UsageError: they are no attributes of the model.
        """
        assert self._scorer is not None
        attributes = self._scorer.attributes
        with self._model_lock:
            if attributes is None:
                (vector,) = self._scorer.embed_iter([data], bad="yield")
            else:
                words = AttributeWords(data.decode("utf-8", "replace"))
                row = AttributeRow(attributes.encode_query(words.values()).tobytes())
                (vector,) = self._scorer.embed_attributes([row], bad="yield")
        if isinstance(vector, ImageError):
            raise vector
        vectors = np.ascontiguousarray(vector[None], np.float32)
        distances, rows = self.index.nearest(vectors, min(max(self._k, 1), self._table.num_rows))
        x, y = self._places(vectors)[0]
        return Landing(x=float(x), y=float(y), neighbours=_near(distances, rows))

    def _asked_for(self) -> str:
        """What attributes there are, with their values."""
        attributes = self._scorer.attributes if self._scorer is not None else None
        return "; ".join(f"{each.name}: {each.values_text}" for each in attributes.attributes) if attributes else ""

    def _arises(self, name: str) -> bool:
        if name == "labels":
            return self._question.label is not None
        return name != "comparison" or len(self._question.tables) > 1

    def _thumbnail(self, row: int) -> bytes | None:
        try:
            pictures, own = self._part(row)
            data = pictures.thumbnail(own, self._px).data
        except (ImageError, LookalikeError):
            return None
        return data

    def _part(self, row: int) -> tuple[Pictures, int]:
        pictures, own = self._pictures.part_of(row) if self._pictures is not None else (None, row)
        if pictures is None:
            raise ImageError("nothing says which image this row is of")
        return pictures, own

    def _prepare(self) -> None:
        try:
            if self._k or self._scorer is not None:
                self.neighbours(0)
            if self._pictures is not None:
                self._thumbnail(0)
        except LookalikeError:
            return

    def _places(self, vectors: Vectors) -> Numbers:
        """Of some vectors on the map, as the page has it: float32 [m, n] -> float64 [m, 2]."""
        layout = self._found.layout
        if layout.axes is not None:
            places = layout.axes.places(vectors)
        else:
            with self._model_lock:
                placed, _ = self._anchors.place(vectors)
            places = placed.astype(np.float64)
        low, high = layout.places.min(axis=0).astype(np.float64), layout.places.max(axis=0).astype(np.float64)
        half = float((high - low).max()) / 2
        return (places - (low + high) / 2) / half if half > 0 else np.zeros_like(places)

    @cached_property
    def _anchors(self) -> Anchors:
        return Anchors(
            self._table,
            self._found.layout.places,
            distance=self.index.distance,
            num_new=EXPECTED_ROWS,
            seed=self._question.seed,
        )


def require_scorer(scorer: Scorer, table: VectorTable, *, vouched: bool) -> None:
    """See that a model gives vectors like those of a table.

    Args:
        vouched: the user named the distance, for vectors of which nobody knows which model gave them.

    Raises:
        UsageError: a model of several inputs or of detections, or one whose vectors nobody says the table's are like.
        SpaceError: vectors of another space. DataError: of another length.
    """
    manifest = scorer.manifest
    if manifest.mode != ATTRIBUTES and (manifest.detections is not None or not manifest.takes_single_images):
        expected = "a branch artifact, of one image, or one of attributes"
        raise UsageError("--model", expected=expected, got=f"mode {scorer.manifest.mode}")
    try:
        require_same_space(table.lineage, scorer.lineage, names=(table.source, "the model"), vouched=vouched)
    except SpaceError as error:
        if table.lineage is not None:
            raise
        mend = "score the images with it, or say with --distance NAME that it gave these vectors all the same"
        raise error.but(mend=mend) from None
    width = scorer.lineage.dims or scorer.manifest.embedding_dim
    if width != table.dim:
        raise DataError(
            "vectors",
            expected=f"{width} numbers, as {BRANCH_OUTPUT} of the model",
            got=str(table.dim),
            where=table.source,
        )


def open_served(
    tables: Sequence[VectorTable],
    wanted: Wanted,
    *,
    scorer: Scorer | None = None,
    report: Report | None = None,
) -> tuple[ServedTables, list[str]]:
    """What a server answers of some tables, and what is to be told of them; raises as `assemble`."""
    pictures = table_pictures(tables, wanted)
    has_pictures = pictures is not None and pictures.any
    found = assemble(tables, replace(wanted, neighbours=0, thumbnails_px=0, findings=()), report=report)
    why = "" if has_pictures else NO_PICTURES_SERVED if wanted.thumbnails_px else LEFT_OUT_SERVED
    found = replace(found, data=replace(found.data, no_pictures=why))
    served = ServedTables(
        found,
        pictures=pictures if has_pictures else None,
        thumbnails_px=wanted.thumbnails_px,
        neighbours=wanted.neighbours,
        tabs=wanted.findings,
        scorer=scorer,
        limits=wanted.limits,
    )
    return served, [*found.notes, *([why] if why else [])]


def _near(distances: Vectors, rows: Any) -> list[Near]:
    found = zip(rows[0].tolist(), distances[0].tolist(), strict=True)
    return [Near(row=row, distance=distance) for row, distance in found]
