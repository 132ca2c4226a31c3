"""Images as queries: read one after the other, and turned into vectors by a model that is handed in.

Decision a reader would question: nothing of serving/ is imported, for analysis/ stands beside it. What turns images, or
rows of attributes, into vectors is an Embedder; serving.client.scorer.Scorer is one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from artifact.arrays import Vectors
from artifact.attributes import Attributes
from artifact.errors import ImageColumnError
from artifact.images.image_error import ImageError
from artifact.kinds import BRANCH_INPUT
from rows.attribute_rows import AttributeRow
from rows.formats.opening import is_table_file
from rows.images import ImageRef
from rows.tables import open_table
from rows.vectors.lineage import Lineage

_ROWS_PER_READ = 256


class Embedder(Protocol):
    """A model that turns images into vectors of one space, or rows of attributes."""

    @property
    def lineage(self) -> Lineage:
        """The artifact that its vectors come from."""
        ...

    @property
    def attributes(self) -> Attributes | None:
        """Those whose rows it turns into vectors, where it takes rows of attributes in place of images."""
        ...

    @property
    def attribute_model(self) -> str | None:
        """The model beside it that takes rows of attributes, in words, where there is one."""
        ...

    def embed_attributes(
        self, rows: Iterator[AttributeRow], /, *, bad: Literal["yield"]
    ) -> Iterator[Vectors | ImageError]:
        """float32 [n] of each row, in order, or why it has none; UsageError of a model that takes images."""
        ...

    def embed_iter(self, images: Iterator[bytes], /, *, bad: Literal["yield"]) -> Iterator[Vectors | ImageError]:
        """float32 [n] of each encoded image, in order, or why it cannot be read."""
        ...


class QueryImages:
    """The encoded images of a file, folder or table, read as they are asked for.

    Decision a reader would question: an image that cannot be read is left out and told, and ends the search only where
    it is the only one.

    Attributes:
        ids: of those that have a vector.
        kept: where the first `num_kept` of them are.
        bad: (id, reason) of the others.
        notes: what an image folder holds besides.
    """

    def __init__(self, query: Path, *, num_kept: int, max_bytes: int, timeout_s: float) -> None:
        self._query, self._num_kept = query, num_kept
        self._max_bytes, self._timeout_s = max_bytes, timeout_s
        self._waiting: deque[tuple[str, ImageRef]] = deque()
        self.ids: list[str] = []
        self.kept: list[ImageRef] = []
        self.bad: list[tuple[str, str]] = []
        self.notes: list[str] = []

    def embedded(self, model: Embedder) -> Vectors:
        """float32 [images, n] of those that can be read."""
        vectors: list[Vectors] = []
        for answer in model.embed_iter(self._contents(model.attribute_model), bad="yield"):
            name, image = self._waiting.popleft()
            if isinstance(answer, ImageError):
                self.bad.append((name, str(answer)))
                continue
            self.ids.append(name)
            if len(self.kept) < self._num_kept:
                self.kept.append(image)
            vectors.append(answer)
        return np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)

    def _contents(self, attribute_model: str | None) -> Iterator[bytes]:
        for name, image in self._named_images(attribute_model):
            try:
                content = image.read(self._max_bytes, timeout_s=self._timeout_s)
            except ImageError as error:
                self.bad.append((name, str(error)))
                continue
            self._waiting.append((name, image))
            yield content

    def _named_images(self, attribute_model: str | None) -> Iterator[tuple[str, ImageRef]]:
        if self._query.is_file() and not is_table_file(self._query.name):
            yield str(self._query), ImageRef(path=self._query)
            return
        try:
            table = open_table(self._query)
        except ImageColumnError as error:  # a search has no option that names it
            others = f"; for rows of attributes take {attribute_model}" if attribute_model is not None else ""
            raise error.but(mend=f"call the column of the images {BRANCH_INPUT}{others}") from None
        self.notes = table.notes
        table.allow_images(self._max_bytes)
        for batch in table.batches(_ROWS_PER_READ):
            yield from zip(batch.ids, batch.images["image"], strict=True)
