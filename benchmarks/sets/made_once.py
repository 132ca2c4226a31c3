"""Two folders of a set of pictures, to train on and never seen, made once and then found whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

CACHE = Path("build/sets")


def made_once(name: str, write: Callable[[Path, Path], None]) -> tuple[Path, Path]:
    """The folders of a set.

    Args:
        name: of the set; another where its pictures change.
        write: called with the folders `train` and `unseen`, neither of which is there yet, unless the set is.
    """
    folder = CACHE / name
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as stage:
            write(Path(stage) / name / "train", Path(stage) / name / "unseen")
            (Path(stage) / name).rename(folder)
    return folder / "train", folder / "unseen"
