"""Images without classes: taken where nothing is trained, refused where something is."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError, UsageError
from tests.shared.class_folders import write_classes, write_noise
from tests.shared.table_writers import TABLE_WRITERS, prepare_table, refusal, write_csv, write_pngs, write_triplets
from trainer.data.class_sets import open_class_folder
from trainer.data.plain_images import natural_key


def test_natural_order_is_by_the_value_of_numbers() -> None:
    """As people count; what differs only in leading zeros or in case still has one order."""
    names = ["b1", "img10.png", "img2.png", "img02.png", "a/10.png", "a/9.png", "img2b.png", "2", "10", "B1", "", "²"]
    expected = ["", "2", "10", "a/9.png", "a/10.png", "b1", "img02.png", "img2.png", "img2b.png", "img10.png"]
    ordered = sorted(names, key=natural_key)
    assert [name for name in ordered if name not in ("B1", "²")] == expected
    backwards = names[::-1]
    assert sorted(backwards, key=natural_key) == ordered


def test_flat_folder_is_taken_in_natural_order_where_no_class_is_needed(tmp_path: Path) -> None:
    """Hidden files and other suffixes are passed over as ever; it is said once what lacks."""
    for number in (10, 9, 1, 100):
        write_noise(tmp_path / f"img{number}.png", number)
    write_noise(tmp_path / ".hidden.png", 1)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match="got images outside any class folder"):
        open_class_folder(tmp_path)
    files = open_class_folder(tmp_path, needs_classes=False)
    assert files.names == ("img1.png", "img9.png", "img10.png", "img100.png")
    assert [ref.file.name for ref in files.images if ref.file] == list(files.names)
    assert (files.classes, files.labels.tolist()) == ((), [0] * 4)
    assert [notice.message for notice in files.notices if "no class folders" in notice.message]


def test_one_class_folder_makes_classes_of_all(tmp_path: Path) -> None:
    """Loose images beside it are passed over, with the warning that they always had."""
    write_classes(tmp_path, {"cat": 2})
    write_noise(tmp_path / "loose.png", 5)
    files = open_class_folder(tmp_path, needs_classes=False)
    assert (files.names, files.classes) == (("cat/00.png", "cat/01.png"), ("cat",))
    assert any(notice.is_warning and notice.passed_over for notice in files.notices)


def test_folder_without_an_image_is_refused_though_no_class_is_needed(tmp_path: Path) -> None:
    """Nothing there, and nothing that is an image."""
    with pytest.raises(DataError, match=r"^image folder: expected images, got none \("):
        open_class_folder(tmp_path, needs_classes=False)


@pytest.mark.parametrize("name", TABLE_WRITERS)
def test_table_of_images_alone_is_taken_in_its_order(tmp_path: Path, name: str) -> None:
    """In every format, whether it names its images or holds them."""
    names = write_pngs(tmp_path, 12)[::-1]
    table = TABLE_WRITERS[name](tmp_path / name, {"image": names, "price": list(range(12))})
    assert "columns image and label" in refusal(DataError, table)
    prepared, _ = prepare_table(table, epochs=0)
    assert len(prepared.train) == 12
    assert (prepared.train.files.classes, prepared.held_out) == ((), None)
    in_order, _ = prepare_table(write_csv(tmp_path / "again.csv", {"image": names}), epochs=0)
    assert prepared.train.hashes == in_order.train.hashes


def test_labels_are_used_where_there_are_some(tmp_path: Path) -> None:
    """A column of empty labels is none, unless it was asked for by name."""
    names = write_pngs(tmp_path, 8)
    labelled = write_csv(tmp_path / "a.csv", {"image": names, "label": ["x", "y"] * 4})
    empty = write_csv(tmp_path / "b.csv", {"image": names, "label": [""] * 8})
    assert prepare_table(labelled, epochs=0)[0].train.files.classes == ("x", "y")
    assert prepare_table(empty, epochs=0)[0].train.files.classes == ()
    assert "expected a class in some rows" in refusal(DataError, empty, epochs=0, columns={"label": "label"})
    assert "expected a class in some rows" in refusal(DataError, empty)
    assert 'column "lable"' in refusal(DataError, labelled, epochs=0, columns={"label": "lable"})


def test_columns_of_streams_that_are_not_whole_are_still_refused(tmp_path: Path) -> None:
    """Who names an anchor means tuples, though there is an image column too."""
    names = write_pngs(tmp_path, 4)
    table = write_csv(tmp_path / "t.csv", {"image": names, "a": names})
    assert "expected columns image alone" in refusal(DataError, table, epochs=0, columns={"anchor": "a"})
    other = write_csv(tmp_path / "u.csv", {"picture": names})
    assert "expected columns image alone" in refusal(DataError, other, epochs=0)
    assert len(prepare_table(other, epochs=0, columns={"image": "picture"})[0].train) == 4
    without_rows = tmp_path / "v.parquet"
    parquet.write_table(pa.table({"image": pa.array([], pa.string())}), without_rows)
    assert "expected rows, got none" in refusal(DataError, without_rows, epochs=0)


def test_classes_that_no_tuple_can_be_drawn_from_are_kept_without_training(tmp_path: Path) -> None:
    """One class only, classes of one image, two images in all."""
    for number, counts in enumerate(({"a": 5}, {"a": 1, "b": 1}, {"a": 1, "b": 3, "c": 1}, {"a": 1})):
        folder = write_classes(tmp_path / str(number), counts)
        assert refusal(DataError, folder)
        prepared, _ = prepare_table(folder, epochs=0)
        assert len(prepared.train) == sum(counts.values())
        assert prepared.held_out is None
        assert prepared.train.files.classes == tuple(counts)


def test_nothing_is_held_out_of_images_without_classes(tmp_path: Path) -> None:
    """A share that is asked for is refused; a folder of classes validates, and copies are left out of it."""
    names = write_pngs(tmp_path, 8)
    table = write_csv(tmp_path / "t.csv", {"image": names})
    for share in (None, "none"):
        assert prepare_table(table, epochs=0, validation=share)[0].held_out is None
    for share in ("classes:0.5", "images:0.5"):
        assert refusal(UsageError, table, epochs=0, validation=share) == (
            f"validation of images without classes: expected none, or another table or folder, got {share} "
            "(--validation)"
        )
    folder = write_classes(tmp_path / "apart", {"a": 3, "b": 3})
    (folder / "a" / "copy.png").write_bytes((tmp_path / names[0]).read_bytes())
    prepared, warnings = prepare_table(table, epochs=0, validation=str(folder))
    assert prepared.held_out is not None
    assert prepared.held_out.files.classes == ("a", "b")
    assert len(prepared.held_out) == 6
    assert "1 held-out images are copies of training images and were left out" in warnings


def test_turned_classes_need_classes(tmp_path: Path) -> None:
    """As they do of a table of tuples."""
    table = write_csv(tmp_path / "t.csv", {"image": write_pngs(tmp_path, 4)})
    message = refusal(UsageError, table, epochs=0, augment={"turns": True})
    assert "augment.turns: expected images with classes" in message
    assert "got images without classes" in message


def test_tuples_are_taken_without_training(tmp_path: Path) -> None:
    """With their held-out share, as ever."""
    write_pngs(tmp_path, 24)
    table = write_triplets(tmp_path, [(3 * row, 3 * row + 1, 3 * row + 2) for row in range(8)])
    prepared, _ = prepare_table(table, epochs=0)
    assert prepared.tuples is not None
    assert prepared.held_out_tuples is not None


def test_random_weights_are_told_where_they_stay(tmp_path: Path) -> None:
    """A seeded random network is a baseline, and not what most people want."""
    folder = write_classes(tmp_path, {"a": 2, "b": 2})
    _, warnings = prepare_table(folder, epochs=0)
    assert any("the weights of conv4 are random and are not trained" in line for line in warnings)
    assert not any("random" in line for line in prepare_table(folder)[1])
