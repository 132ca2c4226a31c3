"""What is left out of training: told with names, counted, and an error only where nothing is left."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from artifact.errors import DataError
from tests.shared.class_folders import write_classes, write_noise
from tests.shared.table_writers import TABLE_WRITERS, prepare_table, refusal, write_csv, write_pngs


def warnings_of(images: Path, kind: str = "triplet", **options: Any) -> list[str]:
    return prepare_table(images, kind, **options)[1]


@pytest.mark.parametrize("validation", ["none", "images:0.2", "classes:0.4"])
def test_classes_of_one_image_are_left_out_however_the_data_are_split(tmp_path: Path, validation: str) -> None:
    """The others are as if those had never been there: the same hash, the same sides."""
    sizes = {"cat": 6, "dog": 6, "eel": 6, "fox": 6, "gnu": 6}
    write_classes(tmp_path / "clean", sizes)
    shutil.copytree(tmp_path / "clean", tmp_path / "set")
    for seed, name in enumerate(("ape", "bee"), start=7000):
        write_noise(tmp_path / "set" / name / "only.png", seed)
    clean, _ = prepare_table(tmp_path / "clean", validation=validation)
    found, warnings = prepare_table(tmp_path / "set", validation=validation)
    assert warnings == ["2 classes of one image were left out (a positive needs another image): ape, bee"]
    assert found.data_facts() | {"left_out": {}, "warnings": []} == clean.data_facts()
    assert found.data_facts()["left_out"] == {"classes": 2}
    assert found.train.hashes == clean.train.hashes


def test_many_classes_of_one_image_are_a_short_line(tmp_path: Path) -> None:
    """As in sets of faces; and a class may become one by images that cannot be read."""
    write_classes(tmp_path, {"cat": 4, "dog": 4, "eel": 2, **{f"x{number:02d}": 1 for number in range(30)}})
    (tmp_path / "eel" / "01.png").write_bytes(b"no image")
    skipped, classes = warnings_of(tmp_path, validation="none")
    assert skipped.startswith("1 image was left out: eel/01.png: not an image in any of ")
    assert classes == (
        "31 classes of one image were left out (a positive needs another image): eel, x00, x01, x02, x03 and 26 more"
    )


@pytest.mark.parametrize("what", ["images", "validation"])
def test_classes_whose_images_are_all_bad_are_named(tmp_path: Path, what: str) -> None:
    """Beside the images, which are many; of a validation folder too."""
    sizes = {"cat": 7, "dog": 4, "eel": 4, "fox": 1}
    write_classes(tmp_path / "bad", sizes)
    for name in ("cat", "fox"):
        for file in (tmp_path / "bad" / name).iterdir():
            file.write_bytes(b"no image")
    for seed in range(6):
        write_noise(tmp_path / "good" / f"gnu{seed % 2}" / f"{seed}.png", 7000 + seed)
    images, apart = ("bad", "good") if what == "images" else ("good", "bad")
    prepared, (line,) = prepare_table(tmp_path / images, validation=str(tmp_path / apart))
    assert "8 images were" in line
    assert ", and with them the whole classes cat, fox: cat/00.png: " in line
    assert prepared.data_facts()["left_out"] == {"images": 8, "classes": 2}


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet", "bytes.parquet"])
def test_rows_without_a_class_are_left_out(tmp_path: Path, name: str) -> None:
    """As a table without these rows."""
    names = write_pngs(tmp_path, 12)
    labels: list[Any] = ["a", "b"] * 6
    labels[3] = labels[8] = None
    table = TABLE_WRITERS[name](tmp_path / name, {"image": names, "label": labels})
    rest = [row for row in range(12) if row not in (3, 8)]
    clean = write_csv(
        tmp_path / "rest.csv", {"image": [names[row] for row in rest], "label": [labels[row] for row in rest]}
    )
    prepared, warnings = prepare_table(table, validation="none")
    where = {"t.csv": "lines 5, 10", "t.jsonl": "lines 4, 9"}.get(name, "rows 3, 8")
    assert warnings == [f"2 rows without a class were left out: {where}"]
    assert prepared.data_facts()["left_out"] == {"rows": 2}
    expected, _ = prepare_table(clean, validation="none")
    assert prepared.train.hashes == expected.train.hashes
    assert prepared.train.labels.tolist() == expected.train.labels.tolist()


def test_folders_without_an_image_that_is_read_are_named(tmp_path: Path) -> None:
    """With what they hold; what else is passed over is told beside them."""
    root = write_classes(tmp_path / "set", {"cat": 4, "dog": 4})
    for name in ("raws/1.dng", "raws/2.dng", "mixed/x.heic", "mixed/y.txt", "cat/z.jxl"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"II*\0")
    (root / "void").mkdir()
    shutil.copy(root / "cat" / "00.png", root / "loose.png")
    prepared, warnings = prepare_table(root, validation="none")
    assert warnings == [
        "passed over: 2 .dng, 1 .heic, 1 .jxl, 1 image in no class folder, 1 .txt; .dng .heic .jxl: pictures of"
        " formats that are not read, convert them to JPEG or PNG",
        "3 folders hold no image that is read and are no classes: mixed (1 .heic, 1 .txt), raws (2 .dng), void"
        " (nothing)",
    ]
    assert prepared.data_facts()["passed_over"] == {
        ".dng": 2,
        ".heic": 1,
        ".jxl": 1,
        "image in no class folder": 1,
        ".txt": 1,
    }
    shutil.rmtree(root / "dog")
    assert refusal(DataError, root).startswith("classes for a triplet model: expected at least 2 ")
    shutil.rmtree(root / "cat")
    (root / "loose.png").unlink()
    assert "got no image in any folder; passed over: 2 .dng, 1 .heic, 1 .txt" in refusal(DataError, root)


def test_harmless_files_are_a_note_and_no_warning(tmp_path: Path) -> None:
    """Counted all the same, of a validation folder too."""
    write_classes(tmp_path / "set", {"cat": 4, "dog": 4})
    for seed in range(6):
        write_noise(tmp_path / "apart" / f"gnu{seed % 2}" / f"{seed}.png", 7000 + seed)
    for name in ("set", "apart"):
        (tmp_path / name / "Thumbs.db").write_bytes(b"x")
    prepared, warnings = prepare_table(tmp_path / "set", validation=str(tmp_path / "apart"))
    assert prepared.data_facts()["passed_over"] == {"Thumbs.db": 2}
    assert warnings == []


def test_splits_are_refused_with_the_commands_that_are_meant(tmp_path: Path) -> None:
    """Also as a validation folder; classes that are really called so are trained on when asked for."""
    root = tmp_path / "my set"
    for seed in range(27):
        write_noise(root / ("train", "val", "test")[seed % 3] / "abc"[seed % 9 // 3] / f"{seed}.png", seed)
    message = (
        "image folder: expected one folder of images per class, got splits of a data set with the same folders in"
        f" each: test, train, val ({root}); use `lookalike train '{root}/train' --validation '{root}/val'` and later"
        f" `lookalike score '{root}/test'`, each with your other options; if the classes are really called so, --set"
        " split_folders=false"
    )
    assert refusal(DataError, root) == message
    write_classes(tmp_path / "set", {"a": 3, "b": 3})
    apart = refusal(DataError, tmp_path / "set", validation=str(root))
    assert apart == message.replace("image folder", "validation folder", 1)
    prepared, _ = prepare_table(root, split_folders=False, validation="none")
    assert prepared.train.files.classes == ("test", "train", "val")
    assert prepare_table(root / "train", validation=str(root / "val"))[0].num_classes == 3


def test_folders_called_as_splits_alone_are_a_warning(tmp_path: Path) -> None:
    """With other classes in each it may be a split, and the run goes on."""
    write_classes(tmp_path / "train", {"a": 3, "b": 3})
    write_classes(tmp_path / "test", {"x": 3, "y": 3})
    [line, *_] = warnings_of(tmp_path, validation="none")
    assert line.startswith(
        "the classes are called as splits are (test, train); if they are splits, use `lookalike train "
    )


def test_rows_of_one_image_twice_are_left_out(tmp_path: Path) -> None:
    """By name or as a copy under another name, in each two streams; an error where no row is left."""
    names = write_pngs(tmp_path, 12)
    (tmp_path / "images" / "copy.png").write_bytes((tmp_path / names[1]).read_bytes())
    columns = {
        "anchor": names[:4],
        "positive": [names[4], "images/copy.png", names[6], names[7]],
        "negative": [names[8], names[9], names[6], names[11]],
    }
    prepared, warnings = prepare_table(write_csv(tmp_path / "t.csv", columns), validation="none")
    assert warnings == [
        f"1 row whose anchor and positive are one image was left out: line 3 ({names[1]})",
        f"1 row whose positive and negative are one image was left out: line 4 ({names[6]})",
    ]
    assert prepared.tuples is not None
    assert prepared.tuples.rows.tolist() == [0, 3]
    assert prepared.data_facts()["left_out"] == {"rows": 2}
    pairs = write_csv(tmp_path / "pairs.csv", {"left": names[:2], "right": names[:2], "different": "10"})
    assert refusal(DataError, pairs, "siamese") == (
        "table of tuples: expected a tuple of different images, got none: 2 rows whose left and right are one image"
        f" were left out: lines 2, 3 ({names[0]}) ({pairs})"
    )


@pytest.mark.parametrize("role", ["different", "same"])
def test_pairs_that_do_not_say_whether_they_differ_are_left_out(tmp_path: Path, role: str) -> None:
    """Empty cells, and words that are neither; where those are most, another column was meant."""
    names = write_pngs(tmp_path, 14)
    columns = {"left": names[:7], "right": names[7:], role: ["1", "", "0", "maybe", "true", "", "no"]}
    prepared, warnings = prepare_table(write_csv(tmp_path / "t.csv", columns), "siamese", validation="none")
    assert warnings == [
        f'2 rows with nothing in "{role}" were left out: lines 3, 7',
        f"1 row with neither 1 nor 0 in \"{role}\" was left out: line 5 ('maybe')",
    ]
    assert prepared.tuples is not None
    assert prepared.tuples.rows.tolist() == [0, 2, 4, 6]
    assert prepared.tuples.different is not None
    assert prepared.tuples.different.tolist() == [
        value == (role == "different") for value in (True, False, True, False)
    ]
    columns[role] = [""] * 7
    assert refusal(DataError, write_csv(tmp_path / "u.csv", columns), "siamese") == (
        f'column "{role}": expected 1 ({role}) or 0 in some rows, got none (u.csv)'
    )


def test_validation_folder_that_measures_nothing_says_why(tmp_path: Path) -> None:
    """All of it is trained on already."""
    root = write_classes(tmp_path, {"cat": 4, "dog": 4})
    assert refusal(DataError, root, validation=str(root)) == (
        "validation folder: expected two classes, one of them with two images, got 0 images of 0 classes, without 8"
        f" that are trained on ({root})"
    )
