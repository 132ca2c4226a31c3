"""The identity of a scoring job: by what two are the same one, and in words why they are not.

Only a job's own folder is continued. The identity holds hashes, which say that something differs; the facts beside them
in the manifest (where the table lies, the artifact's name and version) say what.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from artifact.errors import UsageError
from artifact.kinds import ATTRIBUTES
from rows.pictures.thumbnail import require_px
from rows.tables import REGIONS, ImageTable
from rows.vectors.named_images import ID_COLUMN, READ_AS, THUMBNAILS
from serving.client.scorer import Scorer
from serving.jobs.loss_column import LossColumn
from serving.jobs.part_scoring import part_schema
from serving.jobs.shards import WHOLE, Shard

MAX_ROWS_PER_PART = 65_536
"""A part's bad images stand in its metadata, and Parquet reads no more than 100 MB of that."""


@dataclass(frozen=True, kw_only=True)
class JobIdentity:
    """A job as its folder knows it.

    Attributes:
        job: table (fingerprint), artifact (digest), rows_per_part, columns, dims of prefixes, how
            regions are cut out, and the side of thumbnails in pixels: stands in the manifest and in each part.
        facts: source, streams, id_column where somebody named one, and lineage, for the manifest.
        id_type: Arrow type of `id`.
        shard: which share of the table; parts do not know of it, so that those of all shards make the whole job's.
        older_reading: gives how older versions would read the table otherwise (ImageTable.older_reading).
    """

    job: Mapping[str, Any]
    facts: Mapping[str, Any]
    id_type: pa.DataType
    shard: Shard = WHOLE
    older_reading: Callable[[], str | None] = field(default=lambda: None, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        table: ImageTable,
        scorer: Scorer,
        *,
        rows_per_part: int,
        shard: Shard = WHOLE,
        loss: LossColumn | None = None,
        thumbnails_px: int | None = None,
    ) -> tuple[JobIdentity, pa.Schema]:
        """The identity of scoring a table, and the schema of its parts.

        Raises:
            UsageError: the table's streams are not the artifact's, or rows_per_part is not from 1 to MAX_ROWS_PER_PART;
                or thumbnails of a size that they cannot have, or of rows that have several images.
            DataError: a copied column has a name that the output uses.
        """
        if not 1 <= rows_per_part <= MAX_ROWS_PER_PART:
            raise UsageError("rows_per_part", expected=f"1 to {MAX_ROWS_PER_PART}", got=str(rows_per_part))
        scorer.require_streams(list(table.streams))
        schema = part_schema(table, scorer, loss)
        job: dict[str, Any] = {
            "table": table.fingerprint,
            "artifact": scorer.digest,
            "rows_per_part": rows_per_part,
            "columns": [f"{column.name}: {column.type}" for column in schema] + ([] if loss is None else [str(loss)]),
        }
        if scorer.lineage.dims is not None:
            job["dims"] = scorer.lineage.dims
        read_as = table.read_as
        if REGIONS in read_as:
            job[REGIONS] = read_as[REGIONS]
        if thumbnails_px is not None:
            _require_thumbnails(thumbnails_px, table)
            job[THUMBNAILS] = thumbnails_px
        facts = {"source": _absolute(table.source), "streams": table.streams, "lineage": scorer.lineage.to_dict()}
        if table.id_column is not None:
            facts[ID_COLUMN] = table.id_column
        if read_as:
            facts[READ_AS] = read_as
        found = cls(
            job=job,
            facts=facts,
            id_type=table.id_type,
            shard=shard,
            older_reading=lambda: table.older_reading,
        )
        return found, schema

    @property
    def rows_per_part(self) -> int:
        return int(self.job["rows_per_part"])

    @property
    def thumbnails_px(self) -> int | None:
        """Side of the thumbnails, where the job makes some."""
        return self.job.get(THUMBNAILS)

    def with_job(self, job: Mapping[str, Any]) -> JobIdentity:
        """The same with the identity of before the table was mended."""
        return replace(self, job=job)

    def changed(self, manifest: Mapping[str, Any], *, mended: bool = False) -> dict[str, tuple[str, str]]:
        """{what differs: (how it is here, how it is in the manifest)}; empty where it is the same job.

        Args:
            mended: a table of the same place and columns is the same one.
        """
        theirs = manifest["job"]
        changed = [key for key in _WORDS if theirs.get(key) != self.job.get(key)]
        words = {key: _WORDS[key](self._said, manifest) for key in changed}
        if "dims" in words and _names(theirs) == _names(self.job):
            words.pop("columns", None)  # their widths say the same
        same_place = all(self.facts.get(key) == manifest.get(key) for key in ("source", "streams"))
        is_known = manifest.get("mended") == self.job["table"] or (mended and same_place)
        if is_known or ("columns" in words and same_place):  # which are in the fingerprint
            words.pop("table", None)
        if "table" in words and same_place and "passed_over" not in manifest and (way := self.older_reading()):
            words["table"] = (words["table"][0], f"{words['table'][1]}, or as an older version read it: {way}")
        if str(self.shard) != manifest.get("shard", str(WHOLE)):
            words["shard"] = (self.shard.words, Shard.parse(manifest.get("shard", str(WHOLE))).words)
        return words

    @property
    def _said(self) -> Mapping[str, Any]:
        return {"job": self.job, **self.facts}


def _require_thumbnails(px: int, table: ImageTable) -> None:
    require_px(px)
    if ATTRIBUTES in table.streams:
        raise UsageError("thumbnails", expected="a table of images", got="rows of attributes", where=table.source)
    if len(table.streams) > 1:
        raise UsageError(
            "thumbnails",
            expected="a table with one image a row",
            got=f"{len(table.streams)} streams: {', '.join(table.streams)}",
            where=table.source,
            mend="leave them out, or score the images of one column with the branch",
        )


def _absolute(source: str) -> str:
    """A file or folder of this machine by its whole path, so that the pictures are found from any folder."""
    return os.path.abspath(source) if os.path.lexists(source) else source


def _table(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[str, str]:
    here, there = ours.get("source"), theirs.get("source")
    if here != there:
        return f"table {here}", f"table {there}"
    if ours.get("streams") != theirs.get("streams"):
        return f"images from {_pairs(ours['streams'])}", f"images from {_pairs(theirs.get('streams', {}))}"
    if _folder(ours) != _folder(theirs):
        return f"images in {_folder(ours)}", f"images in {_folder(theirs)}"
    return f"table {here} as it is now", "that table before it changed (or with another id column)"


def _folder(side: Mapping[str, Any]) -> str:
    """Where the images of a COCO file are."""
    return str((side.get(READ_AS) or {}).get("images", "the folder beside the table"))


def _artifact(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[str, str]:
    here, there = (f"{facts.get('artifact')} version {facts.get('version')}" for facts in _lineages(ours, theirs))
    if here == there:
        return f"artifact {here} as it is now", "another one that had this name and version"
    return f"artifact {here}", f"artifact {there}"


def _rows_per_part(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[str, str]:
    return f"{ours['job']['rows_per_part']} rows a part", f"{theirs['job'].get('rows_per_part')} rows a part"


def _columns(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[str, str]:
    here, there = ours["job"]["columns"], theirs["job"].get("columns", [])
    return f"columns {', '.join(here)}", f"columns {', '.join(there)}"


def _dims(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[str, str]:
    here, there = (side["job"].get("dims") for side in (ours, theirs))
    return _vectors(here), _vectors(there)


def _vectors(dims: int | None) -> str:
    return "whole vectors" if dims is None else f"the first {dims} numbers of each vector"


def _thumbnails(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[str, str]:
    here, there = (side["job"].get(THUMBNAILS) for side in (ours, theirs))
    return _sized(here), _sized(there)


def _sized(px: int | None) -> str:
    return "no thumbnails" if px is None else f"thumbnails of {px} px"


def _regions(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[str, str]:
    here, there = (side["job"].get(REGIONS) for side in (ours, theirs))
    return _cut(here), _cut(there)


def _cut(options: Mapping[str, Any] | None) -> str:
    if options is None:
        return "whole images"
    return f"regions ({', '.join(f'{name} {value}' for name, value in options.items()) or 'as by default'})"


def _names(job: Mapping[str, Any]) -> list[str]:
    return [str(column).partition(":")[0] for column in job.get("columns", [])]


def _lineages(*sides: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [side.get("lineage") or {} for side in sides]


def _pairs(streams: Mapping[str, str]) -> str:
    return ", ".join(f"{stream}={column}" for stream, column in streams.items())


_WORDS = {
    "table": _table,
    "artifact": _artifact,
    "rows_per_part": _rows_per_part,
    "columns": _columns,
    "dims": _dims,
    REGIONS: _regions,
    THUMBNAILS: _thumbnails,
}
