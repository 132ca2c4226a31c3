"""The core of Scorer and AsyncScorer: the connection, the pool of threads, and what is chosen while running.

All of that belongs to the process that made it. A forked process that goes on with a Scorer (a worker of gunicorn, of
Celery, of a DataLoader) makes it anew with the first call: it must find the same artifact, and the other process's
threads, channels and session are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias

import pyarrow as pa

from artifact.errors import UsageError
from artifact.images.cores import available_cores
from artifact.kinds import ATTRIBUTES, BRANCH_INPUT, KINDS
from artifact.model.threshold import VALUE
from artifact.modes import DETECTIONS, REGIONS
from rows.vectors.lineage import Lineage
from serving.client.attributes import (
    AttributeColumns,
    AttributeStream,
    attribute_windows,
    require_attributes,
    require_images,
)
from serving.client.batches.attribute_runner import AttributeRunner
from serving.client.batches.detection_runner import DetectionRunner
from serving.client.batches.region_runner import RegionRunner
from serving.client.batches.runner import MAX_REQUEST_BYTES, BatchRunner
from serving.client.batches.sending import PIXELS, Sending
from serving.client.batches.size import FIRST_SIZE, BatchSize
from serving.client.chunks import ArrowColumn, Images, chunks, image_list
from serving.client.connection import Connection
from serving.client.connections.after_fork import connect_again
from serving.client.connections.fleet import Fleet
from serving.client.connections.local import LocalConnection
from serving.client.flow import Flow, Results, closed_meanwhile
from serving.client.options import ScorerOptions
from serving.client.pictures import ImageLike
from serving.client.timings import Timings
from serving.client.windows import ROWS_PER_WINDOW, Seen, Window
from serving.forks import PerProcess

_LOCAL_PIXELS, _LOCAL_LEAST, _LOCAL_MOST = 8 * 224 * 224, 8, 32
"""Of a batch in this process: what a core's cache holds of a network's layers (8 images of 224 px ran 17 % faster than
32, 2 pictures with boxes of 320x432 px 12 % faster than 8). It follows from the artifact alone, so the same rows make
the same batches, and the same vectors to the byte."""

_LOCAL_ROWS = 512
"""Of attributes, in a batch in this process: their network is small, and a window has no more."""

_READING = 4
"""Batches that read their files while those in this process are decoded and run."""

_LOCAL_SHARES = 8
"""Batches that the images of a window are spread over; a number of cores here would show in the vectors' last bits."""

_RUNNERS: dict[str, type[BatchRunner]] = {
    ATTRIBUTES: AttributeRunner,
    REGIONS: RegionRunner,
    DETECTIONS: DetectionRunner,
}
"""Of modes whose rows are not images with a vector each."""

Streams: TypeAlias = "Mapping[str, Sequence[ImageLike] | ArrowColumn] | pa.Table"


class ScorerCore:
    """One artifact ready to run; opens the connection, ends it with `close`.

    Args:
        model: name of the model.
        options: how to run it.

    Raises:
        LookalikeError: as Scorer.
    """

    def __init__(self, model: str, options: ScorerOptions) -> None:
        self.is_closed, self.options, self.limits = False, options, options.limits
        self._here = PerProcess(lambda before: _Running(model, options, before))
        running = self._here()
        self.manifest, self._shares, self.in_flight = running.manifest, running.shares, running.in_flight
        self.streams = KINDS[self.manifest.kind].streams

    @property
    def has_to_connect(self) -> bool:
        """Whether the next use begins with connecting, which takes a moment: so it is in a forked process."""
        return self._here.made is None

    @property
    def connection(self) -> Connection:
        """Who runs the artifact for this process."""
        return self._here().connection

    @property
    def timings(self) -> Timings:
        """Of the batches of this process."""
        return self.connection.timings

    @property
    def sending(self) -> Sending:
        """What is sent, or both by turns."""
        return self._here().sending

    @property
    def batch_size(self) -> BatchSize:
        """Images of a request."""
        return self._here().batch_size

    @property
    def lineage(self) -> Lineage:
        """Where the vectors come from."""
        manifest, whole = self.manifest, self.connection.manifest
        return Lineage(
            artifact=manifest.name,
            version=self.connection.version,
            digest=self.connection.digest,
            space=manifest.space,
            distance=manifest.distance,
            normalized=manifest.normalized,
            kind=manifest.kind,
            mode=manifest.mode,
            dims=manifest.embedding_dim if manifest.embedding_dim < whole.embedding_dim else None,
            prefixes=tuple((prefix.dims, (prefix.threshold or {}).get(VALUE)) for prefix in manifest.prefixes),
            threshold=(manifest.threshold or {}).get(VALUE),
        )

    def flow(self) -> Flow:
        """A stream of windows through the pool."""
        if self.is_closed:
            raise UsageError("the scorer is closed", mend="make another")
        running = self._here()
        return Flow(
            running.runner,
            self._submit,
            batch_size=running.batch_size,
            manifest=self.manifest,
            shares=self._shares,
            ahead=2 * self.in_flight,
        )

    def attribute_windows(self, given: AttributeColumns) -> Iterator[AttributeStream]:
        """Windows of rows of attributes; raises UsageError, see Scorer.score_attributes."""
        return attribute_windows(given, require_attributes(self.manifest, self.connection.model))

    def window(self, given: Window | Streams | AttributeStream, first_row: int = 0) -> Window:
        """The window of {stream: images}, behind so many rows; a Window as it is."""
        if isinstance(given, Window):
            return given
        names = given.column_names if isinstance(given, pa.Table) else list(given)
        self._require_inputs(names)
        images: dict[str, Any] = {name: given[name] for name in names}
        if ATTRIBUTES not in images:
            images = {name: image_list(rows) for name, rows in images.items()}
        return Window(images, Seen(self.manifest.embedding_dim), limits=self.limits, first_row=first_row)

    def small_rows(self) -> int:
        """Images of a window that keeps every batch in flight full, and no more: for those who wait for the first."""
        return min(ROWS_PER_WINDOW, self.batch_size.size * self.connection.in_flight)

    def tuple_windows(self, streams: Streams) -> tuple[list[str], Iterator[Streams]]:
        """The names of the streams, and their rows in windows; raises UsageError, see Scorer.score."""
        columns = {name: streams[name] for name in streams.column_names} if isinstance(streams, pa.Table) else streams
        self.require_streams(list(columns))
        lengths = {len(rows) for rows in columns.values()}
        if len(lengths) != 1:
            got = ", ".join(f"{name} {len(rows)}" for name, rows in columns.items())
            raise UsageError("streams", expected="as many images in each", got=got)
        starts = range(0, max(lengths), ROWS_PER_WINDOW)
        return list(columns), (
            {name: rows[at : at + ROWS_PER_WINDOW] for name, rows in columns.items()} for at in starts
        )

    def require_vectors(self, *, several: bool = False) -> None:
        """Raise UsageError unless an image has one vector, or with `several` any number of them."""
        if (self.manifest.detections is not None) != several:
            raise UsageError(
                f"model {self.connection.model!r}",
                expected="an artifact of detections" if several else "one vector an image",
                got=f"an artifact of mode {self.manifest.mode!r}",
                mend="ask for vectors with embed" if several else "score a table, or ask for its objects with detect",
            )

    def require_streams(self, names: Sequence[str]) -> None:
        """Raise UsageError unless `names` are the kind's streams, or `image` alone; or `attributes` of such a model."""
        self._require_inputs(names)
        if list(names) == [ATTRIBUTES]:
            return
        if set(names) not in ({BRANCH_INPUT}, set(self.streams)):
            raise UsageError(
                "streams",
                expected=f"{', '.join(self.streams)} (or {BRANCH_INPUT} alone)",
                got=", ".join(names) or "none",
                where=f"model {self.connection.model!r} of kind {self.manifest.kind}",
            )

    def _require_inputs(self, names: Sequence[str]) -> None:
        """Raise UsageError for rows of attributes where images are taken, and the other way round; and for tuples where
        an image has no one vector."""
        require = require_attributes if ATTRIBUTES in names else require_images
        require(self.manifest, self.connection.model)
        if self.manifest.detections is not None and list(names) != [BRANCH_INPUT]:
            self.require_vectors()

    def close(self) -> None:
        """Cancel what is in flight and end the threads; may be called twice."""
        self.is_closed = True
        if self._here.made is not None:
            self._here.made.close()

    def _submit(self, run: Callable[[], Results]) -> Future[Results]:
        try:
            return self._here().workers.submit(run)
        except RuntimeError:  # the pool's way to say that it was shut down
            if self.is_closed:
                raise closed_meanwhile() from None
            raise


class _Running:
    """What of a Scorer belongs to one process.

    Args:
        before: that of the process which was forked, for its artifact alone; None in the one that made the Scorer.
    """

    def __init__(self, model: str, options: ScorerOptions, before: _Running | None) -> None:
        if before is None:
            self.connection = _connect(model, options)
        else:
            self.connection = connect_again(before.connection, options, lambda: _connect(model, options))
        try:
            self.manifest = self.connection.manifest.cut(options.dims)
        except UsageError:
            if options.connection is None:
                self.connection.close()
            raise
        is_local = self.connection.is_local
        self.sending = _choose_sending(options.send, self.connection)
        self.batch_size = _choose_batch_size(options, self.connection)
        self.connection.timings.listener = self._note
        cores = self.connection.in_flight if is_local else None
        self.runner = _RUNNERS.get(self.manifest.mode, BatchRunner)(
            self.connection,
            sending=self.sending,
            batch_size=self.batch_size,
            limits=options.limits,
            cores=cores,
            read_timeout_s=options.read_timeout_s,
            dims=self.manifest.embedding_dim if self.manifest is not self.connection.manifest else None,
        )
        # beside those that run here some read their files, and beside those at a server every core has one to decode
        besides = _READING if is_local else options.threads or available_cores()
        self.in_flight = self.connection.in_flight + besides
        self.shares = _LOCAL_SHARES if is_local else self.connection.in_flight
        self.workers = ThreadPoolExecutor(self.in_flight, "lookalike-scorer")

    def close(self) -> None:
        self.connection.close()
        self.runner.close()
        self.workers.shutdown(cancel_futures=True)

    def _note(self, num_images: int, seconds: float) -> None:
        if self.sending.choice is not None:  # while two ways go by turns, their times say nothing of the size
            self.batch_size.note(num_images, seconds)


def image_windows(images: Images, size: Callable[[], int] = lambda: ROWS_PER_WINDOW) -> Iterator[Streams]:
    """Windows of the stream `image`, see `chunks`."""
    return ({BRANCH_INPUT: chunk} for chunk in chunks(images, size))


def _connect(model: str, options: ScorerOptions) -> Connection:
    if options.connection is None:
        return LocalConnection(model, options) if options.url is None else Fleet(model, options)
    if options.connection.model != model:
        raise UsageError("model", expected=f"{options.connection.model!r}, that of the connection", got=repr(model))
    return options.connection


def _choose_sending(send: str, connection: Connection) -> Sending:
    if connection.manifest.mode == ATTRIBUTES:
        return Sending(PIXELS, "rows of attributes are sent as they are")
    if send != "auto":
        return Sending(send, "asked for")
    if connection.is_local:
        return Sending(PIXELS, "in this process there is nothing to send")
    if not connection.takes_encoded():
        return Sending(PIXELS, "the server does not take encoded images for this version")
    return Sending(None, "being measured with the first batches")


def _choose_batch_size(options: ScorerOptions, connection: Connection) -> BatchSize:
    asked = options.batch_size
    if connection.manifest.mode == ATTRIBUTES:
        fitting = connection.max_rows or _LOCAL_ROWS
        return BatchSize(min(asked or fitting, fitting), most=None if asked or connection.is_local else fitting)
    slots, pixels = len(connection.manifest.image_inputs), connection.manifest.pixels
    most = connection.max_rows * slots if connection.max_rows else None
    if asked is None and connection.is_local:
        fitting = _LOCAL_PIXELS // (pixels.height * pixels.width) if options.device == "cpu" else _LOCAL_MOST
        least = 1 if connection.manifest.mode == REGIONS else _LOCAL_LEAST
        asked = max(least, min(fitting, _LOCAL_MOST))
    if asked is not None:
        return BatchSize(min(asked, most or asked))
    fitting = max(slots, MAX_REQUEST_BYTES // (pixels.height * pixels.width * 3))
    return BatchSize(FIRST_SIZE, most=min(fitting, most or fitting), timeout_s=options.timeout_s)
