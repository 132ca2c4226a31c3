"""Images to vectors and distances, by an artifact in this process or on servers: the same answers either way.

Decisions a reader would question:
- Each distinct image of a window (of a part, in a job) runs once, whatever the streams and rows that it stands in; a
  full artifact's streams are slots for any images. The rows and their distances are put together here, by the same
  formulas as the graph's.
- send="pixels" spreads decoding over the clients, whose cores would idle; it needs nothing but the network itself on
  the server; any version can be asked for; and every answer names its version. send="encoded" pays where the link is
  slow and the files are smaller than height x width x 3 bytes. "auto" measures, see serving/client/batches/sending.py.
- Batches in this process follow from the artifact alone, whatever the machine: the same table then gives the same
  batches, and so the same vectors to the byte.
- There is no deadline of a whole call: its parts have theirs (timeout_s for a try, retry_s for servers that are away),
  so none hangs, and how long a table takes is the table's.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import islice
from types import TracebackType
from typing import Any, Literal, Self, overload

import numpy.typing as npt
import pyarrow as pa

from artifact.arrays import Vectors
from artifact.attributes import Attributes
from artifact.errors import UsageError
from artifact.images.image_error import ImageError
from artifact.images.limits import Limits
from artifact.kinds import ATTRIBUTES, BRANCH_INPUT, BRANCH_OUTPUT
from rows.attribute_rows import AttributeRow
from rows.vectors.lineage import Lineage
from rows.vectors.schema import vector_array
from serving.arguments import takes
from serving.client.answers import as_table, detections_of, joined, vectors_of
from serving.client.attributes import AttributeColumns, AttributeStream, attribute_model
from serving.client.chunks import Images
from serving.client.detections import Detections
from serving.client.options import ScorerOptions
from serving.client.pickled import require_same, travelling_options
from serving.client.scorer_core import ScorerCore, Streams, image_windows
from serving.client.timings import Latency
from serving.client.windows import ScoredRows, Window


class Scorer:
    """Embeds images, scores tuples or embeds rows of attributes with one artifact; a context manager.

    Args:
        model: name of the model.
        url, repository, connection: where the artifact runs, one of the three: HOST:PORT of a server's gRPC port
            (several, with commas or as a list, share the work); the folder of a model repository, to run it in this
            process; or anything with the Connection protocol (serving/client/connection.py), closed with the Scorer.
        version, send, ...: the other attributes of ScorerOptions (serving/client/options.py), which says what they are.

    Raises:
        UsageError: an option that makes no sense.
        UnavailableError, ServerError: no such server, or it cannot be used; or servers of different artifacts.
        ModelNotFoundError: no such model or version.
        RepositoryError, ArtifactError: the repository or the artifact in it is not sound.

    Attributes:
        manifest, version, digest: of the artifact that answers; with `dims` its manifest as Manifest.cut gives it.
        streams: the kind's streams, in order.
        in_flight: batches under way at a time; twice as many are taken ahead of the one that is waited for.
    """

    @takes(ScorerOptions)
    def __init__(self, model: str, **options: Any) -> None:
        self.core = ScorerCore(model, ScorerOptions(**options))
        self.manifest, self.streams, self.in_flight = self.core.manifest, self.core.streams, self.core.in_flight
        self.version, self.digest = self.core.connection.version, self.core.connection.digest

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process it connects anew, with the options of this one, a token among them.

        Raises UsageError: closed, or made with a connection or a `report` that cannot go there.
        """
        if self.core.is_closed:
            raise UsageError("the scorer is closed", mend="make another")
        options = travelling_options(self.core.options)
        return _arrived, (type(self), self.core.connection.model, options, self.version, self.digest)

    @property
    def lineage(self) -> Lineage:
        """Where the vectors come from."""
        return self.core.lineage

    @property
    def sending(self) -> str | None:
        """`pixels` or `encoded`: what is sent; None while that is measured."""
        return self.core.sending.choice

    @property
    def sending_reason(self) -> str:
        """Why, in words."""
        return self.core.sending.why

    @property
    def limits(self) -> Limits:
        """What images are refused for before they are decoded or sent."""
        return self.core.limits

    @property
    def batch_size(self) -> int:
        """Images of the next request."""
        return self.core.batch_size.size

    @property
    def servers(self) -> dict[str, str]:
        """{HOST:PORT: "answers", or why it does not}; none in this process."""
        return self.core.connection.states()

    def latency(self) -> Latency | None:
        """How long the latest batches took; None before the first."""
        return self.core.timings.latency()

    @overload
    def embed(self, images: Images, *, as_arrow: Literal[False] = False) -> Vectors: ...
    @overload
    def embed(self, images: Images, *, as_arrow: Literal[True]) -> pa.FixedSizeListArray[Any]: ...
    def embed(self, images: Images, *, as_arrow: bool = False) -> Vectors | pa.FixedSizeListArray[Any]:
        """The vectors of N images, in their order.

        Args:
            images: paths (URLs and UPaths too), encoded bytes, PIL images of any mode or uint8 arrays [h, w, 3], mixed
                as you like; may be a generator, or one array [N, h, w, 3]. Or an Arrow column of paths, bytes,
                {bytes, path} or uint8 tensors. None and NaN are missing images: bad rows.
            as_arrow: give an Arrow array.

        Returns:
            float32 [N, n]; or FixedSizeList<float>[n] of length N.

        Raises:
            InvalidRequestError: names every image that cannot be read, or has no finite vector.
            UsageError: something that is no image, with its row.
            ServerError: the server failed.
        """
        self.core.require_vectors()
        answers = self.stream(image_windows(images))
        vectors: Vectors = joined(answers, [BRANCH_INPUT], self.manifest)[BRANCH_OUTPUT]
        return vector_array(vectors) if as_arrow else vectors

    @overload
    def embed_iter(self, images: Images, *, bad: Literal["raise"] = "raise") -> Iterator[Vectors]: ...
    @overload
    def embed_iter(self, images: Images, *, bad: Literal["yield"]) -> Iterator[Vectors | ImageError]: ...
    def embed_iter(self, images: Images, *, bad: str = "raise") -> Iterator[Vectors | ImageError]:
        """The vector of each image, float32 [n], in order; lazily, with a bounded number of images in memory.

        Images are taken ahead of the vector that is asked for, as many as `2 * in_flight` batches have.

        Args:
            images: as `embed`; may be endless.
            bad: "raise" at the first image that cannot be read, or "yield" an ImageError in its place.

        Raises:
            InvalidRequestError: names the image by its row. UsageError, ServerError: as `embed`.
        """
        self.core.require_vectors()
        yield_bad = is_yield(bad)
        windows = image_windows(images, self.core.small_rows)
        return self._vectors(windows, yield_bad)

    def detect(self, images: Images, *, bad: Literal["raise", "yield"] = "raise") -> Iterator[Detections | ImageError]:
        """The objects of each image, in order, by an artifact of detections; lazily, as `embed_iter`.

        Args:
            images, bad: as `embed_iter`.

        Raises:
            UsageError: another artifact; or as `embed`.
            InvalidRequestError: names the image by its row. ServerError: as `embed`.
        """
        self.core.require_vectors(several=True)
        return self._detections(image_windows(images, self.core.small_rows), is_yield(bad))

    @overload
    def score(self, streams: Streams, *, as_arrow: Literal[False] = False) -> dict[str, npt.NDArray[Any]]: ...
    @overload
    def score(self, streams: Streams, *, as_arrow: Literal[True]) -> pa.Table: ...
    def score(self, streams: Streams, *, as_arrow: bool = False) -> dict[str, npt.NDArray[Any]] | pa.Table:
        """Vectors and distances of N tuples.

        Args:
            streams: {stream: N images} for every stream of the artifact's kind, or an Arrow table of such columns;
                images as for `embed`.
            as_arrow: give an Arrow table, with the lineage in the metadata of its schema.

        Returns:
            {`embedding_<stream>`: float32 [N, n], `distance_<a>_<b>`: float32 [N], `same`: bool [N]}; `same`, whether
            the kind's first pair is within the threshold, is absent where the artifact has none.

        Raises:
            UsageError: other streams than the kind's, or of different lengths.
            InvalidRequestError: names every image that cannot be read, or has no finite vector or distance.
            ServerError: the server failed.
        """
        names, windows = self.core.tuple_windows(streams)
        columns = joined(self.stream(windows), names, self.manifest)
        return as_table(columns, self.lineage) if as_arrow else columns

    @overload
    def score_attributes(self, attributes: AttributeColumns, *, as_arrow: Literal[False] = False) -> Vectors: ...
    @overload
    def score_attributes(
        self, attributes: AttributeColumns, *, as_arrow: Literal[True]
    ) -> pa.FixedSizeListArray[Any]: ...
    def score_attributes(
        self, attributes: AttributeColumns, *, as_arrow: bool = False
    ) -> Vectors | pa.FixedSizeListArray[Any]:
        """The vectors of N rows of attributes, in their order; of an artifact that takes them.

        Args:
            attributes: {name: N values} of some of the artifact's attributes (`manifest.attribute_set`), the others
                missing; a value of None, NaN or "" is missing too. Or an Arrow table with such columns among others.
            as_arrow: give an Arrow array.

        Returns:
            float32 [N, n]; or FixedSizeList<float>[n] of length N.

        Raises:
            UsageError: a model that takes images, a name that is no attribute, or columns of several lengths.
            InvalidRequestError: names every row with a value that is none of its attribute, or without any.
            ServerError: the server failed.
        """
        windows = self.core.attribute_windows(attributes)
        vectors: Vectors = joined(self.stream(windows), [ATTRIBUTES], self.manifest)[BRANCH_OUTPUT]
        return vector_array(vectors) if as_arrow else vectors

    @property
    def attributes(self) -> Attributes | None:
        """Those whose rows it takes; None of an artifact that takes images."""
        return self.manifest.attribute_set if self.manifest.mode == ATTRIBUTES else None

    @property
    def attribute_model(self) -> str | None:
        """Whose rows of attributes stand in the space of its images, in words; None of other artifacts."""
        is_of_images = self.manifest.attribute_set is not None and self.manifest.mode != ATTRIBUTES
        return attribute_model(self.manifest, self.core.connection.model) if is_of_images else None

    def embed_attributes(
        self, rows: Iterable[AttributeRow], *, bad: Literal["raise", "yield"] = "raise"
    ) -> Iterator[Vectors | ImageError]:
        """The vector of each encoded row of attributes, float32 [n], in order; as `embed_iter` of images.

        Raises UsageError for an artifact that takes images.
        """
        yield_bad = is_yield(bad)
        self.core.require_streams([ATTRIBUTES])
        source = iter(rows)
        chunks = iter(lambda: list(islice(source, self.core.small_rows())), [])
        return self._vectors(({ATTRIBUTES: chunk} for chunk in chunks), yield_bad)

    def stream(self, windows: Iterable[Window | Streams | AttributeStream]) -> Generator[ScoredRows, None, None]:
        """One answer for each window of rows, in order, with several batches in flight; few windows in memory.

        Args:
            windows: {stream: images}, every stream with the same number of rows; `image` alone asks for `embedding`,
                as {"attributes": rows} does of an artifact that takes them.
                Or a Window, which may share its distinct images with those before it.
        """
        flow, source = self.core.flow(), iter(windows)
        num_rows = 0
        try:
            has_more = True
            while True:
                while has_more and flow.wants:
                    given = next(source, None)
                    if given is None:
                        has_more = False
                    else:
                        window = self.core.window(given, num_rows)
                        num_rows += window.num_rows
                        flow.put(window)
                if flow.oldest is None:
                    return
                yield from flow.take()
        finally:
            flow.cancel()

    def confirm(self) -> None:
        """Raise ServerError unless the artifact that answers is still the same."""
        self.core.connection.confirm()

    def require_streams(self, names: Sequence[str]) -> None:
        """Raise UsageError unless `names` are the kind's streams, or `image` alone."""
        self.core.require_streams(names)

    def close(self) -> None:
        """Cancel what is in flight and end the threads; may be called twice."""
        self.core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _vectors(self, windows: Iterable[Streams | AttributeStream], yield_bad: bool) -> Iterator[Vectors | ImageError]:
        first_row = 0
        for scored in self.stream(windows):
            yield from vectors_of(scored, first_row, yield_bad=yield_bad)
            first_row += scored.num_rows

    def _detections(self, windows: Iterable[Streams], yield_bad: bool) -> Iterator[Detections | ImageError]:
        first_row = 0
        for scored in self.stream(windows):
            yield from detections_of(scored, first_row, yield_bad=yield_bad)
            first_row += scored.num_rows


def _arrived(kind: type[Scorer], model: str, options: dict[str, Any], version: int, digest: str) -> Scorer:
    scorer = kind(model, **options)
    try:
        require_same(scorer.core.connection, version, digest)
    except BaseException:
        scorer.close()
        raise
    return scorer


def is_yield(bad: str) -> bool:
    """Whether what is bad is yielded, and not raised; raises UsageError for anything but the two."""
    if bad not in ("raise", "yield"):
        raise UsageError(f"bad {bad!r}", expected="one of raise, yield")
    return bad == "yield"
