"""Data sets of the demo: their images, who writes them, and the recipe that trains them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lookalike.demo.digits import write_digits
from lookalike.demo.emoji import prepare_emoji, write_emoji


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Real images in class folders, and the recipe that suits them.

    Attributes:
        name: what --data takes; the run and the model are named after it.
        unseen: what is held out, in words.
        write: writes the images into a folder; returns those of training and of held-out images.
        training: options of `lookalike train`.
        clusters: whether k-means on raw pixels is measured; for hundreds of small classes it says little, slowly.
        prepare: fetches what the images are made of, with a title for that step; before anything is written.
    """

    name: str
    unseen: str
    write: Callable[[Path], tuple[Path, Path]]
    training: tuple[str, ...]
    clusters: bool = True
    prepare: tuple[str, Callable[[], Path]] | None = None


EMOJI_TRAINING = (
    "--kind",
    "triplet",
    "--dim",
    "128",
    "--epochs",
    "40",
    "--validation",
    "classes:0.05",  # symbols that training never sees, as the held-out half are
)

DATA_SETS = {
    data.name: data
    for data in (
        DataSet(
            name="digits",
            unseen="digits of which other images were trained on",
            write=write_digits,
            training=("--kind", "triplet"),
        ),
        DataSet(
            name="emoji",
            unseen="drawings of symbols that training never saw",
            write=write_emoji,
            training=EMOJI_TRAINING,
            clusters=False,
            prepare=("0. Drawings from six npm packages, rendered once", prepare_emoji),
        ),
    )
}
