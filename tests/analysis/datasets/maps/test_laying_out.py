"""Laying out a table: each method, seeds, tables that are too small or too large, and what is refused."""

from __future__ import annotations

import hashlib
import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from analysis.datasets.maps.laying_out import lay_out
from analysis.datasets.maps.layout import Layout
from artifact.errors import DataError, UsageError
from rows.vectors.lineage import Lineage
from rows.vectors.table import VectorTable
from tests.shared.places import ROOT

NUM_ROWS = 300
BY_NEIGHBOURS = ("umap", "pacmap")

Laid = Callable[[str], Layout]


def digits(num_rows: int = NUM_ROWS) -> VectorTable:
    """Some of scikit-learn's digits: 64 numbers, `label`."""
    vectors, labels = load_digits(return_X_y=True)
    columns = {"id": list(range(num_rows)), "label": labels[:num_rows]}
    return VectorTable.from_arrays(vectors[:num_rows].astype(np.float32), columns)


@pytest.fixture(scope="module")
def laid() -> Laid:
    """The digits by a method, laid out once."""
    found: dict[str, Layout] = {}

    def lay(method: str) -> Layout:
        if method not in found:
            found[method] = lay_out(digits(), method, distance="euclidean", seed=3)
        return found[method]

    return lay


def test_pca_is_that_of_scikit_learn() -> None:
    """Places up to the sign of each direction, and the share of variance."""
    table = digits()
    reference = PCA(n_components=2, svd_solver="full")
    expected = reference.fit_transform(table.matrix.astype(np.float64))
    layout = lay_out(table)
    np.testing.assert_allclose(np.abs(layout.places), np.abs(expected), atol=1e-4)
    assert layout.share == pytest.approx(reference.explained_variance_ratio_.sum(), abs=1e-6)
    assert (layout.method, layout.distance, layout.vectors) == ("pca", None, None)


@pytest.mark.parametrize("method", BY_NEIGHBOURS)
def test_neighbours_stay_neighbours(laid: Laid, method: str) -> None:
    """Trustworthiness by scikit-learn is high, and far above that of places at random."""
    vectors = digits().matrix
    places = laid(method).places
    assert places.dtype == np.float32
    assert trustworthiness(vectors, places, n_neighbors=10) > 0.95
    assert trustworthiness(vectors, np.random.default_rng(0).permutation(places), n_neighbors=10) < 0.6


def test_umap_is_as_trustworthy_as_by_its_own_neighbours(laid: Laid) -> None:
    """Beside umap-learn's default on the same vectors."""
    import umap

    vectors = digits().matrix
    own = umap.UMAP(random_state=3, n_jobs=1).fit_transform(vectors)
    found = trustworthiness(vectors, laid("umap").places, n_neighbors=15)
    assert found >= trustworthiness(vectors, own, n_neighbors=15) - 1e-3


@pytest.mark.parametrize("method", BY_NEIGHBOURS)
def test_another_seed_is_another_map_and_the_same_is_the_same(laid: Laid, method: str) -> None:
    """To the last bit, in one process; warnings and logs of the libraries reach nobody."""
    again = lay_out(digits(), method, distance="euclidean", seed=3)
    assert (again.places == laid(method).places).all()
    assert (lay_out(digits(), method, distance="euclidean", seed=4).places != again.places).any()


def test_pacmap_keeps_its_log_to_itself(capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is written, and its logger is as it was."""
    before = logging.getLogger("pacmap.pacmap").level
    lay_out(digits(20), "pacmap", distance="euclidean")
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("pacmap.pacmap").level == before


_PROGRAM = """
import hashlib, sys
from analysis.datasets.maps.laying_out import lay_out
from tests.analysis.datasets.maps.test_laying_out import digits
for method in sys.argv[1:]:
    places = lay_out(digits(), method, distance="euclidean", seed=3).places
    print(hashlib.sha256(places.tobytes()).hexdigest())
"""


def test_one_seed_gives_one_map_in_every_process(laid: Laid) -> None:
    """The bytes of another process, for every method that has a seed."""
    command = [sys.executable, "-W", "ignore", "-c", _PROGRAM, *BY_NEIGHBOURS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    expected = [hashlib.sha256(laid(method).places.tobytes()).hexdigest() for method in BY_NEIGHBOURS]
    assert done.stdout.split() == expected
    assert done.stderr == ""


@pytest.mark.parametrize("method", BY_NEIGHBOURS)
def test_cosine_sees_no_lengths(method: str) -> None:
    """Vectors made longer by powers of two stand where they stood, by the artifact's distance."""
    table = digits(120)
    scale = np.float32(2.0) ** np.random.default_rng(0).integers(-3, 4, size=(120, 1)).astype(np.float32)
    longer = VectorTable.from_arrays((table.matrix * scale).astype(np.float32))
    lineage = Lineage(artifact="a", version=1, digest="d", space="s", distance="cosine", normalized=False)
    plain = VectorTable.from_arrays(table.matrix, lineage=lineage)
    places = lay_out(plain, method).places
    labels = load_digits(return_X_y=True)[1][:120]
    assert lay_out(plain, method).distance == "cosine"
    scaled = lay_out(longer, method, distance="cosine").places
    if method == "pacmap":
        assert (scaled == places).all()
    assert _purity(places, labels) > 0.7
    assert _purity(scaled, labels) > 0.7


def _purity(places: np.ndarray, labels: np.ndarray) -> float:
    """Share of each point's five nearest that are of its class."""
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return float((labels[np.argsort(apart, axis=1)[:, :5]] == labels[:, None]).mean())


@pytest.mark.parametrize("method", BY_NEIGHBOURS)
def test_a_large_table_is_laid_out_by_a_sample(method: str) -> None:
    """The sample stands as it does alone; the rest is put among it, near its classes, and both are told."""
    said: list[dict[str, Any]] = []
    layout = lay_out(
        digits(), method, distance="euclidean", max_fitted=200, report=lambda event: said.append(dict(event))
    )
    assert layout.placed.sum() == NUM_ROWS - 200
    alone = VectorTable.from_arrays(digits().matrix[~layout.placed])
    assert (lay_out(alone, method, distance="euclidean").places == layout.places[~layout.placed]).all()
    assert "100 more rows are put among the 200" in said[-1]["message"]
    labels = load_digits(return_X_y=True)[1][:NUM_ROWS]
    assert _purity(layout.places, labels) > 0.8


@pytest.mark.parametrize("method", ["pca", *BY_NEIGHBOURS])
@pytest.mark.parametrize("num_rows", [1, 2, 3, 7, 8, 9, 16])
def test_few_rows_are_laid_out_too(method: str, num_rows: int) -> None:
    """From one row on; below eight they are projected, and that is told."""
    said: list[dict[str, Any]] = []
    layout = lay_out(digits(num_rows), method, distance="euclidean", report=lambda event: said.append(dict(event)))
    assert layout.places.shape == (num_rows, 2)
    assert np.isfinite(layout.places).all()
    assert layout.method == ("pca" if num_rows < 8 else method)
    assert layout.asked == method
    told = [event["message"] for event in said if "no neighbourhoods" in event["message"]]
    assert len(told) == (method != "pca" and num_rows < 8)


@pytest.mark.parametrize("method", ["pca", *BY_NEIGHBOURS])
def test_equal_vectors_and_vectors_of_one_number_are_laid_out(method: str) -> None:
    """Equal ones all in one place; of one number in finite places."""
    layout = lay_out(VectorTable.from_arrays(np.full((40, 3), 2.0, np.float32)), method, distance="euclidean")
    assert (layout.places == 0).all()
    assert layout.share == 0.0
    single = np.random.default_rng(0).normal(size=(40, 1)).astype(np.float32)
    layout = lay_out(VectorTable.from_arrays(single), method, distance="euclidean")
    assert layout.method == method
    assert np.isfinite(layout.places).all()


@pytest.mark.parametrize("method", BY_NEIGHBOURS)
def test_many_equal_vectors_among_others_are_laid_out(method: str) -> None:
    """Half the table is one vector: more than a row has neighbours."""
    vectors = digits(80).matrix.copy()
    vectors[:40] = vectors[0]
    assert np.isfinite(lay_out(VectorTable.from_arrays(vectors), method, distance="euclidean").places).all()


def test_columns_of_the_maps_own_names_are_left_out_and_told() -> None:
    """A box's x and y are no places on the map."""
    said: list[dict[str, Any]] = []
    columns = {"x": [1, 2, 3], "label": list("abc")}
    table = VectorTable.from_arrays(digits(3).matrix, columns)
    layout = lay_out(table, report=lambda event: said.append(dict(event)))
    assert layout.rows.schema.names == ["id", "label"]
    assert layout.rows["id"].to_pylist() == ["0", "1", "2"]
    assert said == [
        {"event": "note", "message": "the table's columns x are left out: the map has columns of these names"}
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "tsne"}, "method: expected one of pca, umap, pacmap, got 'tsne'"),
        ({"neighbours": 5}, "neighbours: expected none, for method pca, got 5"),
        ({"method": "umap", "neighbours": 1, "distance": "cosine"}, "neighbours: expected at least 2, got 1"),
        ({"seed": -1}, "seed: expected at least 0, got -1"),
        ({"max_fitted": 7}, "max_fitted: expected at least 8, got 7"),
        ({"method": "umap"}, "distance: expected a name, for vectors without lineage"),
        ({"distance": "manhattan"}, "distance: expected one of"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    """One line each."""
    with pytest.raises(UsageError) as raised:
        lay_out(digits(9), **options)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("method", ["pca", *BY_NEIGHBOURS])
def test_numbers_that_are_not_finite_are_refused(method: str) -> None:
    """The row is named."""
    vectors = digits(30).matrix.copy()
    vectors[11, 0] = np.inf
    with pytest.raises(DataError, match="11"):
        lay_out(VectorTable(pa.table({"v": list(vectors)}), source="t"), method, distance="euclidean")
