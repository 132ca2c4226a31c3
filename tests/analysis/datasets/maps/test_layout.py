"""Layouts as files: read back as they were, and other files refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from analysis.datasets.maps.laying_out import lay_out
from analysis.datasets.maps.layout import METADATA_KEY, Layout, fingerprint
from artifact.errors import DataError
from rows.vectors.lineage import Lineage
from rows.vectors.parts import write_part
from rows.vectors.table import VectorTable

LINEAGE = Lineage(artifact="a", version=1, digest="d", space="s", distance="euclidean", normalized=False)


def _layout() -> Layout:
    vectors = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    columns = {"id": [f"é{row}" for row in range(20)], "label": list("ab") * 10}
    return lay_out(VectorTable.from_arrays(vectors, columns, lineage=LINEAGE))


def test_a_layout_is_read_back_as_it_was(tmp_path: Path) -> None:
    """Every field, to the last bit, with columns and lineage; and written again it has the same bytes."""
    made = _layout()
    made.save(tmp_path / "map.parquet")
    read = Layout.open(tmp_path / "map.parquet")
    assert (read.places == made.places).all()
    assert read.rows.equals(made.rows)
    assert read.facts() == made.facts()
    assert read.lineage == LINEAGE
    assert read.axes is not None
    assert made.axes is not None
    for name in ("mean", "directions", "variance", "num_rows"):
        assert np.array_equal(getattr(read.axes, name), getattr(made.axes, name))
    read.save(tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "map.parquet").read_bytes()


def test_a_layout_opens_as_a_plain_table(tmp_path: Path) -> None:
    """Columns id, those of the table, x, y, placed."""
    from pyarrow import parquet

    _layout().save(tmp_path / "map.parquet")
    table = parquet.read_table(tmp_path / "map.parquet")
    assert table.schema.names == ["id", "label", "x", "y", "placed"]
    assert [str(table.schema.field(name).type) for name in ("x", "y", "placed")] == ["float", "float", "bool"]


def test_other_files_are_no_layouts(tmp_path: Path) -> None:
    """Nothing there, no Parquet, a Parquet of something else, facts that are cut off: one line each."""
    with pytest.raises(DataError, match="layout: expected a Parquet file"):
        Layout.open(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("x")
    with pytest.raises(DataError, match="expected a Parquet file"):
        Layout.open(tmp_path / "text.parquet")
    write_part(tmp_path / "other.parquet", pa.table({"id": ["a"]}))
    with pytest.raises(DataError, match="layout: expected what `lookalike map` wrote"):
        Layout.open(tmp_path / "other.parquet")
    table = _layout().to_table()
    for facts in (b"{", b"{}", b'{"axes": null, "vectors": null, "format": 1}'):
        with pytest.raises(DataError, match="layout: expected facts of how it was made"):
            Layout.of(table.replace_schema_metadata({METADATA_KEY: facts}))


def test_a_fingerprint_is_of_the_numbers_in_order() -> None:
    """However the table is stored; another order is another."""
    vectors = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    assert fingerprint(VectorTable.from_arrays(vectors)) == fingerprint(VectorTable.from_arrays(vectors.copy()))
    assert fingerprint(VectorTable.from_arrays(vectors)) != fingerprint(VectorTable.from_arrays(vectors[::-1]))
