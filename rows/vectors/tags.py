"""Tags that people give to rows while they look at them, in a Parquet file beside the table of vectors.

FOLDER/tags.parquet, or FILE.tags.parquet beside a file: one row for each tag of an id, with the columns `id`, `tag` and
`when` (UTC), in the order in which they were given; the schema metadata has the lineage of the vectors.

Decisions a reader would question:
- A tag belongs to an id, so rows that share one share their tags.
- Every change reads the file again, under a lock, and writes it whole: two servers of one table, or somebody's script
  in between, lose nothing. A file that is no table of tags is never written over, and columns that somebody added stay.
- The lock is a file of its own: the table is replaced by each change, and its lock would go with it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from artifact.errors import DataError, OutputError, UsageError
from artifact.locks import FileLock
from rows.vectors.lineage import Lineage
from rows.vectors.parts import TAGS, unreadable, write_part

MOST_CHARACTERS = 200
_WHEN: pa.DataType = pa.timestamp("ms", tz="UTC")
SCHEMA = pa.schema({"id": pa.string(), "tag": pa.string(), "when": _WHEN})
_WAIT_S = 10.0
_POLL_S = 0.02


def tags_file(vectors: str | Path) -> Path:
    """Where the tags of a folder or file of vectors lie."""
    path = Path(vectors)
    return path / TAGS if path.is_dir() else path.with_name(f"{path.name}.{TAGS}")


class Tags:
    """The tags of one table.

    Args:
        file: as `tags_file` names it; need not be there.
        lineage: of the vectors, or None.
    """

    def __init__(self, file: Path, lineage: Lineage | None = None) -> None:
        self.file, self._lineage = file, lineage

    def read(self) -> pa.Table:
        """The table, empty where there is none yet; raises DataError where the file is no table of tags."""
        from pyarrow import parquet

        if not self.file.exists():
            return SCHEMA.empty_table()
        try:
            with parquet.ParquetFile(self.file) as opened:
                found = opened.read()
        except (pa.ArrowException, OSError) as error:
            raise unreadable(self.file, error) from None
        missing = [name for name in SCHEMA.names if name not in found.schema.names]
        if missing:
            raise DataError(
                "tags",
                expected=f"the columns {', '.join(SCHEMA.names)}",
                got=f"no {', '.join(missing)}",
                where=self.file,
                mend="move the file away",
            )
        try:
            for at, field in enumerate(SCHEMA):
                place = found.schema.get_field_index(field.name)
                found = found.set_column(place, SCHEMA.field(at), found[field.name].cast(field.type))
        except pa.ArrowException as error:
            raise unreadable(self.file, error) from None
        return found

    def by_id(self) -> dict[str, list[str]]:
        """The tags of each id that has any, in the order in which they were given."""
        given: dict[str, list[str]] = {}
        found = self.read()
        for name, tag in zip(found["id"].to_pylist(), found["tag"].to_pylist(), strict=True):
            if name is not None and tag is not None and tag not in given.setdefault(name, []):
                given[name].append(tag)
        return given

    def add(self, ids: Sequence[str], tag: str) -> int:
        """Give a tag to some ids; how many did not have it. Raises as `checked_tag`, and OutputError, DataError."""
        tag = checked_tag(tag)
        with self._locked():
            found = self.read()
            have = set(found.filter(pc.field("tag") == tag)["id"].to_pylist())
            new = [name for name in dict.fromkeys(ids) if name not in have]
            if new:
                when = [datetime.now(UTC)] * len(new)
                more = pa.table({"id": new, "tag": [tag] * len(new), "when": when}, schema=SCHEMA)
                self._write(pa.concat_tables([found, more], promote_options="default"))
        return len(new)

    def remove(self, ids: Sequence[str], tag: str) -> int:
        """Take a tag from some ids; how many had it. Raises as `add`."""
        tag = checked_tag(tag)
        with self._locked():
            found = self.read()
            rows = zip(found["id"].to_pylist(), found["tag"].to_pylist(), strict=True)
            wanted = {(name, tag) for name in ids}
            kept = found.filter(
                pa.array([row not in wanted for row in rows])
            )  # an expression is null of nulls, and drops them
            if len(kept) < len(found):
                self._write(kept)
        return len(found) - len(kept)

    def _write(self, table: pa.Table) -> None:
        metadata = dict(table.schema.metadata or {}) | (self._lineage.to_metadata() if self._lineage else {})
        write_part(self.file, table.replace_schema_metadata(metadata or None))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Nobody else changes the file meanwhile; raises OutputError where somebody else does for too long."""
        path = self.file.with_name(f".{self.file.name}.lock")
        last = time.monotonic() + _WAIT_S
        while True:
            try:
                lock = FileLock(path, create=True)
                break
            except BlockingIOError:
                if time.monotonic() > last:
                    raise OutputError(
                        "tags", expected="to write them", got="another program does", where=path
                    ) from None
                time.sleep(_POLL_S)
            except OSError as error:
                raise OutputError("cannot write the tags", got=error.strerror or str(error), where=path) from None
        with lock:
            yield


def checked_tag(tag: str) -> str:
    """A tag without spaces around it; raises UsageError for an empty one, a long one, or one of several lines."""
    tag = tag.strip()
    if not tag or len(tag) > MOST_CHARACTERS or not tag.isprintable():
        expected = f"1 to {MOST_CHARACTERS} characters of one line"
        raise UsageError("tag", expected=expected, got=f"{len(tag)} characters" if tag else "nothing")
    return tag
