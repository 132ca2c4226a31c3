"""Tables of images with attributes: columns found, rows left out, splits by content and by combination."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact.errors import DataError, UsageError
from tests.shared.attribute_run import ATTRIBUTES, write_squares
from trainer.config.config import make_config
from trainer.data.attribute_table import encode_rows
from trainer.data.split import split_combinations, split_contents
from trainer.loop.preparation import Prepared, prepare

EVENTS: list[dict[str, Any]] = []


def prepared(table: Path, **changes: Any) -> Prepared:
    """A run that is ready to be trained."""
    EVENTS.clear()
    values = {"images": table, "kind": "triplet", "columns": {"image": "file"}, "attributes": list(ATTRIBUTES)}
    values |= {"size": 16, "dim": 8, "epochs": 1}
    return prepare(make_config(values | changes), report=lambda event: EVENTS.append(dict(event)))


def rewrite(table: Path, change: Any) -> None:
    """Write a table anew with its rows changed: a function of the list of dicts."""
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    change(rows)
    with table.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_table_gives_images_without_classes_and_their_rows(tmp_path: Path) -> None:
    """Means and scales are of the rows that are trained on; the image column is found by its name, too."""
    table = write_squares(tmp_path / "s", count=40)
    found = prepared(table, validation="images:0.25")
    assert found.rows is not None
    assert found.attributes is not None
    assert (len(found.train), found.rows.train.shape) == (30, (30, 6))
    assert found.held_out is not None
    assert found.rows.held_out is not None
    assert (len(found.held_out), found.rows.held_out.shape) == (10, (10, 6))
    assert found.train.files.classes == ()
    np.testing.assert_allclose(found.rows.train[:, 4].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(found.rows.train[:, 4].std(), 1, rtol=1e-5)
    rewrite(table, lambda rows: [row.update(filename=row["file"]) for row in rows])
    assert len(prepared(table, columns={}).train) == 36


def test_rows_stay_with_their_images(tmp_path: Path) -> None:
    """An image that cannot be read and a row of which nothing is known take nobody else's attributes along."""
    table = write_squares(tmp_path / "s", count=30)
    (tmp_path / "s" / "004.png").write_bytes(b"no picture")

    def change(rows: list[dict[str, str]]) -> None:
        rows[7] |= dict.fromkeys(ATTRIBUTES, "")

    rewrite(table, change)
    found = prepared(table, validation="none")
    with table.open(newline="") as stream:
        rows = {row["file"]: row for row in csv.DictReader(stream)}
    assert len(found.train) == 28
    assert found.rows is not None
    assert found.attributes is not None
    for name, encoded in zip(found.train.files.names, found.rows.train, strict=True):
        cells = {key: [rows[name][key]] for key in ATTRIBUTES}
        np.testing.assert_array_equal(found.attributes.encode(cells, 1)[0][0], encoded)
    messages = " ".join(event.get("message", "") for event in EVENTS)
    assert "1 row without any attribute was left out: line 9" in messages
    assert "1 image was left out" in messages


def test_repeated_rows_are_one_and_copies_stay_on_one_side(tmp_path: Path) -> None:
    """The same image of the same attributes is one row; of others it stays another."""
    table = write_squares(tmp_path / "s", count=20)

    def change(rows: list[dict[str, str]]) -> None:
        for number in range(5):
            shutil.copy(tmp_path / "s" / f"{number:03}.png", tmp_path / "s" / f"copy{number}.png")
            rows.append(rows[number] | {"file": f"copy{number}.png"})
        rows.append(rows[0] | {"size": "9"})

    rewrite(table, change)
    assert len(prepared(table, validation="none").train) == 21
    found = prepared(table, validation="images:0.5")
    assert found.held_out is not None
    assert not set(found.train.hashes) & set(found.held_out.hashes)


def test_combinations_of_held_out_images_are_never_trained_on(tmp_path: Path) -> None:
    """Whole combinations, numbers that are nearly the same counting as one."""
    found = prepared(write_squares(tmp_path / "s", count=120), validation="combinations:0.3")
    assert found.rows is not None
    assert found.rows.held_out is not None
    assert 15 < len(found.rows.held_out) < 60
    every = np.concatenate([found.rows.train, found.rows.held_out])
    sizes = np.round((every[:, 4] - every[:, 4].mean()) / every[:, 4].std())
    whole = [(*row[:4], size) for row, size in zip(every.tolist(), sizes.tolist(), strict=True)]
    assert not set(whole[: len(found.rows.train)]) & set(whole[len(found.rows.train) :])
    assert found.config.validation == "combinations:0.3"


def test_split_by_contents_and_combinations_follow_from_content_and_seed() -> None:
    """Whatever the order of the rows; an image that shows combinations of both sides is held out on neither."""
    hashes = [f"h{number % 20}" for number in range(40)]
    train, held = split_contents(hashes, 0.25, seed=1)
    assert len(held) == 10
    assert {hashes[row] for row in train}.isdisjoint(hashes[row] for row in held)
    back = split_contents(hashes[::-1], 0.25, seed=1)[1]
    assert {hashes[row] for row in held} == {hashes[::-1][row] for row in back}
    assert len(split_contents(["a", "b"], 0.01, seed=0)[1]) == 1
    texts = [f"c{number % 5}" for number in range(20)]
    train, held = split_combinations(texts, [f"h{number}" for number in range(20)], 0.4, seed=0)
    assert len(held) == 8
    assert {texts[row] for row in train}.isdisjoint(texts[row] for row in held)
    assert not len(split_combinations(texts, ["same"] * 20, 0.4, seed=0)[1])


def test_validation_table_of_other_values_leaves_those_rows_out(tmp_path: Path) -> None:
    """And tells which; a table of nothing but such is refused."""
    table = write_squares(tmp_path / "s", count=30)
    other = write_squares(tmp_path / "o", count=12, seed=1)
    rewrite(other, lambda rows: rows[3].update(color="mauve"))
    (other.parent / "000.png").write_bytes(b"none")
    found = prepared(table, validation=str(other))
    assert found.held_out is not None
    assert len(found.held_out) == 10
    assert any("003.png: attribute 'color': expected" in event.get("message", "") for event in EVENTS)
    rewrite(other, lambda rows: [row.update(color="mauve") for row in rows])
    with pytest.raises(DataError, match=r"expected attributes of the training table.*\(other\.csv\)$"):
        prepared(table, validation=str(other.rename(other.with_name("other.csv"))))


def test_categories_of_held_out_rows_alone_are_known(tmp_path: Path) -> None:
    """Of one table all rows say what a column is."""
    train, held = {"c": ["a", "b", "a"]}, {"c": ["z", "a"]}
    rows, kept, notices = encode_rows(
        train, held, where=tmp_path / "t.csv", held_out_where=None, held_out_names=["y.png", "z.png"]
    )
    assert (rows.attributes.attributes[0].categories, kept, notices) == (("a", "b", "z"), None, [])
    assert rows.held_out is not None
    assert rows.held_out.tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"attributes": ["color", "sise"]},
            'column "sise": expected one of file, color, framed, size, got no such column',
        ),
        ({"attributes": ["file"]}, "attribute 'file': expected another column than that of the images, got the same"),
        ({"attributes": ["id"]}, "attribute 'id': expected a column that names no rows, got the ids"),
        ({"columns": {"image": "picture"}}, 'column "picture": expected one of file'),
        ({"columns": {"image": "color"}}, "attribute 'color': expected another column than that of the images"),
    ],
)
def test_columns_that_are_not_there_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """In one line, before an image is read where that is possible."""
    with pytest.raises(DataError, match=re.escape(message)):
        prepared(write_squares(tmp_path / "s", count=8), **changes)


def test_a_constant_attribute_and_a_folder_are_refused(tmp_path: Path) -> None:
    """With what to do about it."""
    table = write_squares(tmp_path / "s", count=10)
    rewrite(table, lambda rows: [row.update(framed="1") for row in rows])
    with pytest.raises(DataError) as caught:
        prepared(table)
    assert str(caught.value) == (
        "attribute column 'framed': expected two values or more, got '1' in every row (table.csv); "
        "leave it out, it tells no row from another"
    )
    with pytest.raises(DataError, match="images with attributes: expected a table with a column of each, got a folder"):
        prepared(tmp_path / "s", columns={})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"regions": {"by": "crop"}}, "images with attributes: expected whole images, each with its row of attributes"),
        ({"kind": "quartet"}, "kind of a model with attributes: expected triplet or siamese"),
        ({"epochs": 0}, "epochs with attributes: expected 1 or more, for their tower is trained, got 0"),
        ({"head": "pca"}, "head of a model with attributes: expected trained: another layer would leave"),
        ({"mining": "hard"}, "mining with attributes: expected none, got hard .*--negatives mined"),
        ({"columns": {"image": "file", "label": "color"}}, "expected image alone, the others with --attributes"),
        ({"validation": "classes:0.2"}, "validation of attributes: expected images:SHARE, combinations:SHARE"),
        ({"negatives": "other:2"}, "expected other, mined or flipped:K with K of 1..3 attributes, got 'other:2'"),
        ({"negatives": "flipped:4"}, "K of 1..3 attributes, got 'flipped:4'"),
        ({"negatives": "flip"}, "did you mean flipped"),
        ({"flipped_share": 0.5}, "--flipped-share: expected --negatives flipped:K, got --negatives other"),
        ({"negatives": "mined"}, "negatives mined: expected a loss of tuples, got softmax"),
        ({"negatives": "mined", "loss": "softmax", "margin": 0.2}, "negatives mined: expected a loss of tuples"),
        (
            {"loss": "softmax", "margin": 0.2},
            "margin of the loss softmax: expected none, for it has no margin, got 0.2",
        ),
        ({"catalogue": "t.csv"}, "what a catalogue is for: expected a table of tuples, got images with attributes"),
        ({"kind": "siamese", "loss": "softmax"}, "loss of a siamese model"),
        ({"attributes": ["color", "embedding"]}, "attribute: expected another name than that of the vectors in scored"),
        ({"attributes": ["color", "color"]}, "attributes: expected names of columns, each once"),
        ({"attributes": [], "negatives": "other"}, "--negatives: expected --attributes beside it, got other"),
        ({"attributes": [], "loss": "softmax"}, "loss softmax: expected two towers, got images alone"),
        ({"attributes": [], "validation": "combinations:0.2"}, "expected --attributes beside it"),
        ({"augment": {"mirrors": True}}, "augment.mirrors"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """Before an image is read, in one line."""
    with pytest.raises(UsageError, match=message):
        prepared(write_squares(tmp_path / "s", count=8), **changes)


def test_a_table_is_read_once_for_all_of_its_attributes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And once for the names of its images: each reading of a large table is minutes."""
    from rows.formats.delimited import DelimitedSource

    readings: list[list[str]] = []
    chunks = DelimitedSource.chunks

    def noted(self: Any, columns: Any, **options: Any) -> Any:
        readings.append(list(columns))
        return chunks(self, columns, **options)

    monkeypatch.setattr(DelimitedSource, "chunks", noted)
    prepared(write_squares(tmp_path / "s", count=30))
    assert sum(bool(set(ATTRIBUTES) & set(columns)) for columns in readings) == 1


def test_two_rows_are_trained_on_rather_than_one_of_them_held_out(tmp_path: Path) -> None:
    """One row has no other to be told from, and no batch to normalise."""
    table = write_squares(tmp_path / "s", count=2)
    rewrite(table, lambda rows: [row.update(color=color) for row, color in zip(rows, ("red", "blue"), strict=True)])
    found = prepared(table, attributes=["color"], epochs=2)
    assert (len(found.train), found.held_out) == (2, None)
    assert any("nothing was held out" in event.get("message", "") for event in EVENTS)
