"""Folders of class folders: what is found in them and what is refused."""

from pathlib import Path

import pytest

from artifact.errors import DataError
from tests.shared.class_folders import write_classes, write_noise
from trainer.data.class_sets import open_class_folder
from trainer.data.image_sides import median_side
from trainer.data.usable_classes import check_classes


def test_class_folder_takes_first_level_folders_as_classes(tmp_path: Path) -> None:
    """Nested folders join their class; hidden ones, other suffixes and loose files are passed over."""
    write_classes(tmp_path, {"cat": 2, "dog": 1})
    write_noise(tmp_path / "cat" / "kittens" / "a.JPG", 1)
    write_noise(tmp_path / "cat" / ".cache" / "b.png", 2)
    write_noise(tmp_path / "dog" / ".c.png", 3)
    write_noise(tmp_path / ".git" / "d.png", 4)
    write_noise(tmp_path / "loose.png", 5)
    (tmp_path / "dog" / "notes.txt").write_text("good dog")
    (tmp_path / "empty").mkdir()
    files = open_class_folder(tmp_path)
    assert files.names == ("cat/00.png", "cat/01.png", "cat/kittens/a.JPG", "dog/00.png")
    assert files.classes == ("cat", "dog")
    assert files.labels.tolist() == [0, 0, 0, 1]


def test_class_folder_refuses_what_is_no_folder_of_folders(tmp_path: Path) -> None:
    """Missing, a file, empty, and images that lie loose."""
    cases = {tmp_path / "gone": "nothing there", write_noise(tmp_path / "x.png", 0): "a file"}
    for path, got in cases.items():
        with pytest.raises(DataError) as caught:
            open_class_folder(path)
        expected = f"image folder: expected a folder with one folder of images per class, got {got} ({path})"
        assert str(caught.value) == expected
    mend = "put the images of each class into a folder of their own"
    with pytest.raises(DataError) as caught:
        open_class_folder(tmp_path)
    got = "images outside any class folder"
    assert str(caught.value) == f"image folder: expected one folder of images per class, got {got} ({tmp_path}); {mend}"
    (tmp_path / "void").mkdir()
    with pytest.raises(DataError, match="got no image in any folder"):
        open_class_folder(tmp_path / "void")


def test_check_classes_refuses_folders_without_a_tuple(tmp_path: Path) -> None:
    """One class, two classes for a quartet, and too few with two images, each by name."""
    one = open_class_folder(write_classes(tmp_path / "one", {"cat": 3}))
    two = open_class_folder(write_classes(tmp_path / "two", {"cat": 3, "dog": 2}))
    lonely = open_class_folder(write_classes(tmp_path / "lonely", {"cat": 3, "dog": 1, "eel": 2, "fox": 1}))
    three = "a quartet's anchor and two negatives are of three classes"
    check_classes(two, kind="triplet")
    check_classes(lonely, kind="siamese")
    for files, kind, message in (
        (one, "triplet", "classes for a triplet model: expected at least 2 (a negative needs another), got 1: cat"),
        (two, "quartet", f"classes for a quartet model: expected at least 3 ({three}), got 2: cat, dog"),
        (
            lonely,
            "quartet",
            f"classes for a quartet model: expected at least 3 with 2 images or more ({three}, a positive another"
            " image), got 2: cat, eel; only one image in dog, fox",
        ),
    ):
        with pytest.raises(DataError) as caught:
            check_classes(files, kind=kind)
        assert str(caught.value) == f"{message} ({files.root})"


def test_only_class_that_holds_folders_is_named_as_what_was_meant(tmp_path: Path) -> None:
    """An archive often brings one folder around the classes."""
    files = open_class_folder(write_classes(tmp_path, {"animals/cat": 3, "animals/dog": 3}))
    with pytest.raises(DataError, match=r"; if the classes are the folders in .*/animals, name that folder$"):
        check_classes(files, kind="triplet")


def test_side_of_the_images_is_the_median_of_their_shorter_ones(tmp_path: Path) -> None:
    """Of a sample; what cannot be read has none."""
    for name, size, expected in (("s", (8, 9), 8), ("m", (40, 28), 28), ("l", (300, 200), 200)):
        for index in range(3):
            write_noise(tmp_path / name / "a" / f"{index}.png", index, size=size)
        assert median_side(open_class_folder(tmp_path / name)) == expected
    (tmp_path / "x" / "a").mkdir(parents=True)
    (tmp_path / "x" / "a" / "0.png").write_bytes(b"no image")
    assert median_side(open_class_folder(tmp_path / "x")) is None


def test_links_upward_are_no_class(tmp_path: Path) -> None:
    """A link to the folder itself, above it or in a circle; a link to a class folder elsewhere is one."""
    root = write_classes(tmp_path / "images", {"cat": 2, "dog": 2})
    write_classes(tmp_path / "elsewhere", {"eel": 2})
    for name, target in (("itself", "."), ("above", ".."), ("circle", "circle"), ("eel", "../elsewhere/eel")):
        (root / name).symlink_to(target)
    assert open_class_folder(root).classes == ("cat", "dog", "eel")
