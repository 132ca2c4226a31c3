"""Tuples whose cells are rows, ids or paths of a catalogue: the same training as from paths, and what is left out."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifact.errors import DataError, UsageError
from tests.shared.table_writers import prepare_table, refusal, write_csv, write_pngs
from trainer.data.catalogue import open_catalogue
from trainer.data.dataset import open_dataset
from trainer.data.texts import Texts
from trainer.data.tuple_table import TupleFiles
from trainer.loop.preparation import Prepared

ROWS = [(0, 3, 5), (7, 2, 1), (3, 4, 6), (9, 8, 0)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalogue of ten pictures, by path, id and name."""
    names = write_pngs(tmp_path, 10)
    ids = [f"sku-{number:03}" for number in range(10)]
    write_csv(tmp_path / "catalogue.csv", {"_name": names, "sku": ids, "code": [100 + number for number in range(10)]})
    return tmp_path


def _table(folder: Path, rows: Any, name: str = "t.csv", streams: Any = ("q", "p", "n")) -> Path:
    return write_csv(
        folder / name, dict(zip(streams, [list(column) for column in zip(*rows, strict=True)], strict=True))
    )


def _prepared(folder: Path, rows: Any = ROWS, **options: Any) -> tuple[Prepared, list[str]]:
    given = {"catalogue": folder / "catalogue.csv", "catalogue_path": "_name", "validation": "none"} | options
    return prepare_table(_table(folder, rows), **given)


def _named(prepared: Prepared) -> list[tuple[str, ...]]:
    assert prepared.tuples is not None
    names = prepared.train.files.names
    return [tuple(names[image] for image in row) for row in prepared.tuples.images.tolist()]


def test_rows_ids_and_paths_of_a_catalogue_are_the_same_tuples(folder: Path) -> None:
    """And the same as a table that names the pictures itself: tuples, pixels, split and hash of the data."""
    names = [f"images/{number:02}.png" for number in range(10)]
    direct, _ = prepare_table(
        _table(folder, [[names[cell] for cell in row] for row in ROWS], "d.csv"), validation="none"
    )
    ways: dict[str, tuple[Any, dict[str, str]]] = {
        "numbers": (lambda cell: cell, {}),
        "numbers as text": (lambda cell: f" {cell} ", {}),
        "paths": (lambda cell: names[cell], {}),
        "ids": (lambda cell: f"sku-{cell:03}", {"catalogue_id": "sku"}),
        "ids that are numbers": (lambda cell: 100 + cell, {"catalogue_id": "code"}),
    }
    for way, (cell_of, options) in ways.items():
        prepared, warnings = _prepared(folder, [[cell_of(cell) for cell in row] for row in ROWS], **options)
        assert warnings == [], way
        assert _named(prepared) == [tuple(names[cell] for cell in row) for row in ROWS] == _named(direct)
        assert prepared.data_sha256 == direct.data_sha256
        order = [list(direct.train.files.names).index(name) for name in prepared.train.files.names]
        every = np.arange(len(order))
        np.testing.assert_array_equal(prepared.train.pixels(every), direct.train.pixels(np.array(order)))


@pytest.mark.parametrize("streams", [("q", "p", "n"), ("query", "positive", "negative"), ("anchor", "p", "negative")])
def test_triplets_have_other_names_for_their_columns(folder: Path, streams: tuple[str, ...]) -> None:
    """Those of the paper, or ours, or some of both; a table of classes stays one."""
    table = _table(folder, ROWS, streams=streams)
    opened = open_dataset(table, kind="triplet", columns={}, catalogue=_catalogue(folder))
    assert isinstance(opened, TupleFiles)
    assert opened.streams == ("anchor", "positive", "negative")
    classes = write_csv(folder / "c.csv", {name: ["images/01.png"] for name in ("image", "label", "q", "p", "n")})
    assert not isinstance(open_dataset(classes, kind="triplet", columns={}), TupleFiles)


def test_cells_outside_the_catalogue_leave_their_rows_out_and_are_told(folder: Path) -> None:
    """Numbers too large and below 0, halves, empty cells; counted as left-out rows are."""
    rows = [*ROWS, (0, 10, 1), (-1, 2, 3), ("", 4, 5), (0.5, 1, 2), (1, 2, 7)]
    prepared, warnings = _prepared(folder, rows)
    assert warnings == [
        "4 rows that name an image which is not in the catalogue were left out: lines 6, 7, 8, 9 (p '10', q "
        "'-1', q None; it has 10 rows of catalogue.csv, from 0)"
    ]
    assert prepared.tuples is not None
    assert prepared.tuples.rows.tolist() == [0, 1, 2, 3, 8]
    assert prepared.told["left_out"] == {"rows": 4}
    prepared, warnings = _prepared(
        folder, [("sku-001", "sku-002", "sku-9"), ("sku-001", "sku-004", "sku-003")], catalogue_id="sku"
    )
    assert warnings == [
        "1 row that names an image which is not in the catalogue was left out: line 2 (n 'sku-9'; it has 10 ids in "
        '"sku" of catalogue.csv)'
    ]


@pytest.mark.parametrize(("kind", "odd"), [(pa.int64(), 2**53 + 1), (pa.uint64(), 2**64 - 1), (pa.float64(), np.nan)])
def test_numbers_of_any_size_are_rows_or_none(folder: Path, kind: pa.DataType, odd: Any) -> None:
    """Larger than a double tells apart, and no number."""
    columns = [pa.array([*column, odd], kind) for column in zip(*ROWS, strict=True)]
    pq.write_table(pa.table(columns, names=["q", "p", "n"]), folder / "odd.parquet")
    options = {"catalogue": folder / "catalogue.csv", "catalogue_path": "_name", "validation": "none"}
    prepared, warnings = prepare_table(folder / "odd.parquet", **options)
    assert len(warnings) == 1
    assert warnings[0].startswith("1 row that names an image which is not in the catalogue was left out: row 4 (")
    assert len(_named(prepared)) == 4


def test_pictures_that_are_written_into_cells_are_called_by_their_rows(folder: Path) -> None:
    """Base64 in JSON lines: the text of a picture is no name of it, and is not kept in memory."""
    pictures = [(folder / "images" / f"{number:02}.png").read_bytes() for number in range(10)]
    texts = [f"data:image/png;base64,{base64.b64encode(data).decode()}" for data in pictures]
    texts[5] = "data:image/png;base64,AAAA"
    (folder / "c.jsonl").write_text("".join(json.dumps({"image": text}) + "\n" for text in texts))
    prepared, warnings = _prepared(folder, catalogue=folder / "c.jsonl", catalogue_path=None)
    assert warnings[0].startswith("1 image was left out, and 1 of 4 tuples with them (line 2): row 5: ")
    assert _named(prepared) == [("row 7", "row 2", "row 1"), ("row 3", "row 4", "row 6"), ("row 9", "row 8", "row 0")]
    direct, _ = _prepared(folder, ROWS[1:])
    assert prepared.data_sha256 == direct.data_sha256


def test_pairs_keep_their_own_target_where_rows_before_them_are_left_out(folder: Path) -> None:
    """A cell outside the catalogue, an empty target and one that is neither 1 nor 0 take their own rows alone."""
    rows = [(0, 1, "1"), (99, 1, "0"), (2, 3, "0"), (4, 5, ""), (6, 7, "1"), (8, 9, "maybe"), (1, 9, "0")]
    table = _table(folder, rows, streams=("left", "right", "different"))
    opened = open_dataset(table, kind="siamese", columns={}, catalogue=_catalogue(folder))
    assert isinstance(opened, TupleFiles)
    assert opened.tuples.different is not None
    names = opened.files.names
    found = [
        (row, *(int(names[image][7:9]) for image in images), is_apart)
        for row, images, is_apart in zip(
            opened.tuples.rows.tolist(), opened.tuples.images.tolist(), opened.tuples.different.tolist(), strict=True
        )
    ]
    assert found == [(0, 0, 1, True), (2, 2, 3, False), (4, 6, 7, True), (6, 1, 9, False)]
    told = [notice.message for notice in opened.notices]
    assert [re.findall(r"lines? (\d+)", line)[-1] for line in told] == ["3", "5", "7"]


def test_a_picture_that_is_missing_takes_its_tuples_with_it(folder: Path) -> None:
    """Named by the catalogue's path, with the lines that are lost."""
    (folder / "images" / "05.png").unlink()
    prepared, warnings = _prepared(folder)
    assert len(warnings) == 1
    assert warnings[0].startswith("1 image was left out, and 1 of 4 tuples with them (line 2): images/05.png: ")
    assert len(_named(prepared)) == 3


def test_catalogue_of_parquet_holds_the_pictures_themselves(folder: Path) -> None:
    """Bytes in its cells, read one after the other; only those that are asked for."""
    data = [(folder / "images" / f"{number:02}.png").read_bytes() for number in range(9)]
    pq.write_table(pa.table({"image": pa.array([*data, None])}), folder / "bytes.parquet", row_group_size=3)
    prepared, warnings = _prepared(folder, ROWS[:3], catalogue=folder / "bytes.parquet", catalogue_path=None)
    assert warnings == []
    assert _named(prepared)[0] == ("row 0", "row 3", "row 5")
    direct, _ = _prepared(folder, ROWS[:3])
    assert prepared.data_sha256 == direct.data_sha256


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"catalogue": "no.csv"},
            "catalogue: expected a table (",
        ),
        (
            {"catalogue_path": "_nme"},
            'column "_nme" of the catalogue: expected one of _name, sku, code, got no such column, the nearest is '
            '"_name" (catalogue.csv); name the right one with --catalogue-path',
        ),
        (
            {"catalogue_path": None},
            'column "image" of the catalogue: expected one of _name, sku, code, got no such column (catalogue.csv); '
            "name the right one with --catalogue-path",
        ),
        (
            {"catalogue_id": "cod"},
            'column "cod" of the catalogue: expected one of _name, sku, code, got no such column, the nearest is '
            '"code" (catalogue.csv); name the right one with --catalogue-id',
        ),
        (
            {"catalogue_id": "sku"},
            'table of tuples: expected a row whose images are all in 10 ids in "sku" of catalogue.csv, got none, '
            "but q '0', q '7', q '3' (t.csv)",
        ),
    ],
)
def test_a_catalogue_that_cannot_serve_is_one_line(folder: Path, options: dict[str, Any], message: str) -> None:
    """Nothing there, the wrong column, or cells that are something else."""
    if "catalogue" in options:
        options = {"catalogue": folder / options["catalogue"]}
    with pytest.raises(DataError) as error:
        _prepared(folder, **options)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_an_id_that_comes_twice_is_refused(folder: Path) -> None:
    """Nobody can say which of the two pictures is meant."""
    write_csv(folder / "twice.csv", {"image": ["images/00.png", "images/01.png"], "id": ["a", "a"]})
    table = _table(folder, [("a", "a", "a")])
    options = {"catalogue": folder / "twice.csv", "catalogue_id": "id"}
    assert refusal(DataError, table, **options) == (
        "id column \"id\" of the catalogue: expected each id once, got 'a' in rows 0 and 1 (twice.csv)"
    )


def test_a_catalogue_of_what_has_no_tuples_is_refused(folder: Path) -> None:
    """A folder of classes, a table of classes, or columns of a catalogue that is not there."""
    classes = write_csv(folder / "c.csv", {"image": ["images/01.png"] * 2, "label": ["a", "b"]})
    catalogue = {"catalogue": folder / "catalogue.csv", "catalogue_path": "_name"}
    for images, got in ((classes, "c.csv, whose rows have classes"), (folder, f"the folder {folder}")):
        assert refusal(UsageError, images, **catalogue) == (
            f"what a catalogue is for: expected a table of tuples, got {got} (--catalogue); leave --catalogue away, or "
            "name a table of q, p and n"
        )
    with pytest.raises(UsageError) as error:
        open_dataset(
            classes, kind="triplet", columns={"image": "image"}, attributes=["label"], catalogue=_catalogue(folder)
        )
    assert str(error.value).startswith("what a catalogue is for: expected a table of tuples, got c.csv, whose rows ")
    assert refusal(UsageError, classes, catalogue_id="id") == (
        "--catalogue-id: expected --catalogue FILE beside it, got 'id'"
    )


def test_fifty_thousand_tuples_are_opened_at_once(folder: Path) -> None:
    """Numbers and paths give what a plain loop gives; indices take four bytes each."""
    count = 50_000
    random = np.random.default_rng(0)
    rows = random.integers(0, count, (count, 3))
    rows[17] = count
    large, table = folder / "large.parquet", folder / "numbers.parquet"
    pq.write_table(pa.table({"image": [f"pictures/{number}.jpg" for number in range(count)]}), large)
    pq.write_table(pa.table(dict(zip("qpn", rows.T, strict=True))), table)
    catalogue = open_catalogue(large, column=None, id_column=None, max_image_bytes=1)
    opened = open_dataset(table, kind="triplet", columns={}, catalogue=catalogue)
    assert isinstance(opened, TupleFiles)
    is_in = (rows < count).all(axis=1)
    used = np.unique(rows[is_in])
    assert opened.tuples.images.dtype == np.int32
    assert opened.tuples.rows.tolist() == np.flatnonzero(is_in).tolist()
    np.testing.assert_array_equal(used[opened.tuples.images], rows[is_in])
    assert opened.files.names == [f"pictures/{number}.jpg" for number in used]
    wanted = list(opened.files.images)
    assert len(wanted) == len(used)
    assert wanted[-1].path == folder / f"pictures/{used[-1]}.jpg"

    paths = _table(folder, [[f"pictures/{cell}.jpg" for cell in row] for row in rows[:5000].tolist()], "paths.csv")
    opened = open_dataset(paths, kind="triplet", columns={})
    assert isinstance(opened, TupleFiles)
    numbers: dict[int, int] = {}
    expected = [[numbers.setdefault(cell, len(numbers)) for cell in row] for row in rows[:5000].tolist()]
    assert opened.tuples.images.tolist() == expected
    assert opened.files.names == [f"pictures/{cell}.jpg" for cell in numbers]
    assert [ref.path for ref in opened.files.images] == [folder / f"pictures/{cell}.jpg" for cell in numbers]


def test_texts_are_a_sequence_of_them() -> None:
    """As a tuple is, to whoever reads it."""
    words = [f"größe {number}" for number in range(10)]
    texts = Texts(words)
    assert texts == words
    assert texts == Texts(words)
    assert texts != words[:9]
    assert (texts[3], texts[-1], len(texts), list(texts[2:4])) == (words[3], words[-1], 10, words[2:4])
    assert texts.take(np.array([5, 1])) == [words[5], words[1]]
    with pytest.raises(IndexError):
        texts[10]


def _catalogue(folder: Path) -> Any:
    return open_catalogue(folder / "catalogue.csv", column="_name", id_column=None, max_image_bytes=1)


def test_paths_of_a_catalogue_may_be_built_of_its_columns(folder: Path) -> None:
    """As `lookalike triplets --numbers` names them where it was told so."""
    write_csv(folder / "built.csv", {"number": [f"{number:02}" for number in range(10)]})
    triplets = write_csv(
        folder / "t.csv", {name: list(rows) for name, rows in zip("qpn", zip(*ROWS, strict=True), strict=True)}
    )
    options = {"catalogue": folder / "built.csv", "catalogue_path": "images/{number}.png", "validation": "none"}
    prepared, warnings = prepare_table(triplets, **options)
    assert (warnings, len(_named(prepared))) == ([], len(ROWS))
