"""What an image folder holds besides its images: told once by a job over it, and kept in its manifest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from artifact.errors import OutputError
from lookalike.cli import main
from rows.tables import open_table
from serving.jobs.merging import merge_shards
from serving.jobs.shards import Shard
from tests.shared.job_tables import folder_of_images, score
from tests.shared.row_tables import write_members
from tests.shared.scored_images import write_images

NOTE = "passed over: 2 .dng, 1 .txt, 1 @eaDir; .dng: pictures of formats that are not read, convert them to JPEG or PNG"
COUNTS = {".dng": 2, ".txt": 1, "@eaDir": 1}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Nine images, one of them broken, and what else lies about."""
    folder = folder_of_images(tmp_path / "images", 9, bad=(3,))
    for name in ("cats/1.dng", "dogs/2.DNG", "notes.txt", "cats/@eaDir/x.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"II*\0")
    return folder


def test_job_tells_before_its_first_row_and_its_manifest_says_it(
    repository: Path, images: Path, tmp_path: Path
) -> None:
    """Also when it is complete already; a table that passes nothing over says nothing."""
    events: list[Mapping[str, Any]] = []
    for _ in range(2):
        events.clear()
        result = score(open_table(images), repository, tmp_path / "out", report=events.append)
        assert events[0] == {"event": "note", "message": NOTE}
        assert [event["event"] for event in events].count("note") == 1
        assert (result.num_rows, result.num_errors, result.passed_over) == (9, 1, COUNTS)
        assert json.loads((tmp_path / "out/manifest.json").read_text())["passed_over"] == COUNTS
    events.clear()
    write_images(tmp_path / "plain", 3)
    result = score(open_table(tmp_path / "plain"), repository, tmp_path / "other", report=events.append)
    assert result.passed_over == {}
    assert "note" not in [event["event"] for event in events]
    assert "passed_over" not in json.loads((tmp_path / "other/manifest.json").read_text())


def test_packed_tars_tell_when_they_have_been_read(repository: Path, tmp_path: Path) -> None:
    """Behind the last row, in the result and in the manifest; junk in them is no row."""
    write_images(tmp_path / "images", 1)
    (image,) = sorted((tmp_path / "images").rglob("*.*"))
    members = {f"{i:03d}.HEIC": image.read_bytes() for i in range(110)}
    members |= {"@eaDir/a.jpg": image.read_bytes(), "0.dng": b"II*", "z.cls": b"late"}
    events: list[Mapping[str, Any]] = []
    table = open_table(write_members(tmp_path / "t.tar.gz", members))
    result = score(table, repository, tmp_path / "out", report=events.append)
    assert (result.num_rows, result.num_errors, result.passed_over) == (111, 1, {".dng": 1, "@eaDir": 1})
    notes = [str(event["message"]) for event in events if event["event"] == "note"]
    assert [note[:17] for note in notes] == ["passed over: 1 .d", "t.tar.gz: 1 label"]
    assert events[0]["event"] == "rows"
    assert json.loads((tmp_path / "out/manifest.json").read_text())["passed_over"] == result.passed_over


def test_merged_shards_keep_it(repository: Path, images: Path, tmp_path: Path) -> None:
    """Each shard walked the same folder: the counts are not added up."""
    folders = [tmp_path / str(number) for number in (1, 2)]
    for number, folder in enumerate(folders, start=1):
        score(open_table(images), repository, folder, rows_per_part=4, shard=Shard(number, 2))
    merge_shards(folders, tmp_path / "merged")
    assert json.loads((tmp_path / "merged/manifest.json").read_text())["passed_over"] == COUNTS


def test_command_tells_it_on_stderr_and_in_json(
    repository: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for people, an object for machines; splits are a note."""
    model = ["--model", "triplet_branch", "--repository", str(repository)]
    assert main(["score", str(images), *model, "--output", str(tmp_path / "out"), "--json"]) == 3
    told = capsys.readouterr()
    assert json.loads(told.out)["passed_over"] == COUNTS
    assert told.err.splitlines().count(NOTE) == 1
    for name in ("train/a", "train/b", "test/a", "test/b"):
        write_images(tmp_path / "my set" / name, 1)
    assert main(["score", str(tmp_path / "my set"), *model, "--output", str(tmp_path / "splits")]) == 0
    told = capsys.readouterr()
    assert "passed_over" not in told.out
    assert "table_notes" not in told.out
    note = (
        "the folders test, train look like splits of one data set, and the labels are these names; for one of them,"
        f" with its classes as labels, name '{tmp_path}/my set/test'"
    )
    assert told.err.splitlines() == [note]
    assert main(["score", str(tmp_path / "my set"), *model, "--output", str(tmp_path / "json"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["table_notes"] == [note]


def test_job_of_an_older_version_is_refused_with_what_it_read_otherwise(repository: Path, tmp_path: Path) -> None:
    """Files that were passed over before, and junk that was not; a folder that changed has changed."""
    write_images(tmp_path / "images", 3)
    output = tmp_path / "out"
    score(open_table(tmp_path / "images"), repository, output)
    manifest = json.loads((output / "manifest.json").read_text())
    manifest["job"]["table"] = "0" * 64
    (output / "manifest.json").write_text(json.dumps(manifest))
    changed = "got that table before it changed (or with another id column)"
    assert f"{changed} ({output})" in refusal(tmp_path / "images", repository, output)
    (tmp_path / "images" / "@eaDir").mkdir()
    way = ", or as an older version read it: with the images in @eaDir ("
    assert changed + way in refusal(tmp_path / "images", repository, output)
    shutil.copy(next((tmp_path / "images").glob("*.png")), tmp_path / "images" / "a.HEIC")
    way = ", or as an older version read it: without files such as 'a.HEIC' and with the images in @eaDir ("
    assert changed + way in refusal(tmp_path / "images", repository, output)


def refusal(images: Path, repository: Path, output: Path) -> str:
    with pytest.raises(OutputError) as caught:
        score(open_table(images), repository, output)
    return str(caught.value)
