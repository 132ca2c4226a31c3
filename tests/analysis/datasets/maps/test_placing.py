"""New rows on an old map: equal ones where they were, others near their class, and what does not belong is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_digits

from analysis.datasets.maps.laying_out import lay_out
from analysis.datasets.maps.layout import Layout
from analysis.datasets.maps.placing import place
from artifact.errors import DataError, SpaceError, UsageError
from rows.vectors.lineage import Lineage
from rows.vectors.parts import write_part
from rows.vectors.schema import vector_array
from rows.vectors.table import VectorTable

NUM_OLD, NUM_ALL = 400, 500
LINEAGE = Lineage(artifact="a", version=1, digest="d", space="s", distance="euclidean", normalized=False)
VECTORS, LABELS = (found[:NUM_ALL] for found in load_digits(return_X_y=True))
METHODS = ("pca", "umap", "pacmap")


def _write(path: Path, rows: slice, *, lineage: Lineage | None = LINEAGE, dim: int = 64) -> VectorTable:
    vectors = vector_array(VECTORS[rows, :dim].astype(np.float32))
    ids = [f"{row}.png" for row in range(NUM_ALL)[rows]]
    table = pa.table({"id": ids, "label": LABELS[rows], "embedding": vectors})
    write_part(path, table.replace_schema_metadata(lineage.to_metadata() if lineage else None))
    return VectorTable.open(path)


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Layout]:
    """The first rows by each method, as they are read back from files."""
    folder = tmp_path_factory.mktemp("maps")
    old = _write(folder / "old.parquet", slice(NUM_OLD))
    for method in METHODS:
        lay_out(old, method).save(folder / f"{method}.parquet")
    return {method: Layout.open(folder / f"{method}.parquet") for method in METHODS}


@pytest.mark.parametrize("method", METHODS)
def test_old_rows_stay_where_they_are(maps: dict[str, Layout], method: str, tmp_path: Path) -> None:
    """To the last bit, in any order, among new ones; only those that were not there count as placed."""
    old = maps[method]
    order = np.random.default_rng(0).permutation(NUM_ALL)
    table = pa.table(
        {
            "id": [f"{row}.png" for row in order],
            "embedding": vector_array(VECTORS[order].astype(np.float32)),
        }
    )
    found = place(old, VectorTable(table.replace_schema_metadata(LINEAGE.to_metadata()), source="t"))
    is_old = order < NUM_OLD
    assert (found.places[is_old] == old.places[order[is_old]]).all()
    if method != "pca":
        assert (found.placed == ~is_old).all()
        assert (found.method, found.seed, found.distance) == (method, 0, "euclidean")


@pytest.mark.parametrize("method", METHODS)
def test_new_rows_stand_near_their_class(maps: dict[str, Layout], method: str, tmp_path: Path) -> None:
    """Of the ten nearest old points most are of the class, far more than at random places of the map."""
    old = maps[method]
    found = place(old, _write(tmp_path / "new.parquet", slice(NUM_OLD, NUM_ALL)))

    def purity(places: np.ndarray) -> float:
        apart = np.linalg.norm(places[:, None] - old.places[None], axis=2)
        near = np.argsort(apart, axis=1)[:, :10]
        return float((LABELS[near] == LABELS[NUM_OLD:, None]).mean())

    at_random = old.places[np.random.default_rng(0).integers(NUM_OLD, size=NUM_ALL - NUM_OLD)]
    assert purity(at_random) < 0.2
    assert purity(found.places) > (0.4 if method == "pca" else 0.8)


def test_a_placed_map_can_be_placed_on_in_turn(maps: dict[str, Layout], tmp_path: Path) -> None:
    """Its rows are then the old ones."""
    new = _write(tmp_path / "new.parquet", slice(NUM_OLD, NUM_ALL))
    first = place(maps["umap"], new)
    first.save(tmp_path / "first.parquet")
    again = place(Layout.open(tmp_path / "first.parquet"), new)
    assert (again.places == first.places).all()


@pytest.mark.parametrize("method", METHODS)
def test_vectors_of_another_space_are_refused(maps: dict[str, Layout], method: str, tmp_path: Path) -> None:
    """Of another model, of none unless somebody vouches, and of another width."""
    new = slice(NUM_OLD, NUM_ALL)
    with pytest.raises(SpaceError, match="two spaces"):
        place(maps[method], _write(tmp_path / "b.parquet", new, lineage=replace(LINEAGE, space="other")))
    plain = _write(tmp_path / "c.parquet", new, lineage=None)
    with pytest.raises(SpaceError, match="unknown origin"):
        place(maps[method], plain)
    assert place(maps[method], plain, distance="euclidean").num_rows == NUM_ALL - NUM_OLD
    for other in ("cosine", "far"):
        with pytest.raises(UsageError, match=f"^distance: expected .*got '?{other}"):
            place(maps[method], plain, distance=other)
    with pytest.raises(DataError, match="expected 64 dims as the layout's, got 32"):
        place(maps[method], _write(tmp_path / "d.parquet", new, dim=32))


@pytest.mark.parametrize("method", METHODS)
def test_a_map_of_unknown_origin_keeps_its_distance(method: str, tmp_path: Path) -> None:
    """Of vectors without lineage: only a map by neighbours has a distance, and beside it no other is taken."""
    old = _write(tmp_path / "old.parquet", slice(NUM_OLD), lineage=None)
    layout = lay_out(old, method, distance="euclidean")
    new = slice(NUM_OLD, NUM_ALL)
    plain, ours = (_write(tmp_path / f"{n}.parquet", new, lineage=each) for n, each in enumerate((None, LINEAGE)))
    assert place(layout, plain).num_rows == place(layout, plain, distance="euclidean").num_rows
    with pytest.raises(SpaceError, match="unknown origin"):
        place(layout, ours)
    assert place(layout, ours, distance="euclidean").num_rows == NUM_ALL - NUM_OLD
    with pytest.raises(UsageError, match="got 'far'"):
        place(layout, plain, distance="far")
    if layout.distance is not None:
        with pytest.raises(UsageError, match=r"^distance: expected euclidean, as the layout was made, got cosine$"):
            place(layout, plain, distance="cosine")


def test_the_old_vectors_must_be_there_and_be_the_same(maps: dict[str, Layout], tmp_path: Path) -> None:
    """Where they moved they are named; others are refused. A projection does not need them."""
    old = _write(tmp_path / "old.parquet", slice(NUM_OLD))
    layout = lay_out(old, "umap")
    new = _write(tmp_path / "new.parquet", slice(NUM_OLD, NUM_ALL))
    expected = place(layout, new).places
    (tmp_path / "old.parquet").rename(tmp_path / "moved.parquet")
    with pytest.raises(
        DataError, match="vectors of the layout: expected a folder or a file of vectors, got nothing there"
    ):
        place(layout, new)
    assert (place(layout, new, vectors=VectorTable.open(tmp_path / "moved.parquet")).places == expected).all()
    with pytest.raises(DataError, match="expected the 400 vectors that it was made of, got others"):
        place(layout, new, vectors=new)
    changed = VECTORS[:NUM_OLD].astype(np.float32)
    changed[17, 3] += 1
    with pytest.raises(DataError, match="got others"):
        place(layout, new, vectors=VectorTable.from_arrays(changed))
