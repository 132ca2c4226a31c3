"""Tables in the formats of rows/formats, as rows of vectors are read: Arrow from the file, text by way of the spool."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from artifact.arrays import Indices
from artifact.images.limits import DEFAULT_LIMITS
from rows.formats.arrow import IpcSource
from rows.formats.delimited import DelimitedSource
from rows.formats.jsonlines import JsonLinesSource
from rows.formats.source import Source
from rows.vectors.column import require_distinct
from rows.vectors.stored import Numbered, StoredRows, numbered, one_batch

TEXT_ROWS = 16_384
_BYTES = 1 << 26

TEXTS: dict[str, Callable[[Path], Source]] = {
    ".csv": DelimitedSource,
    ".csv.gz": DelimitedSource,
    ".tsv": DelimitedSource,
    ".tsv.gz": DelimitedSource,
    ".jsonl": JsonLinesSource,
    ".jsonl.gz": JsonLinesSource,
    ".ndjson": JsonLinesSource,
}
ARROW: dict[str, Callable[[Path], Source]] = {".arrow": IpcSource, ".feather": IpcSource}
UNTYPED = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
"""Where every cell is text."""


def suffix_of(path: Path, suffixes: Sequence[str]) -> str | None:
    """The suffix that the file's name has, in letters of any case; the longest of several."""
    found = [suffix for suffix in suffixes if path.name.lower().endswith(suffix)]
    return max(found, key=len, default=None)


def open_text(path: Path, suffix: str) -> tuple[Source, pa.Schema]:
    """A text table and its columns with a name, whose types are settled; raises DataError where it is damaged."""
    source = TEXTS[suffix](path)
    source.allow_images(DEFAULT_LIMITS.max_bytes)
    named = [field for field in source.schema if field.name]  # pandas' row numbers have none, nor Excel's commas
    require_distinct(pa.schema(named), where=path.name)
    return source, source.settle([field.name for field in named])


def source_batches(source: Source, columns: Sequence[str], num_rows: int) -> Iterator[Numbered]:
    """Some columns of a source, which has to be opened again for another pass where it is a stream."""
    chunks = source.chunks(columns, start_row=0, max_rows=num_rows, max_bytes=_BYTES)
    yield from numbered(one_batch(chunk) for chunk in chunks if chunk.num_rows)


class ArrowRows(StoredRows):
    """An Arrow IPC file, read from its start at every pass; views of text (polars has them) as plain text.

    Parquet, in which results are written, takes no views among categories.
    """

    def __init__(self, path: Path) -> None:
        self._source = ARROW[".arrow"](path)
        require_distinct(self._source.schema, where=path.name)
        fields = [field.with_type(_without_views(field.type)) for field in self._source.schema]
        self.schema = pa.schema(fields).with_metadata(self._source.schema.metadata)
        first = self.schema.names[:1]
        self.num_rows = sum(batch.num_rows for _, batch in source_batches(self._source, first, TEXT_ROWS))

    def batches(self, columns: Sequence[str], num_rows: int, wanted: Indices | None = None) -> Iterator[Numbered]:
        schema = pa.schema([self.schema.field(name) for name in columns])
        for first_row, batch in source_batches(self._source, columns, num_rows):
            if not batch.schema.equals(schema):
                arrays = [_recast(batch.column(field.name), field.type) for field in schema]
                batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
            yield first_row, batch


def _without_views(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.DictionaryType):
        values: Any = _without_views(kind.value_type)
        found: pa.DataType = pa.dictionary(kind.index_type, values, kind.ordered)
        return found
    if pa.types.is_string_view(kind):
        return pa.string()
    return pa.binary() if pa.types.is_binary_view(kind) else kind


def _recast(column: Any, kind: pa.DataType) -> Any:
    if isinstance(column, pa.DictionaryArray) and isinstance(kind, pa.DictionaryType):
        values = column.dictionary.cast(kind.value_type)
        return pa.DictionaryArray.from_arrays(column.indices, values, ordered=kind.ordered)
    return column if column.type.equals(kind) else column.cast(kind)
