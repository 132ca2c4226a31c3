"""Tables of whole vectors that are cut while they are read, by the promise of their lineage, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError, SpaceError, UsageError
from rows.stores.label import Label
from rows.vectors.column import require_finite
from rows.vectors.cut_vectors import LOSS_KEY
from rows.vectors.lineage import Lineage, require_same_space
from rows.vectors.parts import write_part
from rows.vectors.schema import vector_array
from rows.vectors.table import VectorTable

N, DIM = 700, 8
VECTORS = np.random.default_rng(1).standard_normal((N, DIM)).astype(np.float32)


def lineage(**facts: Any) -> Lineage:
    known = {"artifact": "m", "version": 3, "digest": "d", "space": "s" * 64, "distance": "euclidean"}
    prefixes = ((2, 0.5), (4, None))
    return Lineage(**{**known, "normalized": True, "kind": "triplet", "prefixes": prefixes, "threshold": 1.5, **facts})


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write_parts(folder: Path, **facts: Any) -> Path:
    """Three parts of unequal size."""
    for number, (first, last) in enumerate(((0, 100), (100, 101), (101, N))):
        table = pa.table({"id": list(map(str, range(first, last))), "embedding": vector_array(VECTORS[first:last])})
        write_part(folder / f"part-{number:05d}.parquet", table.replace_schema_metadata(lineage(**facts).to_metadata()))
    return folder


def test_dims_of_a_table_are_whole_numbers_of_any_type(tmp_path: Path) -> None:
    """numpy's become ints, which the lineage can be written with; what is none is refused in one line."""
    (tmp_path / "v").mkdir()
    table = VectorTable.open(write_parts(tmp_path / "v"))
    cut = table.cut(np.int64(4))  # type: ignore[arg-type]
    assert type(cut.dim) is int
    assert cut.copied().equals(table.cut(4).copied(), check_metadata=True)
    assert table.cut(np.int64(DIM)) is table  # type: ignore[arg-type]
    for bad in ("4", 4.0):
        with pytest.raises(UsageError, match=rf"^dims: expected a whole number, got {bad!r} \("):
            table.cut(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("normalized", [True, False])
def test_a_cut_table_holds_what_numpy_cuts(normalized: bool, tmp_path: Path) -> None:
    """As a matrix, in batches of any size, and some rows of it; the table it was made of stays whole."""
    (tmp_path / "v").mkdir()
    whole = VectorTable.open(write_parts(tmp_path / "v", normalized=normalized))
    assert whole.matrix.shape == (N, DIM)
    table = whole.cut(4)
    expected = unit(VECTORS[:, :4]) if normalized else VECTORS[:, :4]
    assert (table.dim, table.num_rows, whole.dim) == (4, N, DIM)
    assert table.matrix.tobytes() == expected.tobytes()
    batches = list(table.batches(["id"], num_rows=33))
    assert np.concatenate([batch.vectors for batch in batches]).tobytes() == expected.tobytes()
    assert [each for batch in batches for each in batch.columns["id"].to_pylist()] == list(map(str, range(N)))
    rows = np.array([0, 99, 100, 105, N - 1])
    assert table.take(rows).tobytes() == expected[rows].tobytes()
    assert table.with_vectors("embedding").matrix.tobytes() == expected.tobytes()
    assert whole.matrix.tobytes() == VECTORS.tobytes()


def test_a_table_in_memory_is_cut_as_well() -> None:
    """And once more: a prefix of a prefix is one, where it is promised."""
    whole = VectorTable.from_arrays(VECTORS, {"id": np.arange(N)}, lineage=lineage(normalized=False))
    assert whole.cut(4).cut(2).matrix.tobytes() == VECTORS[:, :2].tobytes()
    assert whole.cut(None) is whole.cut(DIM) is whole
    assert whole.cut(4).cut(4).dim == 4
    with pytest.raises(UsageError, match=r"^dims: expected 2, the whole vector: no prefix .*, got 1 "):
        whole.cut(4).cut(2).cut(1)


def test_the_lineage_of_a_cut_table_carries_dims_and_threshold(tmp_path: Path) -> None:
    """Of that prefix; a file written with it reads so, and one of before has the bytes of before."""
    (tmp_path / "v").mkdir()
    table = VectorTable.open(write_parts(tmp_path / "v"))
    assert table.lineage == lineage()
    two = table.cut(2).lineage
    assert two == lineage(dims=2, prefixes=(), threshold=0.5)
    assert table.cut(4).lineage == lineage(dims=4, prefixes=((2, 0.5),), threshold=None)
    assert Lineage.from_metadata(table.cut(2).copied().schema.metadata) == two
    assert str(two) == f"m version 3 (space {'s' * 12}, first 2 numbers)"
    before = lineage(prefixes=(), threshold=None).to_dict()
    assert " ".join(before) == "artifact version digest space distance normalized kind mode"


def test_a_table_that_promises_nothing_is_not_cut(tmp_path: Path) -> None:
    """Without a lineage nobody knows; with one the promises are named. All its numbers may always be asked for."""
    own = VectorTable.from_arrays(VECTORS, source="own.parquet")
    assert own.cut(DIM) is own
    with pytest.raises(UsageError) as caught:
        own.cut(4)
    assert str(caught.value) == (
        "dims: expected 8, the whole vector: nothing says which model gave the vectors, or what it promises, got 4 "
        "(own.parquet); leave it out"
    )
    with pytest.raises(UsageError) as caught:
        VectorTable.from_arrays(VECTORS, lineage=lineage(), source="v").cut(3)
    assert str(caught.value) == "dims: expected one of 2, 4 (or 8, the whole vector), got 3 (v)"


def test_a_number_that_is_not_finite_is_named_in_a_cut_table() -> None:
    """By its row, as in a whole one; one beyond the prefix is no matter."""
    vectors = VECTORS.copy()
    vectors[7, 1], vectors[9, 5] = np.nan, np.inf
    table = VectorTable.from_arrays(vectors, lineage=lineage()).cut(4)
    with pytest.raises(DataError, match="in row 7 "):
        require_finite(table.matrix, where="here")
    require_finite(table.matrix[8:], where="here")


def tuples(**facts: Any) -> VectorTable:
    """A table of triplets as scoring writes it, with the loss, whose distances are of whole vectors."""
    columns: dict[str, Any] = {"id": list(map(str, range(N))), "note": ["x"] * N}
    for at, stream in enumerate(("anchor", "positive", "negative")):
        columns[f"embedding_{stream}"] = vector_array(np.roll(VECTORS, at, axis=0))
    columns |= {name: np.full(N, 9, np.float32) for name in ("distance_anchor_positive", "distance_anchor_negative")}
    columns |= {"same": np.zeros(N, bool), "loss": np.zeros(N, np.float32)}
    table = pa.table(columns)
    at = table.schema.get_field_index("loss")
    schema = table.schema.set(at, pa.field("loss", pa.float32(), metadata={LOSS_KEY: b"{}"}))
    table = table.cast(schema).replace_schema_metadata(lineage(**facts).to_metadata())
    return VectorTable(table, source="t", column="embedding_anchor")


def test_distances_of_tuples_are_those_of_the_prefixes() -> None:
    """And so is the decision, by the prefix's own threshold; the loss is left out, other columns go along."""
    table = tuples().cut(2)
    vectors = [unit(np.roll(VECTORS, at, axis=0)[:, :2]) for at in range(3)]
    expected = np.sqrt(((vectors[0] - vectors[1]) ** 2).sum(axis=1))
    found = table.column("distance_anchor_positive").to_numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found.dtype == np.float32
    same = table.column("same").to_numpy()
    assert (same == (found <= np.float32(0.5))).all()
    assert 0 < same.sum() < N
    assert table.copied().schema.names == ["id", "note", "distance_anchor_positive", "distance_anchor_negative", "same"]
    names = ["same", "note", "distance_anchor_positive"]
    batches = list(table.batches(names, num_rows=64))
    assert [batch.columns.schema.names for batch in batches] == [names] * len(batches)
    assert np.concatenate([batch.columns["distance_anchor_positive"] for batch in batches]).tobytes() == found.tobytes()
    only = [batch.columns["same"].to_pylist() for batch in table.batches(["same"], num_rows=64)]
    assert np.concatenate(only).tolist() == same.tolist()


def test_a_decision_without_a_threshold_is_left_out() -> None:
    """The prefix has none; where the artifact has none either, the column is the user's own."""
    assert "same" not in tuples().cut(4).columns
    assert tuples(threshold=None).cut(4).column("same").to_pylist() == [False] * N
    assert tuples(kind="").cut(2).column("distance_anchor_positive").to_pylist() == [9.0] * N  # not of ours


def test_prefixes_are_not_mixed_with_others(tmp_path: Path) -> None:
    """Of one space, but of other dims: two tables, two parts of one, a table and a collection."""
    whole, two, four = lineage(), lineage(dims=2), lineage(dims=4)
    require_same_space(two, lineage(dims=2, prefixes=()))
    with pytest.raises(SpaceError) as caught:
        require_same_space(whole, two, names=("v", "w"))
    assert str(caught.value) == (
        "vectors and prefixes of them: expected as many numbers of each vector, got v of whole vectors and w of 2 "
        f"numbers (m version 3 (space {'s' * 12})); cut the longer ones with --dims 2 where they are read, or score "
        "both with it"
    )
    with pytest.raises(SpaceError, match="v of 4 numbers and w of 2 numbers"):
        require_same_space(four, two, names=("v", "w"), vouched=True)
    with pytest.raises(SpaceError, match="two spaces"):
        require_same_space(None, two)
    require_same_space(None, two, vouched=True)
    (tmp_path / "v").mkdir()
    write_parts(tmp_path / "v")
    part = pa.table({"id": ["a"], "embedding": vector_array(VECTORS[:1])})
    write_part(tmp_path / "v" / "part-00003.parquet", part.replace_schema_metadata(two.to_metadata()))
    with pytest.raises(SpaceError, match=r"the first part of whole vectors and part-00003\.parquet of 2 numbers"):
        VectorTable.open(tmp_path / "v")


def test_a_collection_knows_the_dims_of_its_vectors() -> None:
    """Its label holds them; one of before, without, is of whole vectors."""

    def label(dims: int | None) -> Label:
        of = lineage() if dims is None else lineage(dims=dims, prefixes=((2, 0.5),))
        return Label(column="embedding", dim=dims or DIM, distance="euclidean", id_type="text", lineage=of)

    for each in (label(None), label(4)):
        assert Label.from_text(each.to_text(), collection="c", where="w") == each
    label(4).require_same(label(4), collection="c", where="w")
    with pytest.raises(SpaceError, match=r'collection "c" of whole vectors and the pushed table of 4 numbers'):
        label(None).require_same(label(4), collection="c", where="w")
    before = (
        '{"column": "embedding", "dim": 8, "distance": "euclidean", "id_type": "text", "lineage": {"artifact": "m", '
    )
    before += '"version": 3, "digest": "d", "space": "s", "distance": "euclidean", "normalized": true}}'
    assert Label.from_text(before, collection="c", where="w").lineage.dims is None


def test_a_file_written_by_pandas_loses_the_promise(tmp_path: Path) -> None:
    """No lineage, no prefix."""
    parquet.write_table(pa.table({"embedding": vector_array(VECTORS)}), tmp_path / "p.parquet")
    with pytest.raises(UsageError, match=r"^dims: expected 8, the whole vector: nothing says"):
        VectorTable.open(tmp_path / "p.parquet").cut(2)
