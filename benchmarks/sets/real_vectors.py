"""Vectors of real pictures that their model never saw, made once by the commands as a user types them.

digits: 1,000 held-out digits, by the demo's trained Conv4. emoji: drawings of symbols never trained on, photographs:
views of photographs never trained on, both by a published network with a head fitted on the other half.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.sets.emoji_folders import prepare_emoji_folders
from benchmarks.sets.made_once import CACHE, made_once
from benchmarks.sets.photographs import prepare_photographs
from lookalike.demo.digits import write_digits

FROZEN = ("--pretrained", "--epochs", "0")


def prepare_digits() -> tuple[Path, Path]:
    """Folders of the demo's digits to train on and of those held out."""

    def write(train: Path, unseen: Path) -> None:
        _, held_out = write_digits(train.parent)
        held_out.rename(unseen)

    return made_once("digits", write)


SETS: dict[str, tuple[Callable[[], tuple[Path, Path]], tuple[str, ...]]] = {
    "digits": (prepare_digits, ("--kind", "triplet")),
    "emoji": (prepare_emoji_folders, FROZEN),
    "photographs": (prepare_photographs, FROZEN),
}
"""{name: (its folders, options of `lookalike train`)}."""


def real_vectors(name: str, *, seen: bool = False) -> Path:
    """The folder that `lookalike score` wrote, with ids, `label` and `embedding`.

    Args:
        name: in SETS.
        seen: of the pictures that the model was trained or fitted on, in place of those never seen.
    """
    folder = CACHE / "vectors" / f"{name}-{'train' if seen else 'unseen'}"
    if not folder.is_dir():
        prepare, _ = SETS[name]
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as stage:
            scored = Path(stage) / folder.name
            pictures = prepare()[0 if seen else 1].resolve()
            _lookalike("score", pictures, "--model", name, "--repository", real_model(name), "--output", scored)
            scored.rename(folder)
    return folder


def foreign_vectors(name: str, foreign: str) -> Path:
    """What the model `name` gives for the pictures of another set that it never saw: a scored folder."""
    folder = CACHE / "vectors" / f"{name}-of-{foreign}"
    if not folder.is_dir():
        prepare, _ = SETS[foreign]
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as stage:
            scored = Path(stage) / folder.name
            score(prepare()[1], name, scored)
            scored.rename(folder)
    return folder


def score(pictures: Path, name: str, output: Path) -> None:
    """Score a folder of pictures with the model `name`."""
    _lookalike("score", pictures.resolve(), "--model", name, "--repository", real_model(name), "--output", output)


def real_model(name: str) -> Path:
    """The repository that holds the model `name`."""
    repository = CACHE / "models" / name
    if not repository.is_dir():
        prepare, options = SETS[name]
        repository.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=repository.parent) as stage:
            run, staged = Path(stage) / name, Path(stage) / "repository"
            _lookalike("train", prepare()[0], *options, "--output", run)
            _lookalike("export", run, "--as", "branch", "--repository", staged)
            staged.rename(repository)
    return repository


def _lookalike(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "lookalike", *map(str, words)], check=True, stdout=sys.stderr)
