"""Prefixes of vectors: cut as numpy cuts, promised by a manifest, and nothing new in artifacts without any."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact.errors import ArtifactError, UsageError
from artifact.model.file import read_manifest
from artifact.model.manifest import manifest_from_fields
from artifact.prefixes import cut
from tests.shared.tiny_artifact import promised, write_tiny_artifact

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("dims", [1, 2, 16, 63, 64])
def test_cut_gives_what_numpy_gives_to_the_byte(dims: int) -> None:
    """On the unit sphere again or not; of many rows, of one, and of rows that do not lie one behind the other."""
    vectors = RANDOM.standard_normal((5000, 64)).astype(np.float32)
    plain = vectors[:, :dims]
    assert cut(vectors, dims, normalized=False).tobytes() == plain.tobytes()
    expected = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    found = cut(vectors, dims, normalized=True)
    assert (found.dtype, found.flags.c_contiguous) == (np.float32, True)
    assert found.tobytes() == expected.tobytes()
    assert b"".join(cut(vectors[row : row + 1], dims, normalized=True).tobytes() for row in range(50)) == (
        expected[:50].tobytes()
    )
    assert cut(np.asfortranarray(vectors), dims, normalized=True).tobytes() == expected.tobytes()
    assert cut(vectors[::3], dims, normalized=True).tobytes() == expected[::3].tobytes()


def test_cut_leaves_the_whole_vectors_alone() -> None:
    """Also where all numbers are kept."""
    vectors = RANDOM.standard_normal((4, 8)).astype(np.float32)
    before = vectors.tobytes()
    for dims in (3, 8):
        cut(vectors, dims, normalized=True)[:] = 0
        cut(vectors, dims, normalized=False)[:] = 0
    assert vectors.tobytes() == before


def test_cut_of_zeros_stays_zeros_and_of_no_numbers_no_numbers() -> None:
    """Nothing is divided by zero, and what is not finite is named by those who look for it."""
    vectors = np.array([[0, 0, 1], [np.nan, 1, 1], [np.inf, 1, 1], [3, 4, 5]], np.float32)
    found = cut(vectors, 2, normalized=True)
    np.testing.assert_array_equal(found[[0, 3]], np.array([[0, 0], [0.6, 0.8]], np.float32))
    assert not np.isfinite(found[1:3]).all(axis=1).any()


def test_a_manifest_gives_the_facts_of_a_prefix(tmp_path: Path) -> None:
    """Its width, its threshold or none, and the prefixes that are shorter still; whole ones as they are."""
    manifest = write_tiny_artifact(tmp_path / "a.onnx", dim=8, prefixes=[promised(2, 0.5), promised(4)])
    assert manifest.promised == (2, 4)
    assert manifest.cut(None) is manifest.cut(8) is manifest
    two, four = manifest.cut(2), manifest.cut(4)
    assert (two.embedding_dim, two.promised, [each.row_shape for each in two.outputs]) == (2, (), [(2,)])
    assert two.threshold is not None
    assert two.threshold["value"] == 0.5
    assert (four.embedding_dim, four.promised, four.threshold, four.digest) == (4, (2,), None, manifest.digest)


@pytest.mark.parametrize(
    ("prefixes", "dims", "line"),
    [
        (
            [promised(2), promised(4)],
            3,
            "dims: expected one of 2, 4 (or 8, the whole vector), got 3 (artifact tiny)",
        ),
        ([promised(2)], 9, "dims: expected one of 2 (or 8, the whole vector), got 9 (artifact tiny)"),
        (
            [],
            4,
            "dims: expected 8, the whole vector: no prefix of it is promised, got 4 (artifact tiny); "
            "leave it out; an artifact whose head is lda or pca promises some",
        ),
    ],
)
def test_a_prefix_that_is_not_promised_is_refused(
    prefixes: list[dict[str, Any]], dims: int, line: str, tmp_path: Path
) -> None:
    """In one line, with those that are."""
    manifest = write_tiny_artifact(tmp_path / "a.onnx", dim=8, prefixes=prefixes)
    with pytest.raises(UsageError) as caught:
        manifest.cut(dims)
    assert str(caught.value) == line


def test_dims_are_whole_numbers_of_any_type(tmp_path: Path) -> None:
    """numpy's become ints; what is none is refused in one line, text and halves alike."""
    manifest = write_tiny_artifact(tmp_path / "a.onnx", dim=8, prefixes=[promised(2), promised(4)])
    for dims in (np.int64(4), np.uint8(4)):
        assert type(manifest.cut(dims).embedding_dim) is int  # type: ignore[arg-type]
        assert manifest.cut(dims) == manifest.cut(4)  # type: ignore[arg-type]
    assert manifest.cut(np.int64(8)) is manifest  # type: ignore[arg-type]
    for bad in ("4", 4.0, True, [4]):
        with pytest.raises(UsageError) as caught:
            manifest.cut(bad)  # type: ignore[arg-type]
        assert str(caught.value) == f"dims: expected a whole number, got {bad!r} (artifact tiny)"


def test_a_manifest_without_prefixes_says_nothing_of_them(tmp_path: Path) -> None:
    """Bytes and digest are those of before; one with some reads back what was written."""
    without = write_tiny_artifact(tmp_path / "a.onnx")
    assert b"prefixes" not in without.to_bytes()
    assert "prefixes" not in without.summary()
    entries = [promised(1, 0.25), promised(3)]
    manifest = write_tiny_artifact(tmp_path / "b.onnx", prefixes=entries)
    read = read_manifest(tmp_path / "b.onnx")
    assert read == manifest
    assert manifest_from_fields(json.loads(json.dumps(read.summary())), where="config").prefixes == manifest.prefixes
    assert [{**promised(1, 0.25), "why_no_threshold": None}, promised(3)] == read.summary()["prefixes"]


@pytest.mark.parametrize("dims", [[2, 1], [1, 1], [4], [0]])
def test_prefixes_that_are_none_are_refused(dims: list[int], tmp_path: Path) -> None:
    """Not ascending, twice, the whole vector, or no number."""
    fields = write_tiny_artifact(tmp_path / "a.onnx").summary() | {"prefixes": [{"dims": each} for each in dims]}
    with pytest.raises(ArtifactError, match="prefixes"):
        manifest_from_fields(fields, where="here")
