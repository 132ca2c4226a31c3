"""Sampling of triplets: one pass over the images' features into buffers, triplets out of these, and a table of them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.datasets.triplets.buffers import Buffers, buffer_size
from analysis.datasets.triplets.class_images import ClassImages
from analysis.datasets.triplets.drawing import Drawn, draw_triplets
from analysis.datasets.triplets.features import Features, Unusable
from analysis.neighbours.samples import check_seed
from artifact.atomic import staged_file
from artifact.errors import UsageError

COLUMNS = ("query", "positive", "negative")
DEFAULT_GAP = 0.05
_ROWS_PER_WRITE = 65_536


@dataclass(frozen=True, kw_only=True)
class SampledTriplets:
    """Triplets of a table of images, and what they came of.

    Attributes:
        drawn: the triplets, by rows of the table.
        num_images: images that were looked at.
        num_kept: of those, how many triplets could be made of.
        buffer: images of a class that were kept at most.
        distance: that relevance was measured by.
        without_class: images that have none.
        without_vector: images with a class that have none, where relevance is of vectors.
        bad: images and rows of vectors that could not be used.
    """

    drawn: Drawn
    num_images: int
    num_kept: int
    buffer: int
    distance: str
    without_class: int
    without_vector: int
    bad: Unusable

    @property
    def in_class(self) -> float:
        """Share of triplets whose negative is of the query's class."""
        return float(self.drawn.in_class.mean())


def sample_triplets(
    images: ClassImages,
    features: Features,
    *,
    count: int,
    in_class: float = 0.5,
    gap: float = DEFAULT_GAP,
    seed: int = 0,
    report: Callable[[int], None] = lambda done: None,
) -> SampledTriplets:
    """Draw triplets of images with classes by their relevance to each other.

    Memory is that of the ids, of at most 256 MB of features (or eight images of each class), and of the triplets.

    Args:
        images: with their classes.
        features: of those; iterated once.
        count: triplets to draw.
        in_class: share of negatives that are of the query's class, where there are such.
        gap: how much less relevant than the positive these are at least.
        seed: decides everything.
        report: called with the number of images that were looked at.

    Raises:
        UsageError: numbers that make no sense. DataError: images that no triplet can be drawn from.
    """
    check_seed(seed)
    for name, value, expected, is_sound in (
        ("--count", count, "1 or more", count >= 1),
        ("--in-class", in_class, "a share, 0 to 1", 0 <= in_class <= 1),
        ("--gap", gap, "0 to 1", 0 <= gap <= 1),
    ):
        if not is_sound:
            raise UsageError(name, expected=expected, got=f"{value:g}")
    random = np.random.default_rng(seed)
    size = buffer_size(images.num_classes, features.dim)
    buffers = Buffers(images.num_classes, features.dim, distance=features.distance, size=size, random=random)
    done = 0
    for rows, some in features.batches():
        labels = images.labels[rows]
        has_class = labels >= 0
        buffers.add(labels[has_class], rows[has_class], some[has_class])
        done += len(rows)
        report(done)
    drawn = draw_triplets(
        buffers,
        count=count,
        in_class=in_class,
        gap=gap,
        distance=features.distance,
        random=random,
        where=images.table.source,
    )
    return SampledTriplets(
        drawn=drawn,
        num_images=done,
        num_kept=int(np.minimum(buffers.seen, size).sum()),
        buffer=size,
        distance=features.distance,
        without_class=int((images.labels < 0).sum()),
        without_vector=features.num_without,
        bad=features.bad,
    )


def check_output(output: Path) -> str:
    """The delimiter of a table of that name; raises UsageError for another suffix."""
    delimiter = {".csv": ",", ".tsv": "\t"}.get(output.suffix.lower())
    if delimiter is None:
        raise UsageError("--output", expected="a .csv or .tsv file", got=str(output))
    return delimiter


def write_triplets(images: ClassImages, drawn: Drawn, output: Path, *, as_numbers: bool = False) -> None:
    """Write the triplets as a CSV or TSV file with columns query, positive and negative.

    Args:
        images: that they are of.
        drawn: the triplets.
        output: ends in .csv or .tsv.
        as_numbers: cells are rows of the table of images, from 0, for a catalogue; else paths, from the file's folder.

    Raises:
        UsageError: another suffix. DataError: images that are no files, without `as_numbers`. OutputError.
    """
    delimiter = check_output(output)
    used, places = np.unique(drawn.rows, return_inverse=True)
    names = list(map(str, used.tolist())) if as_numbers else images.names(used, output.parent)
    places = places.reshape(drawn.rows.shape)
    with staged_file(output) as staged, staged.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(COLUMNS)
        for start in range(0, len(places), _ROWS_PER_WRITE):
            writer.writerows(
                [names[place] for place in row] for row in places[start : start + _ROWS_PER_WRITE].tolist()
            )
