"""Tables of vectors and their lineage: written whole or not at all, read back equal, never mixed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError, OutputError, SpaceError
from rows.vectors.lineage import Lineage, require_same_space
from rows.vectors.parts import write_part
from rows.vectors.schema import vector_array, vector_schema
from rows.vectors.table import VectorTable

LINEAGE = Lineage(
    artifact="shoes", version=3, digest="d" * 64, space="s" * 64, distance="cosine", normalized=False, kind="siamese"
)
COPIED = pa.schema({"id": pa.string(), "label": pa.string()})


def numbers(num_rows: int, dim: int = 3, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(num_rows, dim)).astype(np.float32)


def part(matrix: Any, first: int = 0, lineage: Lineage | None = LINEAGE) -> pa.Table:
    ids = [f"r{first + i}" for i in range(len(matrix))]
    schema = vector_schema(COPIED, {"embedding": matrix.shape[1]}, lineage=lineage)
    return pa.table([ids, ["x"] * len(ids), vector_array(matrix)], schema=schema)


def scored(folder: Path, *, state: str = "complete", rows_per_part: int = 4) -> Any:
    matrix = numbers(10)
    for number, first in enumerate(range(0, 10, rows_per_part)):
        write_part(folder / f"part-{number:05d}.parquet", part(matrix[first : first + rows_per_part], first))
    (folder / "manifest.json").write_text(json.dumps({"state": state}))
    return matrix


def error_text(kind: type[Exception], *arguments: Any, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        _ = VectorTable.open(*arguments, **options).matrix
    return str(caught.value)


def test_folder_of_parts_reads_back_equal_and_in_order(tmp_path: Path) -> None:
    """Matrix, ids, other columns and lineage; hidden half-written parts are not seen."""
    matrix = scored(tmp_path)
    (tmp_path / ".part-00009.parquet.1.tmp").write_bytes(b"half")
    parquet.write_table(pa.table({"id": ["e"]}), tmp_path / "errors.parquet")
    table = VectorTable.open(tmp_path)
    np.testing.assert_array_equal(table.matrix, matrix)
    assert table.matrix.dtype == np.float32
    assert table.ids == [f"r{i}" for i in range(10)]
    assert table.column("label").to_pylist() == ["x"] * 10
    assert (table.columns, table.num_rows, table.dim) == (["id", "label", "embedding"], 10, 3)
    assert table.lineage == LINEAGE
    assert table.copied().schema.names == ["id", "label"]
    assert Lineage.from_metadata(table.copied().schema.metadata) == LINEAGE


def test_one_file_reads_as_the_folder_does(tmp_path: Path) -> None:
    """A single part opened by itself, with several row groups."""
    matrix = numbers(11, 5)
    parquet.write_table(part(matrix), tmp_path / "all.parquet", row_group_size=3)
    np.testing.assert_array_equal(VectorTable.open(tmp_path / "all.parquet").matrix, matrix)


def test_another_vector_column_by_name(tmp_path: Path) -> None:
    """A full artifact writes one column a stream, and scalars."""
    dims = {"embedding_anchor": 2, "embedding_positive": 2}
    schema = vector_schema(COPIED, dims, scalars={"distance_anchor_positive": pa.float32(), "same": pa.bool_()})
    a, b = numbers(2, 2, 1), numbers(2, 2, 2)
    values = [["p", "q"], ["x", "y"], vector_array(a), vector_array(b), [0.5, 2.0], [True, False]]
    write_part(tmp_path / "part-0.parquet", pa.table(values, schema=schema))
    np.testing.assert_array_equal(VectorTable.open(tmp_path, "embedding_positive").matrix, b)
    table = VectorTable.open(tmp_path, column="embedding_anchor")
    np.testing.assert_array_equal(table.matrix, a)
    assert table.lineage is None
    assert table.copied().schema.names == ["id", "label", "distance_anchor_positive", "same"]


def test_tables_in_memory_share_their_memory() -> None:
    """from_arrays to matrix is without a copy, and read-only, so nobody's vectors change under them."""
    matrix = numbers(4)
    table = VectorTable.from_arrays(matrix, {"id": [7, 8, 9, 10]}, lineage=LINEAGE)
    assert np.shares_memory(table.matrix, matrix)
    assert not table.matrix.flags.writeable
    assert matrix.flags.writeable
    assert table.ids == ["7", "8", "9", "10"]
    assert table.lineage == LINEAGE


def test_slices_and_half_floats_are_read_right() -> None:
    """A sliced Arrow array has an offset into its values; other float types are widened."""
    whole = pa.table({"embedding": vector_array(numbers(6))})
    table = VectorTable(whole.slice(2, 3), source="slice")
    np.testing.assert_array_equal(table.matrix, numbers(6)[2:5])
    assert table.ids == ["0", "1", "2"]
    half = pa.FixedSizeListArray.from_arrays(pa.array(np.float16([1, 2, 3, 4])), 2)
    found = VectorTable(pa.table({"embedding": half}), source="half").matrix
    np.testing.assert_array_equal(found, np.float32([[1, 2], [3, 4]]))


def test_a_row_without_a_vector_is_refused() -> None:
    """A null list, and a null inside a list."""
    for values, text in (
        ([[1.0, 2.0], None], "a vector in every row, got null in row 1"),
        ([[1.0, 2.0], [None, 1.0]], "numbers alone, got a null among those in row 1"),
    ):
        table = VectorTable(pa.table({"embedding": pa.array(values, pa.list_(pa.float32(), 2))}), source="t")
        with pytest.raises(DataError) as caught:
            _ = table.matrix
        assert str(caught.value) == f'vector column "embedding": expected {text} (t)'


@pytest.mark.parametrize("state", ["running", "failed", None])
def test_unfinished_job_is_refused(state: str, tmp_path: Path) -> None:
    """The same command finishes it."""
    scored(tmp_path, state=state)
    assert error_text(DataError, tmp_path) == (
        f'scoring job: expected "state": "complete" in manifest.json, got "{state}" ({tmp_path}); '
        "finish it with the same command"
    )


def test_what_is_no_table_of_vectors_is_refused_in_one_line(tmp_path: Path) -> None:
    """Nothing there, no parts, no such column, no lists, not Parquet, other columns in a later part."""
    assert error_text(DataError, tmp_path / "gone") == (
        f"table of vectors: expected a folder or a file of vectors, got nothing there ({tmp_path / 'gone'})"
    )
    assert error_text(DataError, tmp_path) == f"folder of vectors: expected part-*.parquet, got none ({tmp_path})"
    write_part(tmp_path / "part-0.parquet", part(numbers(2)))
    assert error_text(DataError, tmp_path, "embedding_left") == (
        f'column "embedding_left": expected one of id, label, embedding, got no such column ({tmp_path}); '
        "name one with --column embedding"
    )
    assert error_text(DataError, tmp_path, "label") == (
        f"vector column \"label\": expected a JSON list of numbers in every row, such as [0.1, 0.2], got 'x' in row 0 "
        f"({tmp_path}); name one with --column embedding"
    )
    write_part(tmp_path / "part-1.parquet", part(numbers(2, 4)))
    assert error_text(DataError, tmp_path) == (
        f"part: expected the columns of the first part, got other columns ({tmp_path / 'part-1.parquet'})"
    )
    (tmp_path / "part-1.parquet").write_bytes(b"junk")
    assert error_text(DataError, tmp_path).startswith("table of vectors: expected a Parquet file, got ")


def test_parts_of_two_spaces_are_refused(tmp_path: Path) -> None:
    """Also when only one of them says where it comes from."""
    write_part(tmp_path / "part-0.parquet", part(numbers(2)))
    other = Lineage(artifact="hats", version=1, digest="e", space="t" * 64, distance="cosine", normalized=False)
    for lineage, shown in ((other, "hats version 1 (space tttttttttttt)"), (None, "unknown origin")):
        write_part(tmp_path / "part-1.parquet", part(numbers(2), lineage=lineage))
        assert error_text(SpaceError, tmp_path) == (
            "vectors of two spaces: expected vectors of one model in one precision, got the first part of shoes "
            f"version 3 (space ssssssssssss) and part-1.parquet of {shown} ({tmp_path}); score into a new folder"
        )


def test_same_space_passes_whatever_the_artifact() -> None:
    """Branch and full of one run are two artifacts of one space; two of unknown origin are the owner's affair."""
    full = Lineage(artifact="shoes_full", version=1, digest="x", space="s" * 64, distance="cosine", normalized=False)
    require_same_space(LINEAGE, full)
    require_same_space(None, None)
    with pytest.raises(SpaceError, match=r"got index.faiss of unknown origin and query of shoes version 3"):
        require_same_space(None, LINEAGE, names=("index.faiss", "query"))


def test_lineage_survives_metadata_and_facts_of_a_later_version() -> None:
    """Unknown facts are left alone, missing ones are refused."""
    assert Lineage.from_metadata(LINEAGE.to_metadata()) == LINEAGE
    ((key, value),) = LINEAGE.to_metadata().items()
    assert key == b"lookalike.lineage"
    later = json.dumps(json.loads(value) | {"new": 1}).encode()
    assert Lineage.from_metadata({key: later}) == LINEAGE
    assert Lineage.from_metadata({b"other": b"x"}) is Lineage.from_metadata(None) is None
    for bad in (b"{}", b"[]", b"nonsense"):
        with pytest.raises(DataError, match=r"^lineage: expected JSON under lookalike.lineage, got .* \(t\.parquet\)$"):
            Lineage.from_metadata({key: bad}, where="t.parquet")


def test_copied_column_may_not_take_the_name_of_an_output() -> None:
    """A table that was scored before has an `embedding` already."""
    with pytest.raises(DataError) as caught:
        vector_schema(pa.schema({"id": pa.string(), "embedding": pa.int8()}), {"embedding": 2})
    assert str(caught.value) == (
        'copied column "embedding": expected a name that the output does not use itself, got embedding; '
        "rename it, or do not copy it"
    )


def test_failed_write_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    """A file where a folder should be; a target that is a folder."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as caught:
        write_part(tmp_path / "file" / "part-0.parquet", part(numbers(1)))
    assert str(caught.value).startswith("cannot write the file: got ")
    (tmp_path / "part-0.parquet").mkdir()
    with pytest.raises(OutputError) as caught:
        write_part(tmp_path / "part-0.parquet", part(numbers(1)))
    assert str(caught.value) == (
        f"output: expected a plain file or nothing yet, got a folder ({tmp_path / 'part-0.parquet'})"
    )
    assert sorted(os.listdir(tmp_path)) == ["file", "part-0.parquet"]


def test_write_never_replaces_what_is_no_plain_file(tmp_path: Path) -> None:
    """A device stays one (root could rename a table over /dev/null), and a link is followed, not replaced."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="got a device, pipe or socket"):
        write_part(tmp_path / "pipe", part(numbers(1)))
    assert (tmp_path / "pipe").is_fifo()
    (tmp_path / "link").symlink_to("target.parquet")
    write_part(tmp_path / "link", part(numbers(2)))
    assert (tmp_path / "link").is_symlink()
    assert VectorTable.open(tmp_path / "target.parquet").num_rows == 2


def test_damage_inside_a_part_is_named(tmp_path: Path) -> None:
    """The footer is whole, so the table opens; a column whose bytes changed says which file it is in."""
    write_part(tmp_path / "part-0.parquet", part(numbers(2000)))
    data = bytearray((tmp_path / "part-0.parquet").read_bytes())
    data[4 : len(data) // 2] = b"x" * (len(data) // 2 - 4)
    (tmp_path / "part-0.parquet").write_bytes(data)
    with pytest.raises(DataError, match=r"^table of vectors: expected a Parquet file, got .*part-0\.parquet"):
        VectorTable.open(tmp_path).matrix  # noqa: B018 - reading it is the point


def test_write_replaces_and_leaves_one_file(tmp_path: Path) -> None:
    """A part written again is the new one."""
    write_part(tmp_path / "part-0.parquet", part(numbers(5)))
    write_part(tmp_path / "part-0.parquet", part(numbers(2)))
    assert os.listdir(tmp_path) == ["part-0.parquet"]
    assert VectorTable.open(tmp_path).num_rows == 2


def test_importing_rows_is_light() -> None:
    """Neither torch nor a heavy reader is loaded before it is needed."""
    code = (
        "import sys, rows.tables, rows.vectors.table, rows.vectors.lineage;"
        "heavy = ('torch', 'sklearn', 'faiss', 'pyarrow.dataset', 'pyarrow.parquet');"
        "print([name for name in heavy if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
