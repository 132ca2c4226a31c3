"""What is held out where nobody says: images where classes have enough of them, else whole classes."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact.errors import DataError
from artifact.events import Report
from tests.shared.class_folders import read_folder, write_classes
from tests.shared.shapes_run import SHAPES, fit_small, write_shapes
from trainer.config.resolution import read_validation
from trainer.data.dataset import Dataset
from trainer.data.held_out import DataSplit, split_dataset
from trainer.data.images import Images
from trainer.data.open_split import num_spared
from trainer.data.split import class_order, small_class_order
from trainer.loop.reading import read_split


def _nothing(event: Any) -> None:
    """Told to nobody."""


def _images(folder: Path, sizes: list[int]) -> Images:
    return read_folder(write_classes(folder, {f"c{number:03d}": size for number, size in enumerate(sizes)}))


def _split_as(
    images: Images, validation: str | None, *, kind: str = "triplet", seed: int = 0, report: Report = _nothing
) -> DataSplit:
    share = read_validation(validation)
    assert isinstance(share, tuple)
    return split_dataset(Dataset(images=images), share, kind=kind, seed=seed, report=report)


def _split(folder: Path, sizes: list[int], *, kind: str = "triplet", report: Report = _nothing) -> DataSplit:
    return _split_as(_images(folder, sizes), None, kind=kind, report=report)


@pytest.mark.parametrize(
    ("sizes", "validation"),
    [
        ([2] * 100, "classes:0.23"),
        ([3] * 60, "classes:0.27"),
        ([2] * 6, "classes:0.33"),
        ([12] * 8, "images:0.1"),
        ([4] * 30 + [2] * 10, "images:0.1"),
        ([4] * 26 + [2] * 60, "images:0.1"),  # 25 classes are enough for a figure
        ([40] * 2 + [2] * 60, None),  # a few large classes do not speak for the small ones
    ],
    ids=lambda value: None if value is None or isinstance(value, str) else f"{len(value)} classes",
)
def test_open_validation_measures_on_what_there_is(sizes: list[int], validation: str | None, tmp_path: Path) -> None:
    """Held-out images come from half of the classes or more, or whole classes are held out and most stay."""
    events: list[Any] = []
    split = _split(tmp_path, sizes, report=events.append)
    assert split.held_out is not None
    assert split.validation is not None
    assert validation in (None, split.validation)
    held = np.bincount(split.held_out.labels, minlength=len(sizes))
    trained = np.bincount(split.train.labels, minlength=len(sizes))
    if split.validation.startswith("images"):
        assert (held > 0).sum() >= min(25, len(sizes) / 2)
        assert not events
        return
    names = {name.split("/")[0] for name in split.held_out.files.names}
    assert names.isdisjoint(name.split("/")[0] for name in split.train.files.names)
    assert 2 * held.sum() <= trained.sum()
    [line] = [event["message"] for event in events if event["event"] == "note"]
    assert re.match(
        rf"{len(names)} of {len(sizes)} classes \({len(split.held_out)} images\) are held out whole: ", line
    )


@pytest.mark.parametrize(("sizes", "kind"), [([2] * 3, "triplet"), ([3] * 5, "triplet"), ([2] * 5, "quartet")])
def test_nothing_is_held_out_where_nothing_can_be_spared(sizes: list[int], kind: str, tmp_path: Path) -> None:
    """Told as ever, and the setting is what it was."""
    events: list[Any] = []
    split = _split(tmp_path, sizes, kind=kind, report=events.append)
    assert (split.held_out, split.validation, len(split.train)) == (None, "images:0.1", sum(sizes))
    assert [event["event"] for event in events] == ["warning"]
    assert "nothing was held out" in events[0]["message"]


@pytest.mark.parametrize("sizes", [[60] + [3] * 20, [25, 25] + [3] * 20, [2] * 5 + [30, 9, 9], [36] + [3] * 24])
def test_what_is_spared_does_not_depend_on_where_large_classes_stand(sizes: list[int], tmp_path: Path) -> None:
    """Whatever the seed, as many classes and none too large; a large one that is passed over has a word of its own."""
    images, said = _images(tmp_path, sizes), set[str]()
    counts = set[int]()
    for seed in range(24):
        split = _split_as(images, None, seed=seed)
        assert split.held_out is not None
        assert split.validation is not None
        mode, _, _ = split.validation.partition(":")
        said.add(mode)
        held = np.bincount(split.held_out.labels)
        assert 3 * held.sum() <= sum(sizes)
        counts.add(len(held))
        again = _split_as(images, split.validation, seed=seed)  # as a run that goes on reads it
        assert again.held_out is not None
        assert again.held_out.hashes == split.held_out.hashes
        if mode == "classes":
            assert class_order(images, seed=seed)[: len(held)] == small_class_order(images, seed=seed)[: len(held)]
    assert said == {"classes", "small_classes"}
    assert len(counts) == 1


def test_order_without_large_classes_is_that_of_a_plain_loop(tmp_path: Path) -> None:
    """Each class that still fits into a third of the different images, none of more than half that; no copies."""
    images = _images(tmp_path, [12, 2, 5, 3, 2, 9, 2])
    for number in range(20):
        (tmp_path / "c001" / f"copy{number}.png").write_bytes((tmp_path / "c001" / "00.png").read_bytes())
    images, sizes = read_folder(tmp_path), [12, 2, 5, 3, 2, 9, 2]
    for seed in range(10):
        kept, rest = list[int](), list[int]()
        for label in class_order(images, seed=seed):
            fits = 3 * (sum(sizes[each] for each in kept) + sizes[label]) <= sum(sizes) >= 6 * sizes[label]
            (kept if fits else rest).append(label)
        assert small_class_order(images, seed=seed) == kept + rest


@pytest.mark.parametrize(
    ("sizes", "validation", "ways"),
    [
        ([10], "images:0.1", "a folder"),
        ([10], "classes:0.2", "a folder"),
        ([3, 3], "images:0.1", "a folder"),
        ([3, 3], "classes:0.5", "a folder"),
        ([3] * 6, "images:0.1", "classes:0.2 or a folder"),
        ([12] * 3, "classes:0.2", "images:0.1 or a folder"),
        ([12] * 4, "classes:0.9", "classes:0.2 or images:0.1 or a folder"),
        ([1] * 6, "images:0.1", "a folder"),
    ],
)
def test_advice_does_not_go_in_a_circle(sizes: list[int], validation: str, ways: str, tmp_path: Path) -> None:
    """Only what would hold something out of these classes is named, and it does."""
    images, said = _images(tmp_path, sizes), list[str]()
    try:
        _split_as(images, validation, report=lambda event: said.append(event["message"]))
    except DataError as error:
        said.append(str(error))
    assert len(said) == 1
    assert said[0].endswith(f"; use --validation {ways} of other images with classes")
    assert ("there is one class only" in said[0]) == (sizes == [10] and validation == "images:0.1")
    for way in ways.split(" or ")[:-1]:
        assert _split_as(images, way).held_out is not None


@pytest.mark.parametrize("seed", range(5))
def test_classes_are_spared_for_pairs_and_no_more(seed: int) -> None:
    """Against a plain loop over every number of classes."""
    random = np.random.default_rng(seed)
    for _ in range(50):
        sizes = np.minimum(60, 1 + random.geometric(random.uniform(0.05, 0.9), random.integers(2, 200)))
        best: int | None = None
        for count in range(2, len(sizes) + 1):
            held, total = sizes[:count].tolist(), int(sizes.sum())
            if 3 * count > len(sizes) or 3 * sum(held) > total or len(sizes) - count < 3:
                break
            best = count
            pairs = sum(one * other for at, one in enumerate(held) for other in held[:at])
            if pairs >= 1000 and 10 * count >= len(sizes):
                break
        assert num_spared(sizes, min_train=3) == best


def test_order_of_classes_is_that_of_their_content(tmp_path: Path) -> None:
    """Names do not decide, the seed does."""
    images = read_folder(write_classes(tmp_path, dict.fromkeys("abcdefgh", 2)))
    assert sorted(class_order(images, seed=0)) == list(range(8))
    assert class_order(images, seed=0) != class_order(images, seed=1)


def test_default_run_on_few_images_a_class_has_figures_of_new_classes(tmp_path: Path) -> None:
    """Recall and a threshold; config.yaml says what was held out, and it is read back so."""
    for number in range(9):
        write_shapes(tmp_path / "drawn", per_class=3, seed=number)
        for name in SHAPES:
            (tmp_path / "drawn" / name).rename(tmp_path / "drawn" / f"{name}{number}")
    (tmp_path / "drawn").rename(tmp_path / "images")
    run = fit_small(tmp_path / "images", tmp_path / "run", validation=None, epochs=1)
    assert run.config.validation == "classes:0.33"
    assert (run.facts["num_train_classes"], run.facts["num_validation_classes"]) == (24, 12)
    assert run.facts["num_validation_images"] == 36
    assert "recall@1" in run.facts["metrics"]
    assert run.threshold is not None
    train, held_out = read_split(run, report=_nothing)
    assert held_out is not None
    assert (len(train), len(held_out)) == (72, 36)
    assert set(train.hashes).isdisjoint(held_out.hashes)
