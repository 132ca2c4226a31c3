"""Images to vectors and distances, by an artifact in this process or on a server: the same answers either way.

Decisions a reader would question:
- Each distinct image of a window (of a part, in a job) runs once, whatever the streams and rows that it stands in; a
  full artifact's streams are slots for any images. The rows and their distances are put together here, by the same
  formulas as the graph's.
- send="auto" decodes here and sends pixels. That spreads decoding over the clients, whose cores would idle; it needs
  nothing but the network itself on the server; any version can be asked for; and every answer names its version.
  send="encoded" pays where the link is slow and the files are smaller than height x width x 3 bytes.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from artifact.distances import Vectors
from artifact.errors import InvalidRequestError, UsageError
from artifact.kinds import BRANCH_INPUT, BRANCH_OUTPUT, KINDS
from artifact.manifest import Manifest
from artifact.preprocessing import ImageError, format_bad_images
from rows.lineage import Lineage
from serving.batch_runner import BatchRunner
from serving.client import GrpcConnection
from serving.connection import Connection
from serving.engine import available_cores
from serving.local import LocalConnection
from serving.pictures import ImageLike
from serving.pipeline import in_order
from serving.row_windows import ROWS_PER_WINDOW
from serving.timings import Latency, Timings
from serving.windows import ScoredRows, Seen, Window, empty_columns

SENDS = ("auto", "pixels", "encoded")
DEFAULT_BATCH_SIZE = 32
_LEAST_IMAGES = 4
"""A smaller batch is not worth its own call, though cores be idle."""


class Scorer:
    """Embeds images and scores tuples with one artifact; a context manager.

    Args:
        model: name of the model.
        url: HOST:PORT of a server's gRPC port; or
        repository: folder of a model repository, to run the artifact in this process.
        version: default the one that is served.
        send: "pixels" decodes here, "encoded" sends the files; "auto" is "pixels", see the module's docstring.
        batch_size: most images of one request.
        threads: that decode, and run the network where it runs here; None for every core of this process.
        timeout_s: deadline of a request to a server, in seconds.
        device: `cpu` or `cuda`, where the network runs here.

    Raises:
        UsageError: an option that makes no sense.
        UnavailableError, ServerError: no such server, or it cannot be used.
        ModelNotFoundError: no such model or version.
        RepositoryError, ArtifactError: the repository or the artifact in it is not sound.

    Attributes:
        manifest, version, digest: of the artifact that answers.
        streams: the kind's streams, in order.
        in_flight: batches under way at a time; twice as many are taken ahead of the one that is waited for.
    """

    def __init__(
        self,
        model: str,
        *,
        url: str | Sequence[str] | None = None,
        repository: str | Path | None = None,
        version: int | None = None,
        send: str = "auto",
        batch_size: int | None = None,
        threads: int | None = None,
        timeout_s: float = 60.0,
        retry_s: float = 120.0,
        tls: bool | str | Path = False,
        tls_certificate: str | Path | None = None,
        tls_key: str | Path | None = None,
        token: str | None = None,
        device: str = "cpu",
    ) -> None:
        batch_size = batch_size or DEFAULT_BATCH_SIZE
        _check_options(send, batch_size=batch_size, threads=threads, timeout_s=timeout_s, version=version)
        if (url is None) == (repository is None):
            raise UsageError("where to score", expected="either a url or a repository", got="both" if url else "none")
        self._closed = False
        self._connection: Connection
        if url is not None:
            assert isinstance(url, str)
            self._connection = GrpcConnection(url, model, version=version, timeout_s=timeout_s)
        else:
            assert repository is not None  # one of the two, see above
            self._connection = LocalConnection(repository, model, version=version, threads=threads, device=device)
        self.manifest: Manifest = self._connection.manifest
        self.version, self.digest = self._connection.version, self._connection.digest
        self.streams = KINDS[self.manifest.kind].streams
        inputs = self.manifest.inputs
        rows = max(1, batch_size // len(inputs))
        self._images_per_batch = min(rows, self._connection.max_rows or rows) * len(inputs)
        self._timings = Timings()
        self._runner = BatchRunner(self._connection, encoded=send == "encoded")
        # who waits for a server decodes nothing: beside the batches in flight every core has one to decode
        self.in_flight = self._connection.in_flight + (0 if url is None else threads or available_cores())
        self._workers = ThreadPoolExecutor(self.in_flight, "lookalike-scorer")

    @property
    def lineage(self) -> Lineage:
        """Where the vectors come from."""
        manifest = self.manifest
        return Lineage(
            artifact=manifest.name,
            version=self.version,
            digest=self.digest,
            space=manifest.space,
            distance=manifest.distance,
            normalized=manifest.normalized,
            kind=manifest.kind,
            mode=manifest.mode,
        )

    def embed(self, images: Iterable[ImageLike]) -> Vectors:
        """The vectors of N images, in their order: float32 [N, n].

        Args:
            images: paths, encoded bytes, PIL images or uint8 arrays [h, w, 3], mixed as you like; may be a generator.

        Raises:
            InvalidRequestError: names every image that cannot be read.
            UsageError: something that is no image.
            ServerError: the server failed.
        """
        if isinstance(images, (str, bytes, os.PathLike, Image.Image)):
            raise UsageError(
                "images", expected="a list or another iterable of them", got="one", mend="put it in a list"
            )
        return self._whole(({BRANCH_INPUT: rows} for rows in _chunked(images)), [BRANCH_INPUT])[BRANCH_OUTPUT]

    def score(self, streams: Mapping[str, Sequence[ImageLike]]) -> dict[str, npt.NDArray[Any]]:
        """Vectors and distances of N tuples.

        Args:
            streams: {stream: N images} for every stream of the artifact's kind.

        Returns:
            {`embedding_<stream>`: float32 [N, n], `distance_<a>_<b>`: float32 [N], `same`: bool [N]}; `same`, whether
            the kind's first pair is within the threshold, is absent where the artifact has none.

        Raises:
            UsageError: other streams than the kind's, or of different lengths.
            InvalidRequestError: names every image that cannot be read.
            ServerError: the server failed.
        """
        self.require_streams(list(streams))
        lengths = {len(rows) for rows in streams.values()}
        if len(lengths) != 1:
            got = ", ".join(f"{name} {len(rows)}" for name, rows in streams.items())
            raise UsageError("streams", expected="as many images in each", got=got)
        starts = range(0, max(lengths), ROWS_PER_WINDOW)
        windows = ({name: rows[at : at + ROWS_PER_WINDOW] for name, rows in streams.items()} for at in starts)
        return self._whole(windows, list(streams))

    def stream(
        self, windows: Iterable[Window | Mapping[str, Sequence[ImageLike]]]
    ) -> Generator[ScoredRows, None, None]:
        """One answer for each window of rows, in order, with several batches in flight; few windows in memory.

        Args:
            windows: {stream: images}, every stream with the same number of rows; `image` alone asks for `embedding`.
                Or a Window, which may share its distinct images with those before it.
        """
        if self._closed:
            raise UsageError("the scorer is closed", mend="make another")
        waiting: deque[Window] = deque()
        results: list[Vectors | ImageError] = []
        batches = in_order(self._tasks(windows, waiting), self._workers, ahead=2 * self.in_flight)
        try:
            for batch in batches:
                results += batch
                while waiting and len(results) >= len(waiting[0].fresh):
                    window = waiting.popleft()
                    yield window.answer(results[: len(window.fresh)], self.manifest)
                    del results[: len(window.fresh)]
        finally:
            batches.close()

    def latency(self) -> Latency | None:
        """How long the latest batches took; None before the first."""
        return self._timings.latency()

    def confirm(self) -> None:
        """Raise ServerError unless the artifact that answers is still the same."""
        self._connection.confirm()

    def require_streams(self, names: Sequence[str]) -> None:
        """Raise UsageError unless `names` are the kind's streams, or `image` alone."""
        if set(names) not in ({BRANCH_INPUT}, set(self.streams)):
            raise UsageError(
                "streams",
                expected=f"{', '.join(self.streams)} (or {BRANCH_INPUT} alone)",
                got=", ".join(names) or "none",
                where=f"model {self._connection.model!r} of kind {self.manifest.kind}",
            )

    def close(self) -> None:
        """Cancel what is in flight and end the threads; may be called twice."""
        self._closed = True
        self._connection.close()
        self._workers.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _whole(
        self, windows: Iterable[Mapping[str, Sequence[ImageLike]]], streams: Sequence[str]
    ) -> dict[str, npt.NDArray[Any]]:
        """The columns of all windows in one; a bad image raises after all have run, naming every one."""
        parts = [empty_columns(streams, self.manifest)]
        bad: list[tuple[int, str, str]] = []
        num_rows = 0
        for scored in self.stream(windows):
            bad += [(num_rows + row, name, reason) for row, name, reason in scored.bad]
            num_rows += scored.num_rows
            parts.append(scored.columns)
        if bad:
            raise InvalidRequestError(format_bad_images(bad, num_rows * len(streams)))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _tasks(
        self, windows: Iterable[Window | Mapping[str, Sequence[ImageLike]]], waiting: deque[Window]
    ) -> Iterator[Callable[[], list[Vectors | ImageError]]]:
        """The batches of each window's fresh images; each window is noted in `waiting` before its first batch."""
        num_slots = len(self.manifest.inputs)
        for given in windows:
            window = given if isinstance(given, Window) else Window(given, Seen(self.manifest.embedding_dim))
            waiting.append(window)
            num_images = len(window.fresh)
            share = max(_LEAST_IMAGES, -(-num_images // self._connection.in_flight))
            size = min(self._images_per_batch, -(-share // num_slots) * num_slots)
            for at in range(0, max(1, num_images), size):  # nothing to run is one empty batch
                yield partial(self._runner.run, window.fresh[at : at + size])


def _check_options(send: str, *, batch_size: int, threads: int | None, timeout_s: float, version: int | None) -> None:
    if send not in SENDS:
        raise UsageError(f"send {send!r}", expected=f"one of {', '.join(SENDS)}")
    least = {
        "batch_size": batch_size,
        "threads": 1 if threads is None else threads,
        "version": 1 if version is None else version,
    }
    for name, value in least.items():
        if value < 1:
            raise UsageError(name, expected="at least 1", got=str(value))
    if not timeout_s > 0:
        raise UsageError("timeout_s", expected="more than 0 seconds", got=f"{timeout_s:g}")


def _chunked(images: Iterable[ImageLike]) -> Iterator[list[ImageLike]]:
    rows: list[ImageLike] = []
    for image in images:
        rows.append(image)
        if len(rows) == ROWS_PER_WINDOW:
            yield rows
            rows = []
    if rows:
        yield rows
