"""Two tables compared: what is written of every row, what is refused, and that the same seed gives the same answer."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from analysis.datasets.comparison.comparing import compare_tables
from analysis.datasets.comparison.rows_of_both import LostColumns, write_rows
from artifact.errors import SpaceError, UsageError
from rows.vectors.lineage import Lineage
from rows.vectors.table import VectorTable


def lineage(space: str) -> Lineage:
    return Lineage(artifact="m", version=1, digest="d", space=space, distance="euclidean", normalized=False)


def sets(num: int = 60, foreign: int = 10, **columns: Any) -> tuple[VectorTable, VectorTable]:
    """The last of B are foreign: far away from all else."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, num, 4)).astype(np.float32)
    b[-foreign:] += 30
    ids = [f"ä{row}" for row in range(num)]
    return (
        VectorTable.from_arrays(a, {"id": ids, "kind": ["x"] * num}, lineage=lineage("s")),
        VectorTable.from_arrays(b, {"id": list(range(num)), "kind": list(range(num))} | columns, lineage=lineage("s")),
    )


def test_every_row_is_written_with_what_is_known_of_it(tmp_path: Path) -> None:
    """Rows of A then of B, columns of both (text and numbers as text), and the foreign thirty least like A."""
    a, b = sets(200, 30, region=["old"] * 200, price=[1.5] * 200)
    found = compare_tables(a, b, relabellings=99)
    assert write_rows(a, b, found, tmp_path / "rows.parquet") == LostColumns(replaced=["region"], unlike=[])
    written = parquet.read_table(tmp_path / "rows.parquet")
    assert written.schema.names == ["id", "set", "kind", "price", "p_other", "neighbours_other", "region"]
    assert written["id"].to_pylist()[198:202] == ["ä198", "ä199", "0", "1"]
    assert written["set"].to_pylist() == ["A"] * 200 + ["B"] * 200
    assert written["kind"].to_pylist()[199:202] == ["x", "0", "1"]
    assert written["price"].to_pylist()[199:201] == [None, 1.5]
    assert written["region"].to_pylist() == found.region.tolist()
    np.testing.assert_array_equal(written["p_other"].to_numpy(), found.p_other)
    assert Lineage.from_metadata(written.schema.metadata) == lineage("s")
    assert len(set(found.most_unlike[1]) & set(range(370, 400))) >= 20  # of 24
    assert found.differ is True
    assert (found.neighbours_other[370:] == 0).all()
    first = found.regions[0]
    assert (first.count_a, first.count_b, first.ratio) == (0, 30, None)
    assert first.p_value == 0.01


def test_facts_are_json_and_the_same_for_the_same_seed() -> None:
    """Without NaN or infinity in them; another seed gives others."""
    a, b = sets()
    texts = [
        json.dumps(compare_tables(a, b, label="kind", relabellings=99, seed=seed).facts(), allow_nan=False)
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_two_and_two_rows_give_an_answer_that_says_how_little_it_is(tmp_path: Path) -> None:
    """Neither a verdict nor a classifier, and p_other is empty in the file; neighbours and regions are there."""
    a, b = (VectorTable.from_arrays(np.eye(2, dtype=np.float32) + shift) for shift in (0, 5))
    found = compare_tables(a, b, distance="euclidean")
    write_rows(a, b, found, tmp_path / "rows.parquet")
    assert (found.differ, found.classifier, found.like_b) == (None, None, None)
    written = parquet.read_table(tmp_path / "rows.parquet")
    assert written["id"].to_pylist() == ["0", "1", "0", "1"]
    assert written["p_other"].null_count == 4
    assert json.dumps(found.facts(), allow_nan=False)


@pytest.mark.parametrize(
    ("one", "other", "written"),
    [
        (pa.array([2**60 + 1] * 3), pa.array([0.5] * 3), [str(2**60 + 1), "0.5"]),
        (pa.array([10**20 + 1] * 3, pa.decimal128(30, 0)), pa.array([0.5] * 3), [str(10**20 + 1), "0.5"]),
        (pa.array([1] * 3, pa.uint64()), pa.array([2**63] * 3, pa.uint64()), [1, 2**63]),
        (pa.array([1] * 3, pa.int64()), pa.array([2**63] * 3, pa.uint64()), ["1", str(2**63)]),
        (pa.array([1] * 3, pa.int32()), pa.array([2**40] * 3), [1, 2**40]),
        (pa.array([7] * 3), pa.array([None] * 3, pa.float64()), [7, None]),
    ],
)
def test_columns_of_two_types_of_numbers_keep_every_value(
    one: Any, other: Any, written: list[Any], tmp_path: Path
) -> None:
    """As numbers where a type holds both, else as text."""
    rng = np.random.default_rng(0)
    a, b = (VectorTable.from_arrays(rng.normal(size=(3, 2)).astype("f4"), {"x": each}) for each in (one, other))
    write_rows(a, b, compare_tables(a, b, distance="cosine", relabellings=19), tmp_path / "rows.parquet")
    assert parquet.read_table(tmp_path / "rows.parquet")["x"].to_pylist()[2:4] == written


def test_ids_that_no_type_holds_are_text_and_other_such_columns_are_left_out(tmp_path: Path) -> None:
    """Bytes beside numbers; which columns are not there is given back, for who wants to tell it."""
    rng = np.random.default_rng(0)
    columns = ({"id": pa.array([b"a", b"b", b"c"]), "x": [[1]] * 3}, {"id": [1, 2, 3], "x": ["t"] * 3, "set": [1] * 3})
    a, b = (VectorTable.from_arrays(rng.normal(size=(3, 2)).astype("f4"), each) for each in columns)
    found = compare_tables(a, b, distance="cosine")
    assert write_rows(a, b, found, tmp_path / "rows.parquet") == LostColumns(replaced=["set"], unlike=["x"])
    written = parquet.read_table(tmp_path / "rows.parquet")
    assert "x" not in written.schema.names
    assert written["id"].to_pylist()[2:4] == ["b'c'", "1"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"alpha": 0.0}, "alpha: expected a level in (0, 1), got 0.0"),
        ({"alpha": float("nan")}, "alpha: expected a level in (0, 1), got nan"),
        ({"relabellings": 5}, "relabellings: expected at least 19, for a p-value of .05, got 5"),
        ({"num_regions": 1}, "regions: expected 2 to 120, the different vectors, got 1"),
        ({"num_regions": 121}, "regions: expected 2 to 120, the different vectors, got 121"),
        ({"seed": -1}, "seed: expected at least 0, got -1"),
        ({"distance": "cosine"}, "distance: expected euclidean, as m was trained, got cosine (vectors in memory)"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], text: str) -> None:
    """One line each."""
    with pytest.raises(UsageError) as caught:
        compare_tables(*sets(), **options)
    assert str(caught.value) == text


def test_two_spaces_are_not_compared() -> None:
    """Nor one that is known with one that is not, unless its distance vouches for it."""
    a, b = sets()
    other = VectorTable.from_arrays(b.matrix, lineage=lineage("t"))
    unknown = VectorTable.from_arrays(b.matrix)
    for table in (other, unknown):
        with pytest.raises(SpaceError, match="vectors of two spaces"):
            compare_tables(a, table)
    vouched = compare_tables(a, unknown, distance="euclidean", relabellings=19)
    assert vouched.test.p_values["regions"] == 0.05
