"""The Scorer for an event loop: the same core, and nothing here blocks the loop.

Reading, decoding and calls to servers are in the core's threads, what is left (cutting into windows, distances) in a
small pool of its own; waiting is the loop's. However many calls are awaited at a time, they share the core's threads,
and only as many as keep those busy are begun: the rest wait for their turn.

A call that is cancelled drops what has not begun; a batch that runs is let run to its end, and its vectors are dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from types import TracebackType
from typing import Any, Literal, ParamSpec, Self, TypeVar, overload

import numpy.typing as npt
import pyarrow as pa

from artifact.arrays import Vectors
from artifact.errors import UsageError
from artifact.images.image_error import ImageError
from artifact.kinds import ATTRIBUTES, BRANCH_INPUT, BRANCH_OUTPUT
from rows.vectors.schema import vector_array
from serving.arguments import takes
from serving.client.answers import as_table, detections_of, joined, vectors_of
from serving.client.attributes import AttributeColumns, AttributeStream
from serving.client.chunks import Images
from serving.client.detections import Detections
from serving.client.flow import closed_meanwhile
from serving.client.options import ScorerOptions
from serving.client.pickled import travelling_options
from serving.client.pictures import ImageLike
from serving.client.scorer import Scorer, is_yield
from serving.client.scorer_core import Streams, image_windows
from serving.client.windows import ScoredRows, Window
from serving.forks import PerProcess

Arguments = ParamSpec("Arguments")
Item = TypeVar("Item")
Result = TypeVar("Result")

_HELPERS = 4
_END: Any = object()


class AsyncScorer:
    """Embeds images and scores tuples with one artifact; an async context manager, which connects when it is entered.

    Args:
        model, url, ...: the arguments of Scorer; the errors of its constructor are raised by `async with`.

    Attributes:
        scorer: the Scorer under it, for what does not wait: manifest, version, digest, lineage, latency().
    """

    @takes(ScorerOptions)
    def __init__(self, model: str, **options: Any) -> None:
        self._model, self._options = model, options
        self._scorer: Scorer | None = None
        self._here = PerProcess(lambda before: _Helpers())

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process it connects when it is entered there; raises UsageError as Scorer does."""
        return _arrived, (type(self), self._model, travelling_options(ScorerOptions(**self._options)))

    @property
    def scorer(self) -> Scorer:
        """The Scorer under it; raises UsageError before it is entered."""
        if self._scorer is None:
            raise UsageError("the scorer is not connected", mend="use it in `async with`")
        return self._scorer

    @overload
    async def embed(self, images: Images, *, as_arrow: Literal[False] = False) -> Vectors: ...
    @overload
    async def embed(self, images: Images, *, as_arrow: Literal[True]) -> pa.FixedSizeListArray[Any]: ...
    async def embed(self, images: Images, *, as_arrow: bool = False) -> Vectors | pa.FixedSizeListArray[Any]:
        """The vectors of N images, float32 [N, n]; see Scorer.embed."""
        async with self._turn():
            self.scorer.core.require_vectors()
            answers = [scored async for scored in self.stream(image_windows(images))]
        columns = await self._help(joined, answers, [BRANCH_INPUT], self.scorer.manifest)
        return vector_array(columns[BRANCH_OUTPUT]) if as_arrow else columns[BRANCH_OUTPUT]

    @overload
    async def score(self, streams: Streams, *, as_arrow: Literal[False] = False) -> dict[str, npt.NDArray[Any]]: ...
    @overload
    async def score(self, streams: Streams, *, as_arrow: Literal[True]) -> pa.Table: ...
    async def score(self, streams: Streams, *, as_arrow: bool = False) -> dict[str, npt.NDArray[Any]] | pa.Table:
        """Vectors and distances of N tuples; see Scorer.score."""
        names, windows = self.scorer.core.tuple_windows(streams)
        async with self._turn():
            answers = [scored async for scored in self.stream(windows)]
        columns = await self._help(joined, answers, names, self.scorer.manifest)
        return as_table(columns, self.scorer.lineage) if as_arrow else columns

    @overload
    async def score_attributes(self, attributes: AttributeColumns, *, as_arrow: Literal[False] = False) -> Vectors: ...
    @overload
    async def score_attributes(
        self, attributes: AttributeColumns, *, as_arrow: Literal[True]
    ) -> pa.FixedSizeListArray[Any]: ...
    async def score_attributes(
        self, attributes: AttributeColumns, *, as_arrow: bool = False
    ) -> Vectors | pa.FixedSizeListArray[Any]:
        """The vectors of N rows of attributes, float32 [N, n]; see Scorer.score_attributes."""
        windows = self.scorer.core.attribute_windows(attributes)
        async with self._turn():
            answers = [scored async for scored in self.stream(windows)]
        columns = await self._help(joined, answers, [ATTRIBUTES], self.scorer.manifest)
        return vector_array(columns[BRANCH_OUTPUT]) if as_arrow else columns[BRANCH_OUTPUT]

    @overload
    def embed_iter(
        self, images: Images | AsyncIterable[ImageLike], *, bad: Literal["raise"] = "raise"
    ) -> AsyncGenerator[Vectors, None]: ...
    @overload
    def embed_iter(
        self, images: Images | AsyncIterable[ImageLike], *, bad: Literal["yield"]
    ) -> AsyncGenerator[Vectors | ImageError, None]: ...
    def embed_iter(
        self, images: Images | AsyncIterable[ImageLike], *, bad: str = "raise"
    ) -> AsyncGenerator[Vectors | ImageError, None]:
        """The vector of each image in order, lazily; see Scorer.embed_iter. Takes an async iterable too."""
        self.scorer.core.require_vectors()
        return self._rows(images, partial(vectors_of, yield_bad=is_yield(bad)))

    def detect(
        self, images: Images | AsyncIterable[ImageLike], *, bad: Literal["raise", "yield"] = "raise"
    ) -> AsyncGenerator[Detections | ImageError, None]:
        """The objects of each image in order, lazily; see Scorer.detect. Takes an async iterable too."""
        self.scorer.core.require_vectors(several=True)
        return self._rows(images, partial(detections_of, yield_bad=is_yield(bad)))

    async def stream(
        self,
        windows: Iterable[Window | Streams | AttributeStream] | AsyncIterable[Window | Streams | AttributeStream],
    ) -> AsyncGenerator[ScoredRows, None]:
        """One answer for each window of rows, in order; see Scorer.stream. Takes an async iterable too."""
        core = self.scorer.core
        flow = await self._help(core.flow) if core.has_to_connect else core.flow()
        source = self._iterate(windows)
        num_rows = 0
        try:
            has_more = True
            while True:
                while has_more and flow.wants:
                    given = await anext(source, _END)
                    if given is _END:
                        has_more = False
                    else:
                        window = await self._help(core.window, given, num_rows)
                        num_rows += window.num_rows
                        flow.put(window)
                if flow.oldest is None:
                    return
                await _done(flow.oldest)
                for scored in await self._help(flow.take):
                    yield scored
        finally:
            flow.cancel()
            await source.aclose()

    async def confirm(self) -> None:
        """Raise ServerError unless the artifact that answers is still the same."""
        await self._help(self.scorer.confirm)

    async def close(self) -> None:
        """Cancel what is in flight and end the threads; may be called twice."""
        if self._scorer is not None:
            await asyncio.to_thread(self._scorer.close)
        if self._here.made is not None:
            self._here.made.pool.shutdown(wait=False, cancel_futures=True)

    async def __aenter__(self) -> Self:
        pool = self._here().pool
        connecting = pool.submit(Scorer, self._model, **self._options)
        try:
            self._scorer = await asyncio.wrap_future(connecting)
        except BaseException:
            connecting.add_done_callback(_close_result)  # it may connect all the same
            pool.shutdown(wait=False)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _turn(self) -> asyncio.Semaphore:
        """To be held by a call: more at a time than keep the threads busy would only fill the memory."""
        here = self._here()
        if here.turns is None:
            here.turns = asyncio.Semaphore(2 * self.scorer.in_flight)
        return here.turns

    async def _help(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """What a function gives, run in a thread that may be kept busy."""
        try:
            future = self._here().pool.submit(function, *args, **kwargs)
        except RuntimeError:  # the pool's way to say that it was shut down
            raise closed_meanwhile() from None
        return await _done(future)

    async def _iterate(self, items: Iterable[Item] | AsyncIterable[Item]) -> AsyncGenerator[Item, None]:
        if isinstance(items, AsyncIterable):
            async for item in items:
                yield item
            return
        source = iter(items)
        # it may read files, or wait for anything: not one of the few helpers
        while (item := await asyncio.to_thread(next, source, _END)) is not _END:
            yield item

    async def _rows(
        self, images: Images | AsyncIterable[ImageLike], of_window: Callable[[ScoredRows, int], Iterable[Result]]
    ) -> AsyncGenerator[Result, None]:
        """What `of_window` gives of each answered window and the number of its first row."""
        size, first_row = self.scorer.core.small_rows, 0
        windows: Any = image_windows(images, size) if not isinstance(images, AsyncIterable) else _windows(images, size)
        async with aclosing(self.stream(windows)) as answers:
            async for scored in answers:
                for row in of_window(scored, first_row):
                    yield row
                first_row += scored.num_rows


class _Helpers:
    """What of an AsyncScorer belongs to one process."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(_HELPERS, "lookalike-async")
        self.turns: asyncio.Semaphore | None = None


async def _done(future: Future[Result]) -> Result:
    """The result of a future; cancelled with the task that waits, and only then."""
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if future.cancelled() and task is not None and not task.cancelling():
            raise closed_meanwhile() from None
        raise


def _arrived(kind: type[AsyncScorer], model: str, options: dict[str, Any]) -> AsyncScorer:
    return kind(model, **options)


def _close_result(connecting: Future[Scorer]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()


async def _windows(images: AsyncIterable[ImageLike], size: Callable[[], int]) -> AsyncGenerator[Streams, None]:
    chunk: list[ImageLike] = []
    async for image in images:
        chunk.append(image)
        if len(chunk) >= size():
            yield {BRANCH_INPUT: chunk}
            chunk = []
    if chunk:
        yield {BRANCH_INPUT: chunk}
