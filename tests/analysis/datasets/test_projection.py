"""Principal components against a full decomposition."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.decomposition import PCA

from analysis.datasets import projection
from analysis.datasets.projection import PrincipalAxes, principal_axes, project
from artifact.errors import DataError
from rows.vectors.parts import write_part
from rows.vectors.schema import vector_array
from rows.vectors.table import VectorTable

SHAPES = [(200, 16), (30, 100), (5, 1), (1, 3), (2, 2)]


def _varying(shape: tuple[int, int], *, away: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(1)
    return (random.normal(size=shape) * np.geomspace(9, 1, shape[1]) + away).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
def test_projection_agrees_with_a_full_decomposition(shape: tuple[int, int]) -> None:
    """Coordinates and shares of variance by numpy's SVD, up to the sign of each direction."""
    vectors = _varying(shape)
    places, share = project(vectors)
    wide = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    left, sizes, _ = np.linalg.svd(wide, full_matrices=False)
    expected = np.pad(left * sizes, ((0, 0), (0, 2)))[:, :2]
    np.testing.assert_allclose(np.abs(places), np.abs(expected), atol=1e-3)
    total = float(np.square(sizes).sum())
    assert share == pytest.approx(np.square(sizes[:2]).sum() / total if total else 0.0, abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("away", [0.0, 1e4])
def test_axes_of_a_table_are_those_of_a_full_decomposition(shape: tuple[int, int], away: float) -> None:
    """Places and variance by numpy's SVD, far from the origin too."""
    vectors = _varying(shape, away=away)
    axes = principal_axes(VectorTable.from_arrays(vectors))
    wide = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    left, sizes, _ = np.linalg.svd(wide, full_matrices=False)
    expected = np.pad(left * sizes, ((0, 0), (0, 2)))[:, :2]
    np.testing.assert_allclose(np.abs(axes.places(vectors)), np.abs(expected), atol=1e-6 * max(1.0, away))
    assert axes.variance == pytest.approx(float(np.square(sizes).sum()) / len(vectors), rel=1e-6, abs=1e-12)
    np.testing.assert_allclose(axes.mean, vectors.mean(axis=0, dtype=np.float64), rtol=1e-9, atol=1e-9)


def _parts(folder: Path, vectors: np.ndarray, size: int) -> VectorTable:
    for number, first in enumerate(range(0, len(vectors), size)):
        part = pa.table({"embedding": vector_array(vectors[first : first + size])})
        write_part(folder / f"part-{number:05d}.parquet", part)
    return VectorTable.open(folder)


def test_axes_are_those_of_scikit_learn_in_however_many_parts(tmp_path: Path) -> None:
    """Directions, mean and share of variance of a table in seven parts."""
    vectors = _varying((700, 12), away=3.0)
    axes = principal_axes(_parts(tmp_path, vectors, 100))
    reference = PCA(n_components=2, svd_solver="full").fit(vectors.astype(np.float64))
    np.testing.assert_allclose(np.abs(axes.directions), np.abs(reference.components_), atol=1e-6)
    np.testing.assert_allclose(axes.mean, reference.mean_, atol=1e-6)
    shown = np.square(axes.places(vectors)).sum() / len(vectors) / axes.variance
    assert shown == pytest.approx(reference.explained_variance_ratio_.sum(), abs=1e-6)
    assert (np.take_along_axis(axes.directions, np.abs(axes.directions).argmax(axis=1)[:, None], axis=1) > 0).all()


def test_axes_of_too_many_products_come_from_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directions are near those of all rows; mean and variance are those of all rows."""
    vectors = _varying((3000, 6), away=1.0)
    whole = principal_axes(VectorTable.from_arrays(vectors))
    monkeypatch.setattr(projection, "PRODUCTS", 36 * 1500)
    sampled = principal_axes(_parts(tmp_path, vectors, 400), seed=3)
    assert (whole.num_rows, sampled.num_rows) == (3000, 1500)
    np.testing.assert_allclose(sampled.mean, whole.mean, rtol=1e-9)
    assert sampled.variance == pytest.approx(whole.variance, rel=1e-9)
    assert np.abs((sampled.directions * whole.directions).sum(axis=1)).min() > 0.99


def test_a_place_does_not_depend_on_the_rows_beside_it() -> None:
    """One row alone, some, and all have equal places to the last bit."""
    vectors = _varying((257, 33))
    axes = principal_axes(VectorTable.from_arrays(vectors))
    places = axes.places(vectors)
    assert (axes.places(vectors[100:103]) == places[100:103]).all()
    assert (axes.places(vectors[7:8]) == places[7:8]).all()


def test_equal_vectors_have_axes_of_length_zero() -> None:
    """Nothing varies: all stand at the origin, in tables of few and of many rows."""
    for shape in ((3, 5), (50, 5)):
        axes = principal_axes(VectorTable.from_arrays(np.full(shape, 0.1, np.float32)))
        assert isinstance(axes, PrincipalAxes)
        assert not axes.places(np.full(shape, 0.1, np.float32)).round(12).any()


def test_numbers_that_are_not_finite_are_refused() -> None:
    """One line that names the row."""
    vectors = _varying((50, 4))
    vectors[7, 2] = np.nan
    with pytest.raises(DataError, match="7"):
        principal_axes(VectorTable.from_arrays(vectors))
