"""NumPy arrays and Arrow tensors as tables of pixels."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from artifact.errors import DataError
from artifact.images.preprocessing import Preprocessing, load_pixels
from rows.images import ImageRef
from rows.tables import open_table
from serving.client.pictures import picture, read_pixels


def pixels_of(refs: list[ImageRef]) -> np.ndarray[Any, Any]:
    return np.stack([ref.pixels for ref in refs if ref.pixels is not None])


@pytest.mark.parametrize("shape", [(7, 5, 6, 3), (7, 5, 6, 1), (7, 5, 6)])
@pytest.mark.parametrize("form", ["npy", "npz", "arrow", "parquet"])
def test_arrays_give_their_pixels_in_three_channels(form: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    """Against NumPy's own broadcasting; every batch size and start."""
    array = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    expected = np.broadcast_to(array if array.ndim == 4 else array[..., None], (7, 5, 6, 3))
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(array))
    source: Any = tmp_path / f"t.{form}"
    if form == "npy":
        np.save(source, array)
    elif form == "npz":
        np.savez(source, arr_0=array, masks=array)
    elif form == "parquet":
        parquet.write_table(pa.table({"img": tensor}), source)
    else:
        source = pa.table({"img": pa.chunked_array([tensor[:3], tensor[3:]])})
    table = open_table(source)
    assert table.num_rows == 7
    for size in (1, 3, 8):
        for start in (0, 2, 6):
            refs = [ref for batch in table.batches(size, start) for ref in batch.images["image"]]
            np.testing.assert_array_equal(pixels_of(refs), expected[start:])


def test_pixels_are_values_and_score_like_their_files() -> None:
    """Equal by content; resized without decoding; as PNG, and as the caller's own array, the same."""
    array = np.random.default_rng(2).integers(0, 256, (9, 8, 3), dtype=np.uint8)
    ref = ImageRef.of_pixels(array)
    assert {ref, ImageRef.of_pixels(array.copy()), picture(array), picture(Image.fromarray(array))} == {ref}
    assert ImageRef.of_pixels(array[::-1]) != ref
    assert not ref.is_empty
    sized = Preprocessing(height=4, width=4)
    np.testing.assert_array_equal(read_pixels(ref, sized), load_pixels(ref.read(), sized))
    with Image.open(io.BytesIO(ref.read())) as image:
        np.testing.assert_array_equal(np.asarray(image), array)
    grey = ImageRef.of_pixels(array[..., 0])
    np.testing.assert_array_equal(read_pixels(grey, sized), load_pixels(grey.read(), sized))


def test_npz_copies_labels_of_the_same_rows(tmp_path: Path) -> None:
    """Two data sets in one file: the image column decides, and columns of another length are refused."""
    images = np.zeros((6, 4, 4), np.uint8)
    names = np.array(["a", "bé", "c", "d"])
    np.savez(tmp_path / "t.npz", x_train=images, y_train=np.arange(6), x_test=images[:4], y_test=names)
    table = open_table(tmp_path / "t.npz", columns={"image": "x_test"}, copy=["y_test"])
    (batch,) = table.batches(9)
    assert batch.copied.to_pydict() == {"id": [0, 1, 2, 3], "y_test": ["a", "bé", "c", "d"]}
    with pytest.raises(DataError) as caught:
        open_table(tmp_path / "t.npz", columns={"image": "x_test"}, copy=["y_train"])
    assert str(caught.value) == "arrays: expected one number of rows, got 4 in x_test, 6 in y_train (t.npz)"
    with pytest.raises(DataError, match='image column "image": expected one of x_train, y_train, x_test, y_test'):
        open_table(tmp_path / "t.npz")


def test_nulls_of_a_tensor_column_are_empty_cells() -> None:
    """A row without pixels is a bad row; its neighbours keep theirs."""
    kind = pa.fixed_shape_tensor(pa.uint8(), (2, 2))
    storage = pa.array([[1, 1, 1, 1], None, [3, 3, 3, 3]], pa.list_(pa.uint8(), 4))
    (batch,) = open_table(pa.table({"image": pa.ExtensionArray.from_storage(kind, storage)})).batches(5)
    first, second, third = batch.images["image"]
    assert second.is_empty
    assert (int(first.pixels.max()), int(third.pixels.min())) == (1, 3)  # type: ignore[union-attr]


def test_arrays_that_are_no_images_are_one_line(tmp_path: Path) -> None:
    """Floats, channels first, columns first, pickles, vectors, a file that is cut short."""
    path = tmp_path / "t.npy"
    images = np.zeros((6, 4, 5, 3), np.uint8)
    expected = 'image column "image": expected string paths, binary, {bytes, path} or uint8 [h, w, 3], got '
    mend = " (t.npy); name the right column with --columns image=..."
    cases: list[tuple[Any, str]] = [
        (images.astype(np.float32), f"{expected}float [4, 5, 3]{mend}"),
        (images.transpose(0, 3, 1, 2).copy(), f"{expected}uint8 [3, 4, 5]{mend}"),
        (
            np.asfortranarray(images),
            "table: expected arrays that can be read, got image in column order, "
            "np.ascontiguousarray mends that (t.npy)",
        ),
        (np.array([None, "x"]), "table: expected arrays that can be read, got pickled objects (t.npy)"),
        (
            np.zeros((3, 4), np.float32),
            "array: expected uint8 [N, h, w, 3], or one picture [h, w, 3], got no array of images (t.npy)",
        ),
        (images[:0], "table: expected rows, got none (t.npy)"),
    ]
    for array, text in cases:
        np.save(path, array)
        with pytest.raises(DataError) as caught:
            open_table(path)
        assert str(caught.value) == text
    np.save(path, images)
    path.write_bytes(path.read_bytes()[:-70])
    with pytest.raises(DataError) as caught:
        list(open_table(path).batches(2))
    assert str(caught.value) == "table: expected arrays that can be read, got cut short in row 4 (t.npy)"
    (tmp_path / "t.npz").write_bytes(b"PK no zip")
    with pytest.raises(DataError, match=r"^table: expected arrays that can be read, got File is not a zip file"):
        open_table(tmp_path / "t.npz")
