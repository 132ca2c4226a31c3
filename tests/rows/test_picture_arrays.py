"""NumPy files of one picture: images wherever images are named, with the pixels of a PNG of the same array."""

from __future__ import annotations

import io
import re
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from artifact.errors import DataError
from artifact.images.decoding import decode_image
from artifact.images.image_error import ImageError
from rows.formats.folder import list_images
from rows.images import ImageRef
from rows.picture_arrays import picture_file
from rows.tables import open_table

SHAPES = [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4), (3, 4), (4, 3, 3)]


def _array(shape: tuple[int, ...], seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _by_pillow(array: Any) -> Any:
    """The pixels of the same array as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(array[..., 0] if array.shape[2:] == (1,) else array).save(file, "PNG")
    return decode_image(file.getvalue())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_file_of_one_picture_is_a_table_of_one_row(suffix: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    """Its id is its name; grey, colour and transparency give what a PNG gives."""
    path, array = tmp_path / f"digit.{suffix}", _array(shape)
    if suffix == "npy":
        np.save(path, array)
    else:
        np.savez_compressed(path, arr_0=array, label=np.array([3]))
    table = open_table(path)
    (batch,) = table.batches(4)
    assert batch.copied["id"].to_pylist() == [path.name]
    (ref,) = batch.images["image"]
    np.testing.assert_array_equal(decode_image(ref.read()), _by_pillow(array))
    assert len(table.notes) == (len(shape) == 3)


@pytest.mark.parametrize("name", ["data:image,x.npy", f"{'A' * 200}.npy", "12:30.npy"])
def test_name_of_a_file_of_one_picture_is_no_cell(name: str, tmp_path: Path) -> None:
    """Names that in a cell would be a URL, or an image in letters."""
    np.save(tmp_path / name, _array((5, 7, 3)))
    ((ref,),) = [batch.images["image"] for batch in open_table(tmp_path / name).batches(4)]
    np.testing.assert_array_equal(decode_image(ref.read()), _by_pillow(_array((5, 7, 3))))


def test_three_axes_are_said_to_be_one_picture_once(tmp_path: Path) -> None:
    """And how so many pictures of three columns would be written."""
    np.save(tmp_path / "a.npy", _array((28, 28, 3)))
    assert open_table(tmp_path / "a.npy").notes == [
        "a.npy: an array [28, 28, 3] is one picture; 28 pictures of 28 x 3 px are saved as [28, 28, 3, 1]"
    ]
    np.save(tmp_path / "many.npy", _array((28, 28, 3, 1)))
    assert (open_table(tmp_path / "many.npy").num_rows, open_table(tmp_path / "many.npy").notes) == (28, [])
    np.save(tmp_path / "grey.npy", _array((9, 28, 28)))
    assert (open_table(tmp_path / "grey.npy").num_rows, open_table(tmp_path / "grey.npy").notes) == (9, [])


def test_pictures_of_several_sizes_are_one_table(tmp_path: Path) -> None:
    """A pattern of such files: each has its own size, and its name as id."""
    for number, shape in enumerate(SHAPES):
        np.save(tmp_path / f"{number}.npy", _array(shape, number))
    table = open_table(str(tmp_path / "*.npy"))
    refs = [ref for batch in table.batches(2) for ref in batch.images["image"]]
    for number, (ref, shape) in enumerate(zip(refs, SHAPES, strict=True)):
        np.testing.assert_array_equal(decode_image(ref.read()), _by_pillow(_array(shape, number)))


def test_folders_of_such_files_are_image_folders(tmp_path: Path) -> None:
    """With class folders or flat; arrays that are no picture are passed over and counted, .npz files too."""
    for name in ("a/1.npy", "a/2.NPY", "b/3.npy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        with open(tmp_path / name, "wb") as file:
            np.save(file, _array((6, 6)))
    np.save(tmp_path / "a/labels.npy", np.arange(4))
    np.save(tmp_path / "a/many.npy", _array((4, 6, 6)))
    np.savez(tmp_path / "b/x.npz", _array((6, 6)))
    found = list_images(tmp_path)
    assert found.names == ["a/1.npy", "a/2.NPY", "b/3.npy"]
    assert found.passed_over == {".npy": 2, ".npz": 1}
    table = open_table(tmp_path / "b")
    assert [ref for batch in table.batches(9) for ref in batch.images["image"]] == [
        ImageRef(path=tmp_path / "b" / "3.npy")
    ]


def test_folder_of_arrays_of_many_pictures_stays_a_table(tmp_path: Path) -> None:
    """One file of pictures after the other, as before."""
    for number in (1, 2):
        np.save(tmp_path / f"{number}.npy", _array((3, 6, 6)))
    assert open_table(tmp_path).num_rows == 6


def test_cells_name_such_files(tmp_path: Path) -> None:
    """A path in a table, of a .npy or an .npz file."""
    np.save(tmp_path / "x.npy", _array((6, 6, 4)))
    np.savez(tmp_path / "y.npz", picture=_array((6, 6)))
    (tmp_path / "t.csv").write_text("image\nx.npy\ny.npz\n")
    (batch,) = open_table(tmp_path / "t.csv").batches(9)
    for ref, array in zip(batch.images["image"], (_array((6, 6, 4)), _array((6, 6))), strict=True):
        np.testing.assert_array_equal(decode_image(ref.read()), _by_pillow(array))


def test_many_pictures_with_transparency_lie_over_white(tmp_path: Path) -> None:
    """[N, h, w, 4], as a file and as a column."""
    array = _array((3, 5, 7, 4))
    np.save(tmp_path / "t.npy", array)
    for source in (tmp_path / "t.npy", pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(array)})):
        refs = [ref for batch in open_table(source).batches(9) for ref in batch.images["image"]]
        for ref, each in zip(refs, array, strict=True):
            np.testing.assert_array_equal(ref.pixels, _by_pillow(each))


def test_bytes_of_a_picture_are_the_same_everywhere(tmp_path: Path) -> None:
    """No compressor has a say in them: hashes of content follow from the pixels alone."""
    np.save(tmp_path / "x.npy", np.arange(6, dtype=np.uint8).reshape(2, 3))
    assert ImageRef(path=tmp_path / "x.npy").read() == b"P5 3 2 255\n\0\1\2\3\4\5"


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((4, 4), np.float32), "an array of float32 [4, 4] and no picture, uint8 [h, w], "),
        (np.zeros((2, 5, 6), np.uint8), "an array of uint8 [2, 5, 6] and no picture, "),
        (np.zeros(4, np.uint8), "an array of uint8 [4] and no picture, "),
        (np.asfortranarray(np.zeros((4, 5), np.uint8)), "an array of uint8 [4, 5] in column order and no picture, "),
    ],
)
def test_arrays_that_are_no_picture_are_bad_rows_with_the_reason(array: Any, reason: str, tmp_path: Path) -> None:
    """Where a cell names one."""
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(ImageError, match=f"^{re.escape(reason)}"):
        ImageRef(path=tmp_path / "x.npy").read()


def test_damaged_files_are_bad_rows(tmp_path: Path) -> None:
    """Cut short, no array, no archive, an archive of two pictures, an array that would fill memory."""
    np.save(tmp_path / "cut.npy", _array((40, 40)))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:-1])
    (tmp_path / "none.npy").write_bytes(b"text")
    (tmp_path / "none.npz").write_bytes(b"PK\3\4text")
    np.savez(tmp_path / "two.npz", a=_array((4, 4)), b=_array((4, 4)))
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros((24_000, 24_000), np.uint8))
    for name, reason in {
        "cut.npy": "an array that is cut short",
        "none.npy": "not a readable array",
        "none.npz": "not a readable array: File is not a zip file",
        "two.npz": "an .npz file without an only array that is one picture",
        "bomb.npz": "an array of 576,000,000 bytes is over the limit",
    }.items():
        with pytest.raises(ImageError, match=f"^{reason}"):
            ImageRef(path=tmp_path / name).read()
    with pytest.raises(DataError, match=r"^array: .*got 2 pictures: 'a', 'b' \(two.npz\)$"):
        open_table(tmp_path / "two.npz")


def test_no_more_of_an_archive_is_unpacked_than_its_header_says(tmp_path: Path) -> None:
    """Behind a picture of a few bytes there may be gigabytes of zeros that fit in a small file."""
    file = io.BytesIO()
    np.save(file, _array((5, 4)))
    with zipfile.ZipFile(tmp_path / "long.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", file.getvalue() + bytes(256 << 20))
    data = (tmp_path / "long.npz").read_bytes()
    tracemalloc.start()
    picture = picture_file(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(picture))), _array((5, 4)))
    assert peak < 32 << 20
