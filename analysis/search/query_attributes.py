"""Rows of attributes as queries: `color=red,striped=1` on a command line, or a table of them, one query a row.

Decision a reader would question: a comma ends a value only where NAME= follows, so that a value may hold commas itself.
A row that has a value that is none of its attribute is left out and told, as an image is that cannot be read; on the
command line it is refused.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.search.query_images import Embedder
from artifact.arrays import Vectors
from artifact.errors import AttributeColumnError, UsageError
from artifact.images.image_error import ImageError
from rows.attribute_rows import AttributeRow
from rows.attribute_tables import OWN_NAMES, open_attribute_table
from rows.images import ImageRef

PREFIX = "attributes:"
"""Of a query that names attributes, among others that are paths."""

_NEXT = re.compile(r",(?=[^,=]*=)")
_ROWS_PER_READ = 256


@dataclass(frozen=True)
class AttributeWords:
    """Attributes as somebody wrote them: `color=red,striped=1`."""

    text: str

    def values(self) -> dict[str, str]:
        """{attribute: value}; raises UsageError for what is no NAME=VALUE, or a name twice."""
        found: dict[str, str] = {}
        for pair in _NEXT.split(self.text):
            name, equals, value = (part.strip() for part in pair.partition("="))
            if not equals or not name or not value:
                raise UsageError("attributes", expected="NAME=VALUE,...", got=repr(self.text))
            if name in found:
                raise UsageError(f"attribute {name!r}", expected="one value", got="two", where=self.text)
            found[name] = value
        return found


class QueryAttributes:
    """The rows of attributes of a table, or those that were written, read as they are asked for.

    Attributes:
        ids: of those that have a vector.
        kept: nothing, for they are no pictures.
        bad: (id, reason) of the others.
        notes: which attributes a table says nothing of.
    """

    kept: tuple[ImageRef, ...] = ()

    def __init__(self, query: Path | AttributeWords) -> None:
        self._query = query
        self._waiting: deque[str] = deque()
        self.ids: list[str] = []
        self.bad: list[tuple[str, str]] = []
        self.notes: list[str] = []

    def embedded(self, model: Embedder) -> Vectors:
        """float32 [rows, n] of those that are sound; raises UsageError for a model that takes images."""
        vectors: list[Vectors] = []
        for answer in model.embed_attributes(self._rows(model), bad="yield"):
            name = self._waiting.popleft()
            if isinstance(answer, ImageError):
                self.bad.append((name, str(answer)))
                continue
            self.ids.append(name)
            vectors.append(answer)
        return np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)

    def _rows(self, model: Embedder) -> Iterator[AttributeRow]:
        attributes = model.attributes
        assert attributes is not None  # or nothing would have been asked for
        if isinstance(self._query, AttributeWords):
            self._waiting.append(self._query.text)
            yield AttributeRow(attributes.encode_query(self._query.values()).tobytes())
            return
        try:
            table = open_attribute_table(self._query, attributes)
        except AttributeColumnError as error:  # a search has no option that names it
            raise error.but(mend=OWN_NAMES) from None
        self.notes = table.notes
        for batch in table.batches(_ROWS_PER_READ):
            for name, row in zip(batch.ids, batch.attributes, strict=True):
                self._waiting.append(name)
                yield row
