"""Emoji as folders in build/: `lookalike demo`'s symbols, half of them never trained on."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lookalike.demo.emoji import write_emoji


def prepare_emoji_folders(cache: Path = Path("build/sets")) -> tuple[Path, Path]:
    """Folders of the symbols to train on and of those never seen; made once."""
    folder = cache / "emoji"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as stage:
            write_emoji(Path(stage) / "emoji")
            (Path(stage) / "emoji").rename(folder)
    return folder / "train", folder / "held_out"
