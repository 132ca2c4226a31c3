"""Modes: what goes into the graph of an artifact and what comes out of it, tensor by tensor.

A new mode is one line in MODES; the manifest, the repository's configs, the engine, `describe` and the clients read
there what an artifact takes and gives.

Decision a reader would question: the full artifact of a run with two towers has a mode of its own, `towers`. It takes
one stream of each tower whatever its kind, and a reader that knows no such mode says so, in the place of looking for
streams that are not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from artifact.kinds import ATTRIBUTES, BRANCH_INPUT, BRANCH_OUTPUT, KINDS, Kind, distance_name, embedding_name

UINT8, FP32 = "UINT8", "FP32"
BOXES, SCORES = "boxes", "scores"
"""Boxes are an input of a region artifact beside the image, and with scores outputs of one of detections."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """An input or output of a graph.

    Attributes:
        name: in the graph and in requests.
        datatype: `UINT8` or `FP32`, in the protocol's words.
        row_shape: without the batch axis; None stands for an axis of any length, which is one for all rows of a batch.
        label: for people.
    """

    name: str
    datatype: str
    row_shape: tuple[int | None, ...]
    label: str

    def shape(self, num_rows: int, *, length: int = 1) -> tuple[int, ...]:
        """Of an array of so many rows, where axes of any length have this one."""
        return (num_rows, *(length if each is None else each for each in self.row_shape))


@dataclass(frozen=True, kw_only=True)
class Widths:
    """What decides shapes and labels: the kind, n, the distance, the size of the pixels with their colours, A, the
    numbers of a row of attributes, and how many detections an image has."""

    kind: str
    embedding_dim: int
    distance: str = ""
    height: int = 0
    width: int = 0
    color: str = "RGB"
    attributes: int = 0
    detections: int = 0


@dataclass(frozen=True, kw_only=True)
class Mode:
    """A mode.

    Attributes:
        name: as the manifest has it.
        suffix: behind the name of a run, in the name of its artifact of this mode; "" where no run gives one.
        images: names of the image inputs of a kind, in graph order; they come first.
        others: the inputs besides, in graph order.
        outputs: in graph order.
        has_companions: whether it can be asked with encoded images, by NAME_decode and NAME_encoded beside it.
    """

    name: str
    suffix: str
    images: Callable[[Kind], tuple[str, ...]]
    outputs: Callable[[Widths], Iterator[Tensor]]
    others: Callable[[Widths], Iterator[Tensor]] = lambda widths: iter(())
    has_companions: bool = True

    def inputs(self, widths: Widths) -> tuple[Tensor, ...]:
        """All inputs, in graph order."""
        names = self.images(KINDS[widths.kind])
        shape, label = (widths.height, widths.width, 3), f"{widths.color} pixels"
        labels = [label] if len(names) == 1 else [f"{label} of the {name}" for name in names]
        pixels = [
            Tensor(name=name, datatype=UINT8, row_shape=shape, label=each)
            for name, each in zip(names, labels, strict=True)
        ]
        return (*pixels, *self.others(widths))


def _vector(widths: Widths) -> Iterator[Tensor]:
    shape = (widths.embedding_dim,)
    yield Tensor(name=BRANCH_OUTPUT, datatype=FP32, row_shape=shape, label="vector of the image")


def _vectors_and_distances(widths: Widths) -> Iterator[Tensor]:
    kind, shape = KINDS[widths.kind], (widths.embedding_dim,)
    for stream in kind.streams:
        label = f"vector of the {stream}"
        yield Tensor(name=embedding_name(stream), datatype=FP32, row_shape=shape, label=label)
    for a, b in kind.pairs:
        label = f"{widths.distance} distance of {a} and {b}"
        yield Tensor(name=distance_name((a, b)), datatype=FP32, row_shape=(1,), label=label)


def _attributes(widths: Widths) -> Iterator[Tensor]:
    shape, label = (widths.attributes,), "encoded row of attributes"
    yield Tensor(name=ATTRIBUTES, datatype=FP32, row_shape=shape, label=label)


def _vector_of_attributes(widths: Widths) -> Iterator[Tensor]:
    shape = (widths.embedding_dim,)
    yield Tensor(name=BRANCH_OUTPUT, datatype=FP32, row_shape=shape, label="vector of the attributes")


def _vectors_of_towers(widths: Widths) -> Iterator[Tensor]:
    shape, (image, attributes) = (widths.embedding_dim,), TOWER_STREAMS
    yield Tensor(name=embedding_name(image), datatype=FP32, row_shape=shape, label="vector of the image")
    yield Tensor(name=embedding_name(attributes), datatype=FP32, row_shape=shape, label="vector of the attributes")
    label = f"{widths.distance} distance of the image and the attributes"
    yield Tensor(name=distance_name(TOWER_STREAMS), datatype=FP32, row_shape=(1,), label=label)


def _boxes(widths: Widths) -> Iterator[Tensor]:
    label = "boxes in the picture: x1, y1, x2, y2 as shares of it; rows of NaN are none"
    yield Tensor(name=BOXES, datatype=FP32, row_shape=(None, 4), label=label)


def _vector_of_each_box(widths: Widths) -> Iterator[Tensor]:
    shape = (None, widths.embedding_dim)
    yield Tensor(name=BRANCH_OUTPUT, datatype=FP32, row_shape=shape, label="vector of each box; zeros for none")


def _detections(widths: Widths) -> Iterator[Tensor]:
    most, n = widths.detections, widths.embedding_dim
    yield Tensor(name=BRANCH_OUTPUT, datatype=FP32, row_shape=(most, n), label="vector of each detection; 0 for none")
    label = "their boxes: x1, y1, x2, y2 as shares of the picture; NaN for none"
    yield Tensor(name=BOXES, datatype=FP32, row_shape=(most, 4), label=label)
    yield Tensor(name=SCORES, datatype=FP32, row_shape=(most,), label="their scores, the largest first; 0 for none")


def _image(kind: Kind) -> tuple[str, ...]:
    return (BRANCH_INPUT,)


BRANCH, FULL, TOWERS, REGIONS, DETECTIONS = "branch", "full", "towers", "regions", "detections"
TOWER_STREAMS = (BRANCH_INPUT, ATTRIBUTES)
"""Of the mode `towers`, in graph order."""

MODES: dict[str, Mode] = {
    BRANCH: Mode(name=BRANCH, suffix="", images=_image, outputs=_vector),
    FULL: Mode(name=FULL, suffix="_full", images=lambda kind: kind.streams, outputs=_vectors_and_distances),
    ATTRIBUTES: Mode(
        name=ATTRIBUTES,
        suffix="_attributes",
        images=lambda kind: (),
        others=_attributes,
        outputs=_vector_of_attributes,
        has_companions=False,
    ),
    TOWERS: Mode(
        name=TOWERS,
        suffix="_full",
        images=_image,
        others=_attributes,
        outputs=_vectors_of_towers,
        has_companions=False,
    ),
    REGIONS: Mode(name=REGIONS, suffix="_regions", images=_image, others=_boxes, outputs=_vector_of_each_box),
    DETECTIONS: Mode(name=DETECTIONS, suffix="", images=_image, outputs=_detections),
}
OF_ATTRIBUTES = (ATTRIBUTES, TOWERS)
"""The modes that take encoded rows of attributes."""
OF_BOXES = (REGIONS, DETECTIONS)
"""The modes with several vectors an image, one for each box in it."""


def image_names(kind: str, mode: str) -> tuple[str, ...]:
    """Names of the image inputs, in graph order: the kind's streams for a full artifact; none for one of attributes."""
    return MODES[mode].images(KINDS[kind])


def vector_names(images: Sequence[str]) -> list[str]:
    """The outputs with the vectors of these image inputs."""
    return [BRANCH_OUTPUT if name == BRANCH_INPUT else embedding_name(name) for name in images]
