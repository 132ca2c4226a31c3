"""Pictures of the rows of a table of vectors: joined by id with image tables of every format, beside a plain loop."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from artifact.errors import DataError, UsageError
from artifact.images.decoding import decode_image
from artifact.images.image_error import ImageError
from artifact.images.limits import Limits
from rows.pictures.joined import BadPicture, Pictures
from rows.pictures.opened import open_pictures
from rows.pictures.tally import RowIds
from rows.vectors.table import VectorTable
from tests.shared import image_bombs
from tests.shared.misbehaving_web import misbehaving_web, served
from tests.shared.pictures import noise, pictures, png
from tests.shared.row_tables import write_members

NUM_IMAGES, PX = 23, 16
FILES = {f"{number:03d}": png(each) for number, each in enumerate(noise(NUM_IMAGES, 12))}


def vectors(ids: Sequence[object]) -> VectorTable:
    """A table of as many vectors, whose values say nothing."""
    return VectorTable.from_arrays(np.ones((len(ids), 2), np.float32), {"id": list(ids)})


def write_files(folder: Path) -> dict[str, Path]:
    """{id: file}."""
    (folder / "pics").mkdir(parents=True, exist_ok=True)
    for name, data in FILES.items():
        (folder / "pics" / f"{name}.png").write_bytes(data)
    return {name: folder / "pics" / f"{name}.png" for name in FILES}


def write_csv(folder: Path) -> Path:
    write_files(folder)
    (folder / "t.csv").write_text("id,image\n" + "".join(f"{name},pics/{name}.png\n" for name in FILES))
    return folder / "t.csv"


def write_base64(folder: Path) -> Path:
    lines = [json.dumps({"id": name, "image": base64.b64encode(data).decode()}) for name, data in FILES.items()]
    (folder / "t.jsonl").write_text("\n".join(lines))
    return folder / "t.jsonl"


def write_bytes(folder: Path) -> Path:
    table = pa.table({"id": list(FILES), "image": list(FILES.values())})
    parquet.write_table(table, folder / "t.parquet", row_group_size=5)
    return folder / "t.parquet"


def write_arrow(folder: Path) -> Path:
    table = pa.table({"id": list(FILES), "image": list(FILES.values())})
    with pa.ipc.new_file(str(folder / "t.arrow"), table.schema) as writer:
        writer.write_table(table, max_chunksize=4)
    return folder / "t.arrow"


def write_tar(folder: Path) -> Path:
    return write_members(folder / "t.tar", {f"{name}.png": data for name, data in FILES.items()})


def write_packed_tar(folder: Path) -> Path:
    return write_members(folder / "t.tgz", {f"{name}.png": data for name, data in FILES.items()})


def write_several(folder: Path) -> Path:
    (folder / "parts").mkdir()
    names = list(FILES)
    for number, some in enumerate((names[:9], names[9:])):
        table = pa.table({"id": some, "image": [FILES[name] for name in some]})
        parquet.write_table(table, folder / "parts" / f"{number}.parquet")
    return folder / "parts"


@pytest.mark.parametrize(
    "write", [write_csv, write_base64, write_bytes, write_arrow, write_tar, write_packed_tar, write_several]
)
def test_rows_get_the_pictures_of_their_ids_from_every_format(write: Callable[[Path], Path], tmp_path: Path) -> None:
    """Rows in another order, one without a picture; pixels, sizes, hashes and single reads as a plain loop has them."""
    ids = [*reversed(FILES), "none"]
    found = open_pictures(vectors(ids), write(tmp_path))
    assert found is not None
    small = dict(found.thumbnails(PX))
    assert sorted(small) == list(range(NUM_IMAGES))
    for row, thumbnail in small.items():
        data = FILES[ids[row]]
        np.testing.assert_array_equal(thumbnail.pixels, decode_image(data))
        assert (thumbnail.width, thumbnail.height) == (12, 12)
        assert thumbnail.sha256 == hashlib.sha256(data).hexdigest()
    expected = [hashlib.sha256(FILES[name]).hexdigest() if name in FILES else None for name in ids]
    assert found.hashes() == expected
    again = open_pictures(vectors(ids), write(tmp_path)) if write is not write_several else found
    assert again is not None
    assert again.hashes() == expected
    assert [again.read(row) for row in (0, 7, 22)] == [FILES[ids[row]] for row in (0, 7, 22)]
    np.testing.assert_array_equal(again.thumbnail(5, PX).pixels, decode_image(FILES[ids[5]]))
    assert found.bad == [BadPicture(row=23, id="none", reason=f"not in {found.source}")]
    with pytest.raises(ImageError, match="not in"):
        again.read(23)


def test_arrays_of_pixels_have_pictures_by_row_number(tmp_path: Path) -> None:
    """Ids that are integers; the hash is that of shape and pixels, and a single read a PNG."""
    images = noise(9, 20)
    np.save(tmp_path / "t.npy", images)
    found = open_pictures(vectors([8, 3]), tmp_path / "t.npy")
    assert found is not None
    small = dict(found.thumbnails(32))
    np.testing.assert_array_equal(small[0].pixels, images[8])
    np.testing.assert_array_equal(small[1].pixels, images[3])
    digest = hashlib.sha256(repr((20, 20, 3)).encode() + images[3].tobytes()).hexdigest()
    assert [each.sha256 for each in small.values()][::-1] != [digest] * 2
    assert found.hashes()[1] == digest
    np.testing.assert_array_equal(decode_image(found.read(1)), images[3])


def test_ids_are_compared_as_text(tmp_path: Path) -> None:
    """Numbers in the vectors, text in the table of images, and letters of any script."""
    files = {"7": FILES["000"], "08": FILES["001"], "зебра €.png": FILES["002"]}
    parquet.write_table(pa.table({"id": list(files), "image": list(files.values())}), tmp_path / "t.parquet")
    numbers = open_pictures(vectors([7, 8]), tmp_path / "t.parquet")
    assert numbers is not None
    assert [row for row, _ in numbers.thumbnails(PX)] == [0]
    words = open_pictures(vectors(["зебра €.png"]), tmp_path / "t.parquet")
    assert words is not None
    assert words.read(0) == FILES["002"]


def test_double_ids_have_the_first_picture_and_are_told(tmp_path: Path) -> None:
    """Twice in the table of images: the first counts; twice among the rows: both have it."""
    names = ["a", "b", "a", "c"]
    data = list(FILES.values())[:4]
    parquet.write_table(pa.table({"id": names, "image": data}), tmp_path / "t.parquet")
    found = open_pictures(vectors(["c", "a", "a"]), tmp_path / "t.parquet")
    assert found is not None
    small = dict(found.thumbnails(PX))
    assert sorted(small) == [0, 1, 2]
    for row, place in ((0, 3), (1, 0), (2, 0)):
        np.testing.assert_array_equal(small[row].pixels, decode_image(data[place]))
        assert found.read(row) == data[place]
    assert found.notes == [f"1 image has the id of an earlier one in {tmp_path / 't.parquet'}, which counts"]


def test_bad_pictures_are_listed_and_end_nothing(tmp_path: Path) -> None:
    """No image, none there, empty, over a limit by its header: each with its reason; the others come."""
    write_files(tmp_path)
    (tmp_path / "pics" / "000.png").write_bytes(b"no image")
    (tmp_path / "pics" / "001.png").unlink()
    (tmp_path / "pics" / "002.png").write_bytes(image_bombs.png(60000, 60000))
    rows = [*(f"{name},pics/{name}.png" for name in FILES), "empty,"]
    (tmp_path / "t.csv").write_text("id,image\n" + "\n".join(rows) + "\n")
    ids = [*FILES, "empty", "gone", "gone too"]
    found = open_pictures(vectors(ids), tmp_path / "t.csv")
    assert found is not None
    assert [row for row, _ in found.thumbnails(PX)] == list(range(3, NUM_IMAGES))
    reasons = {each.id: each.reason for each in found.bad}
    assert list(reasons) == ["000", "001", "002", "empty", "gone", "gone too"]
    assert reasons["000"].startswith("not an image in any of")
    assert reasons["001"].startswith("no such file")
    assert "over the limit of 128 megapixels" in reasons["002"]
    assert reasons["empty"] == "no image: the cell is empty"
    assert reasons["gone"] == f"not in {tmp_path / 't.csv'}"
    assert [line.partition(":")[0] for line in found.notes] == [
        f"2 of 26 rows have no picture in {tmp_path / 't.csv'}",
        "4 pictures cannot be read, such as '000'",
    ]
    assert found.hashes()[0] == hashlib.sha256(b"no image").hexdigest()
    assert found.hashes()[1] is None
    small = open_pictures(vectors(ids), tmp_path / "t.csv", limits=Limits(max_bytes=20))
    assert small is not None
    assert not list(small.thumbnails(PX))


def test_every_sort_of_picture_is_joined(tmp_path: Path) -> None:
    """16 bits, CMYK, alpha, animated, EXIF: as the one decoder gives them, shrunk."""
    files = pictures()
    parquet.write_table(pa.table({"id": list(files), "image": list(files.values())}), tmp_path / "t.parquet")
    found = open_pictures(vectors(list(files)), tmp_path / "t.parquet")
    assert found is not None
    small = dict(found.thumbnails(32))
    assert (len(small), found.bad) == (len(files), [])
    for row, data in enumerate(files.values()):
        whole = decode_image(data)
        assert (small[row].height, small[row].width) == whole.shape[:2]
        assert max(small[row].pixels.shape[:2]) == min(32, max(whole.shape[:2]))
        with Image.open(io.BytesIO(small[row].data)) as image:
            assert (image.format, image.size) == ("JPEG", small[row].pixels.shape[1::-1])


def test_wrong_ids_are_told_with_both_sides(tmp_path: Path) -> None:
    """No row has a picture: what the ids look like here and there."""
    found = open_pictures(vectors(["r1", "r2"]), write_bytes(tmp_path))
    assert found is not None
    assert not list(found.thumbnails(PX))
    assert found.notes == [f"no row has a picture: ids are such as 'r1', and in {tmp_path / 't.parquet'} such as '000'"]


def test_columns_are_named_as_for_scoring(tmp_path: Path) -> None:
    """The image column and that of the ids; and one row is a table too."""
    table = pa.table({"sku": [5, 6], "photo": list(FILES.values())[:2], "other": list(FILES.values())[2:4]})
    parquet.write_table(table, tmp_path / "t.parquet")
    found = open_pictures(vectors(["6"]), tmp_path / "t.parquet", columns={"image": "photo"}, id_column="sku")
    assert found is not None
    assert found.read(0) == FILES["001"]
    with pytest.raises(DataError, match="no such column"):
        open_pictures(vectors(["6"]), tmp_path / "t.parquet", columns={"image": "foto"})
    with pytest.raises(UsageError, match="expected one of image"):
        open_pictures(vectors(["6"]), tmp_path / "t.parquet", columns={"anchor": "photo"})
    with pytest.raises(DataError, match="nothing there"):
        open_pictures(vectors(["6"]), tmp_path / "nowhere")


def test_remote_images_are_read_at_their_urls(tmp_path: Path) -> None:
    """Over http; one that is not there is a bad picture."""
    pytest.importorskip("aiohttp", reason="the extra `http` brings it")
    with misbehaving_web() as web:
        for name, data in FILES.items():
            web.ways[f"image{name}"] = served(data)
        paths = [*FILES, "nothing"]
        (tmp_path / "t.csv").write_text("id,image\n" + "".join(f"{name},{web.url}image{name}\n" for name in paths))
        found = open_pictures(vectors(paths), tmp_path / "t.csv")
        assert found is not None
        small = dict(found.thumbnails(PX))
        assert (sorted(small), len(found.notes)) == (list(range(NUM_IMAGES)), 1)
        np.testing.assert_array_equal(small[9].pixels, decode_image(FILES["009"]))
        assert [each.id for each in found.bad] == ["nothing"]
        assert found.read(4) == FILES["004"]


def test_memory_does_not_grow_with_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """400 pictures of 100 kB in their table, read in megabytes: a few of them at a time."""
    monkeypatch.setattr("rows.pictures.joined._BYTES_PER_READ", 2**20)
    data = [png(each) for each in noise(4, 180)]
    names = [str(number) for number in range(400)]
    with parquet.ParquetWriter(tmp_path / "t.parquet", pa.schema({"id": pa.string(), "image": pa.binary()})) as writer:
        for first in range(0, 400, 20):
            some = names[first : first + 20]
            writer.write_table(pa.table({"id": some, "image": [data[int(name) % 4] for name in some]}))
    found = open_pictures(vectors(names), tmp_path / "t.parquet")
    assert found is not None
    tracemalloc.start()
    try:
        count = sum(1 for _ in found.thumbnails(PX))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    whole = sum(len(data[int(name) % 4]) for name in names)
    assert count == 400
    assert peak < whole / 4


def test_whoever_stops_ends_the_reading(tmp_path: Path) -> None:
    """A few are taken; nothing is known of the rest, and the next pass begins anew."""
    found = open_pictures(vectors(list(FILES)), write_csv(tmp_path))
    assert found is not None
    some = found.thumbnails(PX)
    assert [next(some)[0] for _ in range(3)] == [0, 1, 2]
    some.close()  # type: ignore[attr-defined]
    assert (found.bad, found.notes) == ([], [])
    assert len(dict(found.thumbnails(PX))) == NUM_IMAGES


def test_a_table_that_changed_gives_no_picture_of_another_row(tmp_path: Path) -> None:
    """Read by its place, and compared by its id."""
    found = open_pictures(vectors(list(FILES)), write_bytes(tmp_path))
    assert found is not None
    assert found.read(2) == FILES["002"]
    names = list(FILES)[::-1]
    table = pa.table({"id": names, "image": [FILES[name] for name in names]})
    parquet.write_table(table, tmp_path / "t.parquet", row_group_size=5)
    with pytest.raises(ImageError, match="any more, which has changed"):
        found.read(2)


@pytest.mark.parametrize(
    ("write", "can"), [(write_csv, True), (write_bytes, True), (write_tar, True), (write_base64, False)]
)
def test_tables_tell_whether_one_picture_can_be_had(write: Callable[[Path], Path], can: bool, tmp_path: Path) -> None:
    """Not of one that must be read from its start for each."""
    found = open_pictures(vectors(list(FILES)), write(tmp_path))
    assert found is not None
    found.hashes()
    assert found.can_read_any is can


def test_sizes_of_thumbnails_have_ends() -> None:
    """A side of a few pixels, or of thousands, is a mistake; so is nothing to take pictures from."""
    with pytest.raises(ValueError, match="expected a table of images"):
        Pictures(["a"], None)
    assert RowIds(["a", "b", "a"]).rows("a") == (0, 2)


@pytest.mark.parametrize("px", [0, 15, 1025])
def test_impossible_sizes_are_refused(px: int, tmp_path: Path) -> None:
    """In one line, before anything is read."""
    found = open_pictures(vectors(list(FILES)), write_csv(tmp_path))
    assert found is not None
    with pytest.raises(UsageError, match="side of a thumbnail: expected 16 to 1024 px"):
        next(iter(found.thumbnails(px)))
