"""The table of images that a scoring job read, as its manifest names it: so that pictures are found without asking."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from artifact.kinds import BRANCH_INPUT, embedding_name
from rows.location import is_url

ID_COLUMN = "id_column"
"""Of a job's manifest: the column of ids that somebody named; not there where the table's own was taken."""
READ_AS = "read_as"
"""Of a job's manifest: what its command said of the table besides, as ImageTable.read_as; not there where nothing."""
_JOBS = "jobs"

THUMBNAILS = "thumbnails"
"""Of a job in its manifest: the side of its thumbnails in pixels; not there where it has none."""


@dataclass(frozen=True, kw_only=True)
class NamedImages:
    """A table of images, as rows.tables.open_table takes it, and jobs that left thumbnails of it.

    Attributes:
        source: path, pattern or URL.
        columns: {"image": column}; empty for the default.
        id_column: None for the default.
        read_as: what rows.tables.open_table is told besides, as ImageTable.read_as; of regions these are their crops.
        jobs: folders of scoring jobs that read it, those that made thumbnails; they say nothing of which table it is.
    """

    source: str
    columns: Mapping[str, str] = field(default_factory=dict)
    id_column: str | None = None
    read_as: Mapping[str, Any] = field(default_factory=dict)
    jobs: Sequence[str] = field(default=(), compare=False)

    @classmethod
    def of_job(cls, facts: Mapping[str, Any], vector_column: str, folder: Path) -> NamedImages | None:
        """From the manifest of a job, the images of one vector column; None where it names none.

        Args:
            facts: what rows.vectors.parts.job_facts gives.
            vector_column: `embedding`, or `embedding_<stream>` of a table of tuples.
            folder: of the job.
        """
        job = facts.get("job")
        source, streams, id_column = facts.get("source"), facts.get("streams"), facts.get(ID_COLUMN)
        if not isinstance(source, str) or not source:
            return None
        streams = streams if isinstance(streams, Mapping) else {}
        column = streams.get(BRANCH_INPUT) or next(
            (name for stream, name in streams.items() if embedding_name(stream) == vector_column), None
        )
        if streams and column is None:
            return None
        return cls(
            source=source,
            columns={BRANCH_INPUT: str(column)} if column else {},
            id_column=id_column if isinstance(id_column, str) else None,
            read_as=_mapping(facts.get(READ_AS)),
            jobs=[str(folder.resolve())] if isinstance(job, Mapping) and THUMBNAILS in job else [],
        )

    def also_of(self, other: NamedImages | None) -> NamedImages:
        """The same with the jobs of another that is the same table; of any other as it is."""
        if other is None or not self.is_same(other):
            return self
        return replace(self, jobs=list(dict.fromkeys([*self.jobs, *other.jobs])))

    @property
    def folder(self) -> Path | None:
        """The local folder of images that it is, where it is one; its ids are paths in there."""
        path = Path(self.source)
        if self.read_as:
            return None
        return path.resolve() if path.is_dir() and self.columns.get(BRANCH_INPUT, "path") == "path" else None

    def is_same(self, other: NamedImages | None) -> bool:
        """Whether another is the same table, however a folder is named."""
        if other is None or self.id_column != other.id_column:
            return False
        return self == other or (self.folder is not None and self.folder == other.folder)

    @property
    def is_gone(self) -> bool:
        """Whether it is a place on this machine with nothing there; of patterns and URLs nobody can tell."""
        return not (is_url(self.source) or set("*?[{") & set(self.source)) and not os.path.lexists(self.source)

    def to_value(self) -> str | dict[str, Any]:
        """What `from_value` reads; plain JSON: the source alone where there is no more to say."""
        if self.folder is not None and self.id_column is None and not self.jobs:
            return str(self.folder)
        named: dict[str, Any] = {ID_COLUMN: self.id_column} if self.id_column else {}
        named |= {READ_AS: dict(self.read_as)} if self.read_as else {}
        jobs = {_JOBS: list(self.jobs)} if self.jobs else {}
        return {"source": str(self.folder or self.source), "columns": dict(self.columns), **named, **jobs}

    @classmethod
    def from_value(cls, value: object) -> NamedImages | None:
        """Read what `to_value` wrote, or earlier versions, which knew folders alone; None for anything else."""
        if isinstance(value, str) and value:
            return cls(source=value)
        if isinstance(value, Mapping) and isinstance(value.get("source"), str):
            columns, jobs = value.get("columns"), value.get(_JOBS)
            return cls(
                source=value["source"],
                columns={str(key): str(name) for key, name in columns.items()} if isinstance(columns, Mapping) else {},
                id_column=value.get(ID_COLUMN),
                read_as=_mapping(value.get(READ_AS)),
                jobs=list(map(str, jobs)) if isinstance(jobs, list) else [],
            )
        return None


def _mapping(value: object) -> dict[str, Any]:
    return {str(key): each for key, each in value.items()} if isinstance(value, Mapping) else {}
