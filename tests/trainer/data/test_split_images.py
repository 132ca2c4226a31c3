"""Held-out images and classes: by content, copies on one side."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from artifact.errors import DataError
from tests.shared.class_folders import read_folder, write_classes, write_noise
from trainer.data.images import Images
from trainer.data.split import split_classes, split_images, without_copies


def _sides(images: Images, rows: np.ndarray) -> set[str]:
    return {images.files.names[row] for row in rows}


def test_split_images_keeps_copies_on_one_side(tmp_path: Path) -> None:
    """Whatever the seed, no content stands on both sides; two of each class are held out and two stay."""
    write_classes(tmp_path, {"cat": 20, "dog": 6, "eel": 3})
    for index in range(15):
        shutil.copy(tmp_path / "cat" / f"{index:02d}.png", tmp_path / "cat" / f"copy{index}.png")
    shutil.copy(tmp_path / "cat" / "00.png", tmp_path / "dog" / "cat.png")
    images = read_folder(tmp_path)
    seen = set()
    for seed in range(8):
        train, held = split_images(images, 0.2, seed=seed)
        assert sorted([*train, *held]) == list(range(len(images)))
        assert {images.hashes[i] for i in train}.isdisjoint(images.hashes[i] for i in held)
        contents = {
            name: {images.hashes[i] for i in held if images.files.names[i].startswith(name)} for name in ("cat", "eel")
        }
        assert (len(contents["cat"]), len(contents["eel"])) == (4, 0)
        assert np.array_equal(held, split_images(images, 0.2, seed=seed)[1])
        seen.add(tuple(held))
    assert len(seen) > 1


def test_split_images_takes_pairs_from_some_of_many_small_classes(tmp_path: Path) -> None:
    """60 classes of 5 images at 20 %: 30 classes give two images each, not all of them a third of what they have."""
    images = read_folder(write_classes(tmp_path, {f"c{index:02d}": 5 for index in range(60)}))
    train, held = split_images(images, 0.2, seed=0)
    assert sorted(np.bincount(images.labels[held], minlength=60).tolist()) == [0] * 30 + [2] * 30
    assert len(train) + len(held) == 300
    few = split_images(images, 0.01, seed=0)[1]
    assert len(few) == 2 * 25  # enough classes for a figure that means something


def test_split_images_depends_on_content_and_not_on_names(tmp_path: Path) -> None:
    """The same pictures under other names are split the same way."""
    first = read_folder(write_classes(tmp_path / "a", {"cat": 10, "dog": 10}))
    for index in range(10):
        for name in ("cat", "dog"):
            (tmp_path / "b" / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(tmp_path / "a" / name / f"{index:02d}.png", tmp_path / "b" / name / f"{(index * 7) % 10}.png")
    second = read_folder(tmp_path / "b")
    held = [{images.hashes[i] for i in split_images(images, 0.3, seed=0)[1]} for images in (first, second)]
    assert held[0] == held[1]
    assert len(held[0]) == 6


def test_split_classes_holds_out_whole_classes(tmp_path: Path) -> None:
    """At least two, chosen by content; too few classes are refused with a way out."""
    images = read_folder(write_classes(tmp_path, dict.fromkeys("abcdefghij", 3)))
    train, held = split_classes(images, 0.3, seed=0, min_train=2)
    classes = {name.split("/")[0] for name in _sides(images, held)}
    assert len(classes) == 3
    assert classes.isdisjoint(name.split("/")[0] for name in _sides(images, train))
    with pytest.raises(DataError) as caught:
        split_classes(images, 0.9, seed=0, min_train=3)
    assert str(caught.value) == f"classes to hold 0.9 of them out: expected at least 12, got 10 ({tmp_path})"


def test_without_copies_drops_what_is_trained_on(tmp_path: Path) -> None:
    """Held-out images that are byte-equal to training images would be found at distance 0."""
    train = read_folder(write_classes(tmp_path / "train", {"cat": 3, "dog": 3}))
    write_classes(tmp_path / "other", {"cat": 2})
    write_noise(tmp_path / "other" / "dog" / "new.png", 77)
    held_out, dropped = without_copies(read_folder(tmp_path / "other"), train)
    assert dropped == 2
    assert held_out.files.names == ("dog/new.png",)
    assert held_out.files.classes == ("dog",)
