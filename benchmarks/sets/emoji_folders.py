"""Emoji as folders: `lookalike demo`'s symbols, half of them never trained on."""

from __future__ import annotations

from pathlib import Path

from benchmarks.sets.made_once import made_once
from lookalike.demo.emoji import write_emoji


def prepare_emoji_folders() -> tuple[Path, Path]:
    """Folders of the symbols to train on and of those never seen."""
    return made_once("emoji", _write)


def _write(train: Path, unseen: Path) -> None:
    _, held_out = write_emoji(train.parent)
    held_out.rename(unseen)
