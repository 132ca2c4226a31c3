"""The Omniglot challenge's files: drawings to train on, the 400 official trials, and pixels as the method to beat.

Lake, Salakhutdinov and Tenenbaum 2015, "Human-level concept learning through probabilistic program induction"; data
from the authors' repository, brendenlake/omniglot, MIT licence. Nothing of it is part of this project: whoever runs the
benchmark names the folder with `images_background_small1.zip` and `all_runs.zip`.

Decision a reader would question: the trials are WITHIN alphabets. 20 runs, each with one alphabet, two people and 20
characters; each of the 20 drawings of one person is matched with the 20 of the other. Trials that mix alphabets, as
most papers on few-shot learning report, have about half the error.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from artifact.distances import DISTANCES
from artifact.errors import DataError
from artifact.images.decoding import Pixels
from artifact.images.preprocessing import Preprocessing, load_pixels

TRAINING_ZIP, TRIALS_ZIP = "images_background_small1.zip", "all_runs.zip"
NUM_RUNS, NUM_WAYS = 20, 20

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class TrialRun:
    """20 trials that share their 20 known drawings.

    Attributes:
        known: files of one drawing of each character.
        asked: files of the drawings to name.
        answers: int64 [asked], index into `known` of the right one.
    """

    known: tuple[Path, ...]
    asked: tuple[Path, ...]
    answers: npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class TrialError:
    """Percent of the 400 trials that went wrong, and its standard error over the 20 runs."""

    mean_pct: float
    standard_error_pct: float


def unpack_training_images(data: Path, folder: Path) -> Path:
    """Class folders of PNGs, named `Alphabet_characterNN`, below `folder`; returns the image folder."""
    images = folder / "images"
    with zipfile.ZipFile(_member(data, TRAINING_ZIP)) as archive:
        for name in archive.namelist():
            if name.endswith(".png"):
                alphabet, character, file = name.split("/")[-3:]
                target = images / f"{alphabet}_{character}" / file
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
    return images


def unpack_trials(data: Path, folder: Path) -> list[TrialRun]:
    """The 20 official runs, their files unpacked below `folder`; raises DataError where one is missing."""
    with zipfile.ZipFile(_member(data, TRIALS_ZIP)) as archive:
        archive.extractall(folder / "trials")
    answers = sorted((folder / "trials").rglob("class_labels.txt"))
    if len(answers) != NUM_RUNS:
        raise DataError(
            "official Omniglot trials", expected=f"{NUM_RUNS} runs", got=str(len(answers)), where=data / TRIALS_ZIP
        )
    return [_trial_run(file) for file in answers]


def _member(data: Path, name: str) -> Path:
    if not (data / name).is_file():
        mend = "take it from github.com/brendenlake/omniglot, folder python"
        raise DataError("Omniglot data", expected=name, got="nothing there", where=data, mend=mend)
    return data / name


def _trial_run(labels: Path) -> TrialRun:
    """From lines of `run01/test/item01.png run01/training/class08.png`."""
    root = labels.parent.parent
    pairs = [line.split() for line in labels.read_text().splitlines() if line.strip()]
    known = sorted({name for _, name in pairs})
    if len(known) != NUM_WAYS or len(pairs) != NUM_WAYS:
        got = f"{len(pairs)} of {len(known)}"
        raise DataError("trials of a run", expected=f"{NUM_WAYS} of {NUM_WAYS} characters", got=got, where=labels)
    return TrialRun(
        known=tuple(root / name for name in known),
        asked=tuple(root / name for name, _ in pairs),
        answers=np.array([known.index(name) for _, name in pairs], np.int64),
    )


def trial_error(
    runs: list[TrialRun], embed: Callable[[Pixels], Vectors], preprocessing: Preprocessing, *, distance: str
) -> TrialError:
    """Name every drawing by its nearest known one.

    Args:
        runs: from `unpack_trials`.
        embed: uint8 [n, height, width, 3] -> float32 [n, dim].
        preprocessing: how files become pixels.
        distance: a name in artifact/distances.
    """
    errors = []
    for run in runs:
        known, asked = (
            embed(np.stack([load_pixels(file.read_bytes(), preprocessing) for file in files]))
            for files in (run.known, run.asked)
        )
        nearest = DISTANCES[distance](asked[:, None], known[None, :]).argmin(axis=1)
        errors.append(100 * float((nearest != run.answers).mean()))
    spread = float(np.std(errors, ddof=1)) / len(errors) ** 0.5
    return TrialError(mean_pct=float(np.mean(errors)), standard_error_pct=spread)


def pixels_error(runs: list[TrialRun], *, size_px: int) -> TrialError:
    """Euclidean distance between the pictures themselves."""
    spec = Preprocessing(height=size_px, width=size_px)
    return trial_error(runs, _flat, spec, distance="euclidean")


def _flat(pixels: Pixels) -> Vectors:
    return np.asarray(pixels.reshape(len(pixels), -1), np.float32) / np.float32(255)
