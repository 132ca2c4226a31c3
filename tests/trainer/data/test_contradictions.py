"""Contradictions that content hashes show: told once with names, and trained on as they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.shared.class_folders import write_classes
from tests.shared.table_writers import TABLE_WRITERS, prepare_table, write_csv, write_pngs


def test_one_picture_in_two_class_folders_is_told(tmp_path: Path) -> None:
    """Copies within a class are none; a picture in three classes is one line of three names."""
    root = write_classes(tmp_path, {"cat": 4, "dog": 4, "eel": 4})
    shutil.copy(root / "cat" / "00.png", root / "dog" / "x.png")
    shutil.copy(root / "cat" / "00.png", root / "eel" / "y.png")
    shutil.copy(root / "cat" / "01.png", root / "cat" / "again.png")
    prepared, warnings = prepare_table(root, validation="none")
    assert warnings == [
        "1 picture stands in two classes or more, which is trained on as it is: cat/00.png (cat) and dog/x.png (dog)"
        " and eel/y.png (eel)"
    ]
    assert len(prepared.train) == 15
    shutil.copytree(root / "dog", root / "fox")
    [line] = prepare_table(root, validation="none")[1]
    assert line.startswith("5 pictures stand in two classes or more, ")
    assert line.endswith("; and 2 more")


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "bytes.parquet"])
def test_one_picture_under_two_labels_of_a_table_is_told(tmp_path: Path, name: str) -> None:
    """By one path in two rows, or by a copy; of images that a table holds the rows are named."""
    names = write_pngs(tmp_path, 8)
    (tmp_path / "images" / "copy.png").write_bytes((tmp_path / names[1]).read_bytes())
    images = [*names, names[0], "images/copy.png"]
    table = TABLE_WRITERS[name](tmp_path / name, {"image": images, "label": [*"aabbaabb", "b", "b"]})
    prepared, [line] = prepare_table(table, validation="none")
    first, second = (
        (names[:2], [names[0], "images/copy.png"])
        if name != "bytes.parquet"
        else (["row 0", "row 1"], ["row 8", "row 9"])
    )
    assert line == (
        "2 pictures stand in two classes or more, which is trained on as it is: "
        f"{first[0]} (a) and {second[0]} (b); {first[1]} (a) and {second[1]} (b)"
    )
    assert len(prepared.train) == 10


def test_another_class_in_validation_than_in_training_is_told(tmp_path: Path) -> None:
    """A copy of the same class is left out as before, and is no contradiction."""
    train = write_classes(tmp_path / "train", {"cat": 4, "dog": 4})
    held_out = write_classes(tmp_path / "held", {"cow": 3, "dog": 3})
    for path in held_out.glob("*/*.png"):
        path.write_bytes(path.read_bytes() + b"other")  # other contents than those of `train`
    shutil.copy(train / "cat" / "00.png", held_out / "dog" / "x.png")
    shutil.copy(train / "dog" / "01.png", held_out / "dog" / "y.png")
    _, warnings = prepare_table(train, validation=str(held_out))
    assert warnings == [
        "1 picture has another class in training than in validation: cat/00.png (cat) and dog/x.png (dog)",
        "2 held-out images are copies of training images and were left out",
    ]


def test_pairs_that_are_same_and_different_are_told(tmp_path: Path) -> None:
    """In either order, and by copies under other names."""
    names = write_pngs(tmp_path, 8)
    (tmp_path / "images" / "copy.png").write_bytes((tmp_path / names[1]).read_bytes())
    columns = {
        "left": [names[0], names[2], "images/copy.png", names[4], names[4]],
        "right": [names[1], names[3], names[0], names[5], names[5]],
        "different": "10011",
    }
    prepared, warnings = prepare_table(write_csv(tmp_path / "t.csv", columns), "siamese", validation="none")
    assert warnings == [
        f"1 pair of pictures is the same in one row and different in another: {names[0]} and {names[1]} in lines 2, 4"
    ]
    assert prepared.tuples is not None
    assert len(prepared.tuples) == 5


@pytest.mark.parametrize("kind", ["triplet", "quartet"])
def test_positives_that_are_negatives_elsewhere_are_told(tmp_path: Path, kind: str) -> None:
    """Against the anchor, in any of its roles; two negatives of one row say nothing of each other."""
    names = write_pngs(tmp_path, 16)
    columns = {
        "anchor": [names[0], names[4], names[8]],
        "positive": [names[1], names[5], names[9]],
        "negative": [names[2], names[0], names[10]],
    }
    if kind == "quartet":
        columns |= {"negative2": [names[3], names[7], names[11]]}
    assert prepare_table(write_csv(tmp_path / "good.csv", columns), kind, validation="none")[1] == []
    columns["anchor"][1], columns["negative"][1] = names[1], names[0]
    if kind == "quartet":
        columns["negative2"][2] = names[9]  # its own positive: that row is left out
    warnings = prepare_table(write_csv(tmp_path / "bad.csv", columns), kind, validation="none")[1]
    assert warnings[-1] == (
        f"1 pair of pictures is the same in one row and different in another: {names[0]} and {names[1]} in lines 2, 3"
    )
