"""Tables of attributes: their columns found or refused, their rows encoded, bad ones named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from artifact.errors import DataError, UsageError
from rows.attribute_rows import NO_VALUE, stacked
from rows.attribute_tables import AttributeTable, open_attribute_table
from tests.shared.tiny_attribute_tower import TINY_ATTRIBUTES, linear_rows
from tests.shared.two_tower_models import drawn_columns, vectors_of, write_csv

COLUMNS = drawn_columns(30)


def read(table: AttributeTable, rows_per_batch: int = 7) -> tuple[list[str], np.ndarray, list[str | None]]:
    """Ids, encoded rows and faults of all rows."""
    batches = list(table.batches(rows_per_batch))
    rows = [row for batch in batches for row in batch.attributes]
    return [name for batch in batches for name in batch.ids], stacked(rows), [row.fault for row in rows]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "arrow"])
def test_table_of_any_format_gives_the_encoded_rows(tmp_path: Path, suffix: str) -> None:
    """The same rows from each format; missing cells are missing values; the attributes are copied."""
    file = tmp_path / f"t.{suffix}"
    ids = [f"r{row}" for row in range(30)]
    table = pa.table({"id": ids, **COLUMNS, "price": list(range(30))})
    if suffix == "csv":
        write_csv(file, COLUMNS, id=ids, price=list(range(30)))
    elif suffix == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    elif suffix == "parquet":
        parquet.write_table(table, file)
    else:
        feather.write_feather(table, str(file))
    opened = open_attribute_table(file, TINY_ATTRIBUTES, copy=["price"])
    names, rows, faults = read(opened)
    assert names == ids
    np.testing.assert_allclose(linear_rows(rows), vectors_of(COLUMNS), atol=1e-5)
    assert set(faults) == {None}
    assert opened.copied_schema.names == ["id", "color", "striped", "size", "price"]
    assert opened.notes == []


def test_row_with_a_wrong_value_or_none_is_bad(tmp_path: Path) -> None:
    """Each with its reason; 3, which is the mean of size, is a value."""
    columns = {"color": ["rad", None, None, "red"], "striped": [1, None, None, 0], "size": ["3", None, 3, "big"]}
    _, rows, faults = read(open_attribute_table(write_csv(tmp_path / "t.csv", columns), TINY_ATTRIBUTES))
    assert faults[0] == "attribute 'color': expected one of blue, green, red, got 'rad'; did you mean red?"
    assert faults[1:] == [NO_VALUE, None, "attribute 'size': expected a number, got 'big'"]
    assert rows[2].tolist() == [0, 0, 0, 0, 0, 1]


def test_columns_of_other_names_are_named(tmp_path: Path) -> None:
    """The output has the attributes' names, the job what they were called."""
    file = write_csv(tmp_path / "t.csv", {"Farbe": ["red", "blue"], "Größe": [1, 2]})
    opened = open_attribute_table(file, TINY_ATTRIBUTES, columns={"color": "Farbe", "size": "Größe"})
    assert opened.streams == {"attributes": "color=Farbe, size=Größe"}
    assert opened.notes == ["no column for striped: missing in all rows"]
    (batch,) = opened.batches(10)
    assert batch.copied.to_pydict() == {"id": [0, 1], "color": ["red", "blue"], "size": ["1", "2"]}
    assert batch.given == {"attributes": batch.attributes}


def test_columns_that_do_not_fit_are_refused_in_one_line(tmp_path: Path) -> None:
    """A name that is nearly an attribute's, a mapping of no attribute, to no column or twice, and no attribute."""
    near = write_csv(tmp_path / "near.csv", {"colour": ["red"], "size": [1]})
    with pytest.raises(
        DataError, match=r"attribute 'color': expected a column .*, the nearest is \"colour\".*--columns"
    ):
        open_attribute_table(near, TINY_ATTRIBUTES)
    assert open_attribute_table(near, TINY_ATTRIBUTES, columns={"color": "colour"}).found["color"] == "colour"
    apart = write_csv(tmp_path / "apart.csv", {"side": [1], "color": ["red"]})
    assert list(open_attribute_table(apart, TINY_ATTRIBUTES).found) == ["color"]
    with pytest.raises(UsageError, match=r"attribute: expected one of color, striped, size, got 'colur'; did you mean"):
        open_attribute_table(apart, TINY_ATTRIBUTES, columns={"colur": "color"})
    with pytest.raises(DataError, match=r"attribute 'size': expected a column \"sid\".*the nearest is \"side\""):
        open_attribute_table(apart, TINY_ATTRIBUTES, columns={"size": "sid"})
    with pytest.raises(UsageError, match='column "color": expected one attribute, got several'):
        open_attribute_table(apart, TINY_ATTRIBUTES, columns={"size": "color"})
    with pytest.raises(DataError, match="table of attributes: expected columns of color, striped, size, got path"):
        open_attribute_table(write_csv(tmp_path / "other.csv", {"path": ["a.png"]}), TINY_ATTRIBUTES)


def test_rows_may_be_read_from_any_row_on(tmp_path: Path) -> None:
    """What a job that goes on does."""
    opened = open_attribute_table(write_csv(tmp_path / "t.csv", COLUMNS), TINY_ATTRIBUTES)
    whole = [row for batch in opened.batches(30) for row in batch.attributes]
    assert [row for batch in opened.batches(4, 11) for row in batch.attributes] == whole[11:]
    assert opened.fingerprint == open_attribute_table(tmp_path / "t.csv", TINY_ATTRIBUTES).fingerprint
