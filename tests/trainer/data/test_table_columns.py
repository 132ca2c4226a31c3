"""Columns of training tables by role, and the words in which others are refused."""

from pathlib import Path

from artifact.errors import DataError, UsageError
from rows.formats import opening as formats
from tests.shared.table_writers import prepare_table, refusal, write_csv, write_parquet, write_pngs


def test_columns_are_named_by_role(tmp_path: Path) -> None:
    """Other names, and `same` turned round; a copy of a file counts as the same image."""
    names = write_pngs(tmp_path, 6)
    (tmp_path / "copy.png").write_bytes((tmp_path / names[0]).read_bytes())
    columns = {"a": [*names[:3], "copy.png"], "b": [*names[3:], names[4]], "equal": ["yes", "No", "TRUE", "0"]}
    table = write_csv(tmp_path / "t.csv", columns)
    prepared, _ = prepare_table(table, "siamese", columns={"left": "a", "right": "b", "same": "equal"})
    both = [prepared.tuples, prepared.held_out_tuples]
    assert prepared.num_images == 6
    different = {
        int(row): bool(flag)
        for tuples in both
        if tuples is not None and tuples.different is not None
        for row, flag in zip(tuples.rows, tuples.different, strict=True)
    }
    assert different == {0: False, 1: True, 2: False, 3: True}


def test_columns_that_make_no_sense_are_refused_in_one_line(tmp_path: Path) -> None:
    """A role that is none, a column that is not there, two shapes, no shape, an ambiguous target."""
    names = write_pngs(tmp_path, 4)
    both = {"image": names, "label": "aabb", "left": names, "right": names[::-1]}
    table = write_csv(tmp_path / "t.csv", both | {"different": "0101"})
    plain = write_csv(tmp_path / "plain.csv", {"photo": names, "kind": "aabb"})
    pairs = write_csv(tmp_path / "pairs.csv", {"left": names, "right": names[::-1], "label": "0101"})
    (tmp_path / "folder" / "cat").mkdir(parents=True)
    roles = "image, label, left, right, different, same"
    cases: list[tuple[type[Exception], Path, dict[str, str], str]] = [
        (
            UsageError,
            table,
            {"anchor": "left"},
            f'role "anchor" of a column: expected one of {roles}, got anchor=left (--columns); write --columns'
            " ROLE=COLUMN",
        ),
        (
            UsageError,
            table,
            {"left": "left", "right": "left"},
            'column "left": expected one role, got left and right (--columns)',
        ),
        (
            UsageError,
            table,
            {"image": "image", "left": "left"},
            "columns of a table: expected image and label, or left, right and different (or same), got image and left"
            " (--columns)",
        ),
        (
            UsageError,
            table,
            {"same": "label", "different": "different"},
            "target of pairs: expected different or same, got both (--columns)",
        ),
        (
            UsageError,
            tmp_path / "folder",
            {"image": "photo"},
            "columns of an image folder: expected none, its folders are the classes, got image=photo (--columns)",
        ),
        (
            DataError,
            table,
            {"label": "labels"},
            'column "labels": expected one of image, label, left, right, different, got no such column (t.csv); name'
            " the right one with --columns label=...",
        ),
        (
            DataError,
            table,
            {},
            "table of images: expected image and label, or left, right and different (or same), got both: image, label,"
            " left, right, different (t.csv); say which with --columns image=image or --columns left=left",
        ),
        (
            DataError,
            plain,
            {},
            "table for a siamese model: expected columns image and label, or left, right and different (or same), got"
            " photo, kind (plain.csv); name them with --columns ROLE=COLUMN",
        ),
        (
            DataError,
            pairs,
            {},
            "target of siamese pairs: expected a column different (1 = different) or same (1 = same), got label, which"
            " some read as 1 = same and others as 1 = different (pairs.csv); say which: name it with --columns"
            " different=COLUMN or same=COLUMN",
        ),
        (
            DataError,
            write_csv(tmp_path / "none.csv", {"left": names, "right": names}),
            {},
            "target of siamese pairs: expected a column different (1 = different) or same (1 = same), got none among"
            " left, right (none.csv); name it with --columns different=COLUMN or same=COLUMN",
        ),
        (
            DataError,
            write_csv(tmp_path / "maybe.csv", {"left": names, "right": names[::-1], "same": ["1", "", "x", "2"]}),
            {},
            "column \"same\", line 4: expected 1 (same) or 0, got 'x' (maybe.csv)",
        ),
        (
            DataError,
            write_parquet(tmp_path / "wrong.parquet", {"image": [1, 2], "label": ["a", "b"]}),
            {},
            'image column "image": expected string paths, binary, {bytes, path} or uint8 [h, w, 3], got int64 '
            "(wrong.parquet); name the right column with --columns image=...",
        ),
        (
            DataError,
            write_parquet(tmp_path / "float.parquet", {"image": names, "label": [0.5, 1, 2, 3]}),
            {},
            'label column "label": expected strings or whole numbers, got 0.5 in row 0 (float.parquet); name the right'
            " column with --columns label=...",
        ),
        (
            DataError,
            write_csv(tmp_path / "holes.csv", {"image": names, "label": [""] * 4}),
            {},
            'label column "label": expected a class in some rows, got none (holes.csv)',
        ),
    ]
    for error, path, columns, message in cases:
        assert refusal(error, path, "siamese", columns=columns) == message
    # a column that is named says which of two shapes is meant
    assert prepare_table(table, "siamese", columns={"image": "image"})[0].tuples is None
    assert prepare_table(table, "siamese", columns={"left": "left"})[0].tuples is not None


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    """Other files, and tables that are not there."""
    suffixes = " ".join(formats.FORMATS)
    (tmp_path / "notes.md").write_text("a table")
    for name, got in (("notes.md", "another file"), ("gone.csv", "nothing there")):
        assert refusal(DataError, tmp_path / name) == (
            f"images: expected a folder with one folder of images per class, or a table ({suffixes}), got {got}"
            f" ({tmp_path / name})"
        )
    assert refusal(DataError, tmp_path / "gone") == (
        f"image folder: expected a folder with one folder of images per class, got nothing there ({tmp_path / 'gone'})"
    )
