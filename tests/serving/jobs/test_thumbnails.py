"""Thumbnails that a job writes beside its parts: made on the way, whole with each part, and found by who shows rows."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from artifact.errors import DataError, OutputError, UsageError
from artifact.images.decoding import decode_image
from artifact.images.image_error import ImageError
from artifact.images.shrunk import shrink_pixels
from rows.images import ImageRef
from rows.pictures.opened import open_pictures
from rows.tables import ImageTable, open_table
from rows.vectors.table import VectorTable
from serving.client.scorer import Scorer
from serving.jobs import part_files
from serving.jobs.merging import merge_shards
from serving.jobs.scoring import score_table
from serving.jobs.shards import Shard
from tests.shared.job_tables import csv_of_images, files_of, folder_of_images, read_manifest, read_rows, score
from tests.shared.pictures import encode, pictures
from tests.shared.scored_images import BAD, write_images
from tests.shared.serving_urls import serve

MODELS = ["triplet_branch", "triplet_full"]
PX = 16


def read_thumbnails(output: Path) -> pa.Table:
    """Those of all parts, in table order."""
    return pa.concat_tables([parquet.read_table(path) for path in sorted(output.glob("thumbnails-*.parquet"))])


def scored(table: Path, repository: Path, output: Path, **options: Any) -> Path:
    """A job in parts of 6 rows."""
    score(open_table(table), repository, output, rows_per_part=6, thumbnails_px=PX, **options)
    return output


def test_every_scored_row_has_its_picture_size_and_hash(repository: Path, tmp_path: Path) -> None:
    """Rows, ids and order are those of the parts; the size of the original, and the SHA-256 of its file."""
    paths = write_images(tmp_path / "images", 20)
    paths[7].write_bytes(BAD)
    output = scored(csv_of_images(tmp_path / "t.csv", [*paths, paths[2]]), repository, tmp_path / "out")
    found = read_thumbnails(output)
    assert found.column_names == ["row", "id", "thumbnail", "width", "height", "sha256"]
    rows = [row for row in range(21) if row != 7]
    assert found["row"].to_pylist() == rows
    assert found["id"].to_pylist() == read_rows(output)["id"].to_pylist() == [f"r{row}" for row in rows]
    for line in found.to_pylist():
        data = [*paths, paths[2]][line["row"]].read_bytes()
        pixels = decode_image(data)
        assert (line["height"], line["width"]) == pixels.shape[:2]
        assert line["sha256"] == hashlib.sha256(data).hexdigest()
        with Image.open(io.BytesIO(line["thumbnail"])) as image:
            assert (image.format, image.size) == ("JPEG", shrink_pixels(pixels, PX).pixels.shape[1::-1])
    assert {path.name.partition("-")[2] for path in output.glob("thumbnails-*")} == {
        path.name.partition("-")[2] for path in output.glob("part-*")
    }
    assert read_manifest(output)["job"]["thumbnails"] == PX


def test_vectors_are_those_of_a_job_without_thumbnails(repository: Path, tmp_path: Path) -> None:
    """To the byte, of files of every sort: what is made besides changes nothing."""
    table = pa.table({"id": list(pictures()), "image": list(pictures().values())})
    for name, px in (("plain", None), ("small", PX)):
        score(open_table(table), repository, tmp_path / name, thumbnails_px=px)
    plain, small = (np.array(VectorTable.open(tmp_path / name).matrix) for name in ("plain", "small"))
    np.testing.assert_array_equal(plain, small)
    for line, data in zip(read_thumbnails(tmp_path / "small").to_pylist(), pictures().values(), strict=True):
        expected = Image.fromarray(shrink_pixels(decode_image(data), PX).pixels)
        assert line["thumbnail"] == encode(expected, "JPEG", quality=85)


def test_images_that_a_server_decodes_have_thumbnails(repository: Path, tmp_path: Path) -> None:
    """Files go there as they are, and their small pictures are made here: one for each row, of the same originals."""
    paths = write_images(tmp_path / "images", 14)
    paths[3].write_bytes(BAD)
    table = csv_of_images(tmp_path / "t.csv", paths)
    here = scored(table, repository, tmp_path / "here")
    with serve("embedded", repository) as url, Scorer("triplet_branch", url=url, send="encoded") as scorer:
        score_table(open_table(table), scorer, tmp_path / "there", rows_per_part=6, thumbnails_px=PX)
    columns = ["row", "id", "width", "height", "sha256"]
    assert read_thumbnails(tmp_path / "there").select(columns).equals(read_thumbnails(here).select(columns))


def test_files_are_read_once(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the network and the thumbnail together."""
    table = open_table(csv_of_images(tmp_path / "t.csv", write_images(tmp_path / "images", 13)))
    read: list[object] = []
    plain = ImageRef._read_local

    def counted(ref: ImageRef, max_bytes: int) -> bytes:
        read.append(ref.path)
        return plain(ref, max_bytes)

    monkeypatch.setattr(ImageRef, "_read_local", counted)
    score(table, repository, tmp_path / "out", thumbnails_px=PX)
    assert len(read) == len(set(read)) == 13


class KillError(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("at", [0, 2])
def test_a_kill_between_thumbnails_and_part_costs_the_part(
    at: int, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thumbnails are there first; the part is made again, and the folder is that of a job that nobody disturbed."""
    table = csv_of_images(tmp_path / "t.csv", write_images(tmp_path / "images", 20))
    whole = scored(table, repository, tmp_path / "whole")
    plain = part_files.write_part

    def killed(path: Path, rows: pa.Table) -> None:
        if path.name == f"part-{at:05d}.parquet":
            raise KillError
        plain(path, rows)

    with monkeypatch.context() as patched:
        patched.setattr(part_files, "write_part", killed)
        with pytest.raises(KillError):
            scored(table, repository, tmp_path / "out")
    assert (tmp_path / "out" / f"thumbnails-{at:05d}.parquet").is_file()
    assert not (tmp_path / "out" / f"part-{at:05d}.parquet").is_file()
    (tmp_path / "out" / ".thumbnails-00003.parquet.x.tmp").write_bytes(b"half")
    scored(table, repository, tmp_path / "out")
    assert files_of(tmp_path / "out") == files_of(whole)


def test_a_part_without_its_thumbnails_is_not_done(repository: Path, tmp_path: Path) -> None:
    """Somebody removed them from a job that went on: the part is made again."""

    def stop(event: Mapping[str, Any]) -> None:
        if event["done"] >= 12:
            raise KillError

    table = csv_of_images(tmp_path / "t.csv", write_images(tmp_path / "images", 20))
    whole = scored(table, repository, tmp_path / "whole")
    with pytest.raises(KillError):
        scored(table, repository, tmp_path / "out", report=stop)
    manifest = read_manifest(tmp_path / "out") | {"parts": []}
    (tmp_path / "out" / "manifest.json").write_text(json.dumps(manifest))  # as a kill leaves it
    (tmp_path / "out" / "thumbnails-00000.parquet").unlink()
    scored(table, repository, tmp_path / "out")
    assert files_of(tmp_path / "out") == files_of(whole)


def test_thumbnails_belong_to_the_job(repository: Path, tmp_path: Path) -> None:
    """Others, or none, make another job; the same command again has nothing to do."""
    table = csv_of_images(tmp_path / "t.csv", write_images(tmp_path / "images", 8))
    output = scored(table, repository, tmp_path / "out")
    before = files_of(output)
    for px, words in ((None, "expected no thumbnails, got thumbnails of 16 px"), (32, "expected thumbnails of 32 px")):
        with pytest.raises(OutputError, match=words):
            score(open_table(table), repository, output, rows_per_part=6, thumbnails_px=px)
    scored(table, repository, output)
    assert files_of(output) == before


def test_shards_merge_to_the_folder_of_one_job(repository: Path, tmp_path: Path) -> None:
    """Their thumbnails too, to the byte; a retry in a shard since reaches the merged folder with its thumbnails."""
    paths = write_images(tmp_path / "images", 20)
    good = paths[7].read_bytes()
    paths[7].write_bytes(BAD)
    table = csv_of_images(tmp_path / "t.csv", paths)
    whole = scored(table, repository, tmp_path / "whole")
    shards = [scored(table, repository, tmp_path / f"s{each}", shard=Shard(each, 2)) for each in (1, 2)]
    merge_shards(shards, tmp_path / "merged")
    assert files_of(tmp_path / "merged") == files_of(whole)
    paths[7].write_bytes(good)
    scored(table, repository, shards[1], shard=Shard(2, 2), retry_errors=True)
    merge_shards(shards, tmp_path / "merged")
    assert read_thumbnails(tmp_path / "merged")["row"].to_pylist() == list(range(20))


def test_mended_rows_find_their_place_whatever_a_kill_left(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of three bad rows are mended, killed after the thumbnails, and mended again: parts and thumbnails agree."""
    paths = write_images(tmp_path / "images", 9)
    good = {row: paths[row].read_bytes() for row in (0, 3, 5)}
    for row in good:
        paths[row].write_bytes(BAD)
    table = csv_of_images(tmp_path / "t.csv", paths)
    output = scored(table, repository, tmp_path / "out")
    assert read_thumbnails(output)["row"].to_pylist() == [1, 2, 4, 6, 7, 8]
    for row in (0, 5):
        paths[row].write_bytes(good[row])

    def killed(path: Path, rows: pa.Table) -> None:
        raise KillError

    with monkeypatch.context() as patched:
        patched.setattr(part_files, "write_part", killed)
        with pytest.raises(KillError):
            scored(table, repository, output, retry_errors=True)
    assert len(read_thumbnails(output)) > len(read_rows(output))
    scored(table, repository, output, retry_errors=True)
    found = read_thumbnails(output)
    assert found["row"].to_pylist() == [0, 1, 2, 4, 5, 6, 7, 8]
    assert found["id"].to_pylist() == read_rows(output)["id"].to_pylist()
    assert [line["sha256"] for line in found.to_pylist()] == [
        hashlib.sha256(paths[row].read_bytes()).hexdigest() for row in found["row"].to_pylist()
    ]


def test_tables_of_tuples_and_impossible_sizes_are_refused(repository: Path, tmp_path: Path) -> None:
    """In one line, before anything is written."""
    paths = write_images(tmp_path / "images", 4)
    tuples = pa.table({name: [str(path) for path in paths] for name in ("anchor", "positive", "negative")})
    streams = ("anchor", "positive", "negative")
    with pytest.raises(UsageError, match="thumbnails: expected a table with one image a row, got 3 streams"):
        score(open_table(tuples, streams=streams), repository, tmp_path / "out", "triplet_full", thumbnails_px=PX)
    for px in (15, 1025):
        with pytest.raises(UsageError, match="side of a thumbnail: expected 16 to 1024 px"):
            score(open_table(paths[0].parent), repository, tmp_path / "out", thumbnails_px=px)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def job(repository: Path, tmp_path: Path) -> Path:
    """A job over 20 images in a folder, one of which is bad."""
    return scored(folder_of_images(tmp_path / "pictures", 20, bad=(4,)), repository, tmp_path / "out")


def test_written_thumbnails_are_shown_without_the_images(job: Path, tmp_path: Path) -> None:
    """The folder is gone: small pictures, hashes and one thumbnail are there; whole pictures are not, and say so."""
    before = open_pictures(VectorTable.open(job))
    assert before is not None
    expected = {row: (each.data, each.sha256) for row, each in before.thumbnails(PX)}
    assert len(before.read(0)) > 0
    (tmp_path / "pictures").rename(tmp_path / "moved")
    found = open_pictures(VectorTable.open(job))
    assert found is not None
    assert {row: (each.data, each.sha256) for row, each in found.thumbnails(PX)} == expected
    assert found.hashes() == [sha256 for _, sha256 in expected.values()]
    assert (found.thumbnail(11, PX).data, found.bad, found.can_read_any) == (expected[11][0], [], False)
    with pytest.raises(ImageError, match="not there: there are only the thumbnails of"):
        found.read(0)


def test_written_thumbnails_spare_decoding(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the size, or of a smaller one, are not made of the images again; larger ones are."""

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("an image was read")

    with monkeypatch.context() as patched:
        patched.setattr(ImageRef, "read", refused)
        found = open_pictures(VectorTable.open(job))
        assert found is not None
        assert len(dict(found.thumbnails(PX))) == 19
        assert found.thumbnail(3, PX) is not None
    larger = open_pictures(VectorTable.open(job))
    assert larger is not None
    assert max(max(each.pixels.shape[:2]) for _, each in larger.thumbnails(64)) > PX


def test_another_table_than_the_jobs_is_read_itself(job: Path, tmp_path: Path) -> None:
    """Who names it means it; who names the job's own has what the job left."""
    (tmp_path / "pictures").rename(tmp_path / "moved")
    found = open_pictures(VectorTable.open(job), tmp_path / "moved")
    assert found is not None
    assert len(dict(found.thumbnails(PX))) == 19
    assert found.source == str(tmp_path / "moved")
    (tmp_path / "moved").rename(tmp_path / "pictures")
    own = open_pictures(VectorTable.open(job), tmp_path / "pictures")
    assert own is not None
    first = next(iter(own.thumbnails(PX)))[1]
    assert first.data == read_thumbnails(job)["thumbnail"][0].as_py()


def test_a_job_without_thumbnails_names_its_table(repository: Path, tmp_path: Path) -> None:
    """With its columns, by which pictures are found again; where it is gone, nobody knows of any."""
    paths = write_images(tmp_path / "images", 6)
    table = pa.table({"sku": [f"s{row}" for row in range(6)], "photo": [path.read_bytes() for path in paths]})
    parquet.write_table(table, tmp_path / "t.parquet")
    opened = open_table(tmp_path / "t.parquet", columns={"image": "photo"}, id_column="sku")
    score(opened, repository, tmp_path / "out")
    assert read_manifest(tmp_path / "out")["id_column"] == "sku"
    found = open_pictures(VectorTable.open(tmp_path / "out"))
    assert found is not None
    assert found.read(4) == paths[4].read_bytes()
    (tmp_path / "t.parquet").unlink()
    assert open_pictures(VectorTable.open(tmp_path / "out")) is None


def test_another_column_than_the_jobs_is_read_itself(repository: Path, tmp_path: Path) -> None:
    """Of the table that was scored: who names a column means it, whatever thumbnails there are."""
    front, back = (write_images(tmp_path / name, 6, seed=seed) for name, seed in (("front", 1), ("back", 2)))
    columns = {"id": list("abcdef"), "image": list(map(str, front)), "back": list(map(str, back))}
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    table = VectorTable.open(scored(tmp_path / "t.parquet", repository, tmp_path / "out"))
    for images in (None, tmp_path / "t.parquet"):
        found = open_pictures(table, images, columns={"image": "back"})
        assert found is not None
        assert found.hashes() == [hashlib.sha256(path.read_bytes()).hexdigest() for path in back]
    with pytest.raises(DataError, match="no such column"):
        open_pictures(table, columns={"image": "side"})


def test_tuples_have_the_pictures_of_the_vectors_that_are_asked_for(repository: Path, tmp_path: Path) -> None:
    """Of the stream whose vectors the table is opened with."""
    paths = write_images(tmp_path / "images", 6)
    names = [str(path) for path in paths]
    columns = {"id": list("abcd"), "anchor": names[:4], "positive": names[1:5], "negative": names[2:]}
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    opened: ImageTable = open_table(tmp_path / "t.parquet", streams=("anchor", "positive", "negative"))
    score(opened, repository, tmp_path / "out", "triplet_full")
    for first, stream in enumerate(("anchor", "positive", "negative")):
        found = open_pictures(VectorTable.open(tmp_path / "out", f"embedding_{stream}"))
        assert found is not None
        assert [found.read(row) for row in range(4)] == [path.read_bytes() for path in paths[first : first + 4]]
