"""Images without pixels, for tests of which images are dealt into a batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from artifact.images.limits import DEFAULT_LIMITS
from artifact.images.preprocessing import Preprocessing
from trainer.data.image_files import ImageFiles
from trainer.data.images import Images
from trainer.pixels.store import PixelStore


def blank_images(labels: np.ndarray) -> Images:
    """One image a label: int64 [images] of class numbers."""
    names = tuple(f"{index}.png" for index in range(len(labels)))
    store = PixelStore(
        blocks=[],
        block=np.full(len(labels), -1, np.int32),
        row=np.zeros(len(labels), np.int64),
        refs={},
        preprocessing=Preprocessing(height=8, width=8),
        limits=DEFAULT_LIMITS,
        workers=1,
    )
    return Images(
        files=ImageFiles(Path("x"), names, labels, tuple(str(label) for label in np.unique(labels))),
        hashes=tuple(f"{index:064x}" for index in range(len(labels))),
        rows=np.arange(len(labels)),
        store=store,
    )
