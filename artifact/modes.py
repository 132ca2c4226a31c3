"""Modes: what goes into the graph of an artifact and what comes out of it, tensor by tensor.

A new mode is one line in MODES; the manifest, the repository's configs, the engine, `describe` and the clients read
there what an artifact takes and gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from artifact.kinds import BRANCH_INPUT, BRANCH_OUTPUT, KINDS, Kind, distance_name, embedding_name

UINT8, FP32 = "UINT8", "FP32"


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
    """What decides shapes and labels: the kind, n, the distance, and the size of the pixels with their colours."""

    kind: str
    embedding_dim: int
    distance: str = ""
    height: int = 0
    width: int = 0
    color: str = "RGB"


@dataclass(frozen=True, kw_only=True)
class Mode:
    """A mode.

    Attributes:
        name: as the manifest has it.
        suffix: behind the name of a run, in the name of its artifact of this mode.
        images: names of the image inputs of a kind, in graph order; they come first.
        others: the inputs besides, in graph order.
        outputs: in graph order.
    """

    name: str
    suffix: str
    images: Callable[[Kind], tuple[str, ...]]
    outputs: Callable[[Widths], Iterator[Tensor]]
    others: Callable[[Widths], Iterator[Tensor]] = lambda widths: iter(())

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


BRANCH, FULL = "branch", "full"
MODES: dict[str, Mode] = {
    BRANCH: Mode(name=BRANCH, suffix="", images=lambda kind: (BRANCH_INPUT,), outputs=_vector),
    FULL: Mode(name=FULL, suffix="_full", images=lambda kind: kind.streams, outputs=_vectors_and_distances),
}


def image_names(kind: str, mode: str) -> tuple[str, ...]:
    """Names of the image inputs: `image` for a branch artifact, the kind's streams for a full one."""
    return MODES[mode].images(KINDS[kind])


def vector_names(images: Sequence[str]) -> list[str]:
    """The outputs with the vectors of these image inputs."""
    return [BRANCH_OUTPUT if name == BRANCH_INPUT else embedding_name(name) for name in images]
