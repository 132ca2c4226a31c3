"""Tables and images in object storage, through fsspec's own file system in memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from upath import UPath

from artifact.errors import DataError
from artifact.images.image_error import ImageError
from rows import location
from rows.images import ImageRef
from rows.tables import open_table
from tests.shared.row_tables import NUM_ROWS, WRITERS, number, rows, write_images


@pytest.fixture
def bucket() -> Iterator[UPath]:
    """An empty folder of the memory file system."""
    store = fsspec.filesystem("memory")
    store.makedirs("/bucket/data", exist_ok=True)
    yield UPath("memory://bucket/data")
    store.rm("/bucket", recursive=True)


def upload(folder: Path, to: UPath) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            target = to / file.relative_to(folder).as_posix()
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_is_read_from_a_bucket(suffix: str, bucket: UPath, tmp_path: Path) -> None:
    """The rows of the local table, images included, from any start; paths are relative to the remote folder."""
    write_images(tmp_path)
    path = WRITERS[suffix](tmp_path)
    upload(tmp_path, bucket)
    local, remote = open_table(path), open_table(f"memory://bucket/data/{path.name}")
    for start in (0, 5, 22):
        expected, found = list(local.batches(7, start)), list(remote.batches(7, start))
        assert [batch.copied for batch in found] == [batch.copied for batch in expected]
        numbers = [number(ref) for batch in found for ref in batch.images["image"]]
        assert numbers == list(range(start, NUM_ROWS))
    assert remote.fingerprint == open_table(bucket / path.name).fingerprint


def test_patterns_folders_and_lists_of_urls(bucket: UPath, tmp_path: Path) -> None:
    """As on a disk: several files of one format, image folders with hidden things left out, and mixed places."""
    for i in range(3):
        (bucket / f"shards/{i}.csv").parent.mkdir(parents=True, exist_ok=True)
        (bucket / f"shards/{i}.csv").write_text(f"image\n{i}.png\n")
        (bucket / f"images/{i % 2}/{i}.png").parent.mkdir(parents=True, exist_ok=True)
        (bucket / f"images/{i % 2}/{i}.png").write_text(str(i))
    (bucket / "images/.hidden").mkdir()
    (bucket / "images/.hidden/x.png").write_text("x")
    for source in (
        "memory://bucket/data/shards",
        "memory://bucket/data/shards/*.csv",
        bucket / "shards",
        "memory://bucket/data/shards/{0..2}.csv",
    ):
        (batch,) = open_table(source).batches(9)
        assert batch.ids == ["0.png", "1.png", "2.png"]
        assert str(batch.images["image"][2].path) == "memory://bucket/data/shards/2.png"
    (batch,) = open_table(str(bucket / "images")).batches(9)
    assert batch.copied.to_pydict() == {"id": ["0/0.png", "0/2.png", "1/1.png"], "label": ["0", "0", "1"]}
    assert [ref.read() for ref in batch.images["image"]] == [b"0", b"2", b"1"]
    (tmp_path / "t.csv").write_text("image\nmemory://bucket/data/images/0/2.png\n")
    (batch,) = open_table([tmp_path / "t.csv", bucket / "shards/1.csv"]).batches(9)
    assert batch.images["image"][0].read() == b"2"


def test_cells_may_be_urls_and_climb_out_of_the_folder(bucket: UPath) -> None:
    """URLs, paths from the bucket's root, and `..`; what cannot be read is a bad row with its URL."""
    (bucket / "a.png").write_bytes(b"12345")
    (bucket / "sub").mkdir()
    lines = ["memory://bucket/data/a.png", "../a.png", "/bucket/data/a.png", "gone.png", "nosuch://a.png", "../sub"]
    (bucket / "sub/t.csv").write_text("image\n" + "\n".join(lines) + "\n")
    (batch,) = open_table(bucket / "sub/t.csv").batches(9)
    good, bad = batch.images["image"][:3], batch.images["image"][3:]
    assert len({ref.read() for ref in good}) == 1
    with pytest.raises(
        ImageError, match=r"^over the limit of 4 bytes; raise it with --max-image-mb: memory://bucket/data/a\.png$"
    ):
        good[0].read(max_bytes=4)
    with pytest.raises(ImageError, match=r"^no such file: memory://bucket/data/sub/gone\.png$"):
        bad[0].read()
    for ref in bad[1:]:
        with pytest.raises(ImageError):
            ref.read()
    assert len({*good[:2], ImageRef(path=bucket / "a.png")}) == 1


def test_remote_table_that_changes_is_named(bucket: UPath) -> None:
    """Written again with the same size, and removed."""
    (bucket / "t.csv").write_text("image\na.png\n")
    table = open_table(bucket / "t.csv")
    table.require_unchanged()
    (bucket / "t.csv").write_text("image\nb.png\n")
    with pytest.raises(DataError, match=r"got another size or time \(memory://bucket/data/t\.csv\)"):
        table.require_unchanged()
    (bucket / "t.csv").unlink()
    with pytest.raises(DataError, match="got nothing there"):
        table.require_unchanged()


def test_missing_packages_and_places_are_one_line(monkeypatch: pytest.MonkeyPatch, bucket: UPath) -> None:
    """A protocol without its package says what to install; an unknown one and a missing file say so."""
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    location._complaint.cache_clear()
    lines = {
        "s3://b/t.csv": "s3:// in a location: expected the package of that protocol, got Install s3fs to access S3; "
        "pip install 'lookalike[s3]'",
        "gs://b/*.tar": "gs:// in a location: expected the package of that protocol, got Please install gcsfs to "
        "access Google Storage; pip install 'lookalike[gcs]'",
        "nosuch://b/t.csv": "nosuch:// in a location: expected a protocol that fsspec knows, got nosuch",
        "memory://bucket/gone.csv": "table: expected a file that can be read, got nothing there "
        "(memory://bucket/gone.csv)",
    }
    for source, text in lines.items():
        with pytest.raises(DataError) as caught:
            open_table(source)
        assert str(caught.value) == text
    location._complaint.cache_clear()


def test_local_tables_do_not_import_fsspec(tmp_path: Path) -> None:
    """Neither the import nor a table on this disk; a URL does."""
    write_images(tmp_path)
    path = WRITERS[".csv"](tmp_path)
    code = (
        "import sys\nfrom rows.tables import open_table\n"
        "print(len(list(open_table(sys.argv[1]).batches(9))), {'fsspec', 'upath'} & set(sys.modules))\n"
    )
    found = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert found.stdout == f"{-(-len(rows()) // 9)} set()\n"
