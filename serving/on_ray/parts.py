"""The worker's side of scoring on Ray: an actor with one in-process session, asked for parts by their numbers.

A part travels back as one cell that holds an Arrow stream, so its types, the lineage in its metadata and the borders of
its batches arrive as they were, and the file that the driver writes is the one that a local job writes. Ray's own
blocks would make tensors of the vectors. What the user can mend travels as a row too: a raised exception would be
retried.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

import artifact.errors
from artifact.errors import DataError, LookalikeError, RepositoryError, ServerError, UsageError
from artifact.images.image_error import ImageError
from rows.images import ImageRef
from rows.tables import ImageTable
from serving.client.options import ScorerOptions
from serving.client.scorer import Scorer
from serving.jobs.part_scoring import ScoredPart, score_part
from serving.on_ray.resources import ActorPlan

NUMBER = "number"
MAX_TRIES = 3
"""Of a part: nodes may die under it, and it may be what ends them."""
_START = -1
_ROWS_PROBED = 16
_COUNTS = ("number", "first_row", "num_rows", "num_errors", "num_images")
_ANSWER = pa.schema(
    {name: pa.int64() for name in _COUNTS}
    | {"table": pa.large_binary(), "errors": pa.large_binary(), "thumbnails": pa.large_binary()}
    | {"error_class": pa.string(), "error": pa.string()}
)


@dataclass(frozen=True, kw_only=True)
class PartJob:
    """The facts of a job that every actor is told.

    Attributes:
        table: as the driver opened it; `table_rows` of it, counted where it cannot tell.
        schema: of the parts.
        model: name of the model.
        options: of the actor's Scorer, but for its threads.
        digest: of the artifact that the driver has.
        folder: that the driver works in, which relative paths are relative to.
        probe: an image that the driver can read, or None where it found none.
        thumbnails_px: as for serving.jobs.part_scoring.score_parts.
    """

    table: ImageTable
    table_rows: int
    schema: pa.Schema
    rows_per_part: int
    model: str
    options: Mapping[str, Any]
    digest: str
    folder: str
    probe: ImageRef | None
    thumbnails_px: int | None = None


class Tries:
    """Counts of how often each thing was begun: an actor of its own, which outlives those that it counts."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def begin(self, number: int) -> int:
        """Count one more; gives how many there were, this one included."""
        self._counts[number] += 1
        return self._counts[number]

    def forget(self, number: int) -> None:
        """Count from none again."""
        del self._counts[number]


class PartScorer:
    """An actor that scores parts: `__call__` takes numbers of parts and gives the parts.

    Args:
        plan: of the pool that it belongs to; it has a thread for each of its CPUs.
        tries: handle of a Tries actor.
    """

    def __init__(self, job: PartJob, plan: ActorPlan, tries: Any) -> None:
        self._job, self._threads, self._tries = job, plan.cpus, tries
        self._failed: LookalikeError | None = None
        try:
            self._require_few_tries(_START, plan.actors * MAX_TRIES, "starting an actor")
            self._scorer = self._open()
        except LookalikeError as error:
            self._failed = _at_node(error)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """`number` int64 [N] to one answer each, as `read_answer` takes them."""
        answers: list[dict[str, Any]] = []
        for number in map(int, batch[NUMBER].to_numpy()):
            try:
                if self._failed is not None:
                    raise self._failed
                self._require_few_tries(number, MAX_TRIES, f"part {number} of the table")
                answers.append(_answer(self._score(number)))
                self._tries.forget.remote(_START)  # starts are counted until one of them comes to something
            except LookalikeError as error:
                shown = error if error is self._failed else _at_node(error)
                answers.append({"number": number, "error_class": type(shown).__name__, "error": str(shown)})
        return pa.Table.from_pylist(answers, schema=_ANSWER)

    def _open(self) -> Scorer:
        """A scorer of the driver's artifact, on a machine that sees the driver's table and images."""
        job = self._job
        with contextlib.suppress(OSError):  # absolute paths need none
            os.chdir(job.folder)
        job.table.require_unchanged()
        if job.probe is not None:
            try:
                options = ScorerOptions(**job.options)
                job.probe.read(options.limits.max_bytes, timeout_s=options.read_timeout_s)
            except ImageError as error:
                raise DataError(
                    "image of the table", expected="one that every node can read", got=str(error), mend=_SHARE
                ) from None
        try:
            scorer = Scorer(job.model, **job.options, threads=self._threads)
        except RepositoryError as error:
            raise RepositoryError(str(error), mend=_SHARE) from None
        if scorer.digest != job.digest:
            raise RepositoryError(
                "artifact", expected="the one that the driver has", got="another in its place", mend=_SHARE
            )
        return scorer

    def _require_few_tries(self, number: int, most: int, what: str) -> None:
        """Raise ServerError where whoever tried before did not live to tell."""
        import ray

        try:
            tries = ray.get(self._tries.begin.remote(number))
        except ray.exceptions.RayError:  # it went down with its node: nobody counts any more
            return
        if tries > most:
            raise ServerError(
                what,
                expected="a process that lives through it",
                got=f"{most} that ended, such as for want of memory",
                mend="look at Ray's logs on the nodes",
            )

    def _score(self, number: int) -> ScoredPart:
        job = self._job
        part = score_part(
            job.table,
            self._scorer,
            job.schema,
            number=number,
            rows_per_part=job.rows_per_part,
            table_rows=job.table_rows,
            thumbnails_px=job.thumbnails_px,
        )
        if not part.num_rows:
            raise DataError(
                "table that was read", expected=f"rows of part {number}", got="none", where=job.table.source
            )
        return part


def read_answer(row: Mapping[str, Any]) -> ScoredPart:
    """A row of what PartScorer gave; raises what it met."""
    if row["error"] is not None:
        raise getattr(artifact.errors, row["error_class"])(row["error"])
    counts = {name: row[name] for name in _COUNTS}
    thumbnails = None if row["thumbnails"] is None else _from_stream(row["thumbnails"])
    return ScoredPart(
        **counts, table=_from_stream(row["table"]), errors=_from_stream(row["errors"]), thumbnails=thumbnails
    )


def first_readable(table: ImageTable, max_bytes: int, *, timeout_s: float) -> ImageRef | None:
    """An image in a file of its own among the first rows, or None: those in the table itself come with it.

    Args:
        max_bytes, timeout_s: as ImageRef.read takes them.
    """
    for batch in table.batches(_ROWS_PROBED):
        for ref in (ref for refs in batch.images.values() for ref in refs if ref.path is not None):
            with contextlib.suppress(ImageError):
                ref.whole.read(max_bytes, timeout_s=timeout_s)
                return ref.whole
        break
    return None


def require_shareable(table: ImageTable) -> None:
    """Raise UsageError for a table that no other process can read, such as a stream of record batches."""
    try:
        pickle.dumps(table)
    except (TypeError, pickle.PicklingError, pa.ArrowException) as error:
        raise UsageError(
            "table to score on a cluster", expected="files that every node can read", got=str(error), where=table.source
        ) from None


_SHARE = "every node of the cluster needs the same files at the same path, as a shared file system gives them"


def _at_node(error: LookalikeError) -> LookalikeError:
    return type(error)(str(error), where=f"on Ray node {socket.gethostname()}")


def _answer(part: ScoredPart) -> dict[str, Any]:
    counts = {name: getattr(part, name) for name in _COUNTS}
    thumbnails = None if part.thumbnails is None else _to_stream(part.thumbnails)
    return counts | {"table": _to_stream(part.table), "errors": _to_stream(part.errors), "thumbnails": thumbnails}


def _to_stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _from_stream(data: bytes) -> pa.Table:
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()
