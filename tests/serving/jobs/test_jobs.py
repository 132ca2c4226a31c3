"""Table jobs: what they write, what they refuse, and that nothing is lost or doubled however they end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.kinds import KINDS, distance_name, embedding_name
from rows.tables import open_table
from rows.vectors.lineage import Lineage
from rows.vectors.table import VectorTable
from serving.client.scorer import Scorer
from serving.jobs.scoring import score_table
from tests.shared.child_process import start_child
from tests.shared.job_tables import folder_of_images, read_rows, score
from tests.shared.scored_images import BAD, DIM, MODELS, expected_vectors

TOLERANCE = 1e-5
NUM_IMAGES = 37


def test_a_folder_becomes_parts_with_id_label_and_embedding(repository: Path, tmp_path: Path) -> None:
    """Order kept, parts of the size asked for, bad rows in errors.parquet, no other file left."""
    pictures = folder_of_images(tmp_path / "pictures", 23, bad=(4, 5, 19))
    table = open_table(pictures)
    events: list[Any] = []
    result = score(table, repository, tmp_path / "out", rows_per_part=10, report=events.append)

    assert (result.num_rows, result.num_scored, result.num_errors, result.num_images) == (23, 20, 3, 20)
    assert result.parts == ("part-00000.parquet", "part-00001.parquet", "part-00002.parquet")
    assert (result.resumed_at, result.note) == (0, None)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".lookalike.lock",
        "errors.parquet",
        "manifest.json",
        *result.parts,
    ]
    names = sorted(path.relative_to(pictures).as_posix() for path in pictures.rglob("*.*"))
    good = [name for name in names if (pictures / name).read_bytes() != BAD]
    rows = read_rows(tmp_path / "out")
    assert rows.column_names == ["id", "label", "embedding"]
    assert rows["id"].to_pylist() == good
    assert rows["label"].to_pylist() == [name.split("/")[0] for name in good]
    assert rows.schema.field("embedding").type == pa.list_(pa.float32(), DIM)
    vectors = VectorTable.open(tmp_path / "out")
    np.testing.assert_allclose(vectors.matrix, expected_vectors([pictures / name for name in good]), atol=TOLERANCE)
    errors = parquet.read_table(tmp_path / "out" / "errors.parquet").to_pylist()
    assert [(error["id"], error["stream"]) for error in errors] == [
        (name, "image") for name in names if name not in good
    ]
    assert all(error["reason"].startswith("not an image in any of JPEG, PNG") for error in errors)
    assert [event["done"] for event in events] == [10, 20, 23]
    assert {event["event"] for event in events} == {"rows"}
    assert events[-1]["num_rows"] == 23
    assert events[-1]["num_errors"] == 3


def test_the_lineage_stands_in_every_part_and_in_the_manifest(
    repository: Path, images: list[Path], tmp_path: Path
) -> None:
    """Analysis knows which artifact gave the vectors."""
    with Scorer("quartet_full", repository=repository) as scorer:
        lineage = scorer.lineage
        score_table(open_table(images[0].parent), scorer, tmp_path / "out", rows_per_part=16)
    for part in sorted((tmp_path / "out").glob("part-*.parquet")):
        assert Lineage.from_metadata(parquet.read_schema(part).metadata) == lineage
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["lineage"] == lineage.to_dict()
    assert manifest["state"] == "complete"
    assert (manifest["num_rows"], manifest["num_scored"], manifest["num_errors"]) == (37, 37, 0)
    assert [(part["first_row"], part["num_rows"]) for part in manifest["parts"]] == [(0, 16), (16, 16), (32, 5)]
    assert manifest["job"]["artifact"] == lineage.digest
    assert parquet.read_table(tmp_path / "out" / "errors.parquet").num_rows == 0


@pytest.mark.parametrize("model", MODELS)
def test_a_table_of_tuples_gives_vectors_distances_and_same(
    repository: Path, images: list[Path], tmp_path: Path, model: str
) -> None:
    """Other column names, copied columns, integer ids, and a row whose two images are bad."""
    kind = KINDS[model.split("_")[0]]
    rows = {name: [str(images[(row + 3 * place) % 37]) for row in range(31)] for place, name in enumerate(kind.streams)}
    first, second = kind.streams[:2]
    rows[first][7] = rows[second][7] = "nowhere.png"
    file = tmp_path / "tuples.parquet"
    columns = {f"col_{name}": paths for name, paths in rows.items()}
    parquet.write_table(pa.table({"id": list(range(100, 131)), "weight": np.arange(31) / 2, **columns}), file)
    table = open_table(
        file, streams=kind.streams, columns={name: f"col_{name}" for name in kind.streams}, copy=["weight"]
    )
    result = score(table, repository, tmp_path / "out", model, rows_per_part=8)

    assert (result.num_rows, result.num_scored, result.num_errors) == (31, 30, 1)
    scored = read_rows(tmp_path / "out")
    kept = [row for row in range(31) if row != 7]
    assert scored["id"].to_pylist() == [100 + row for row in kept]
    assert scored["weight"].to_pylist() == [row / 2 for row in kept]
    vectors = {name: expected_vectors([Path(paths[row]) for row in kept]) for name, paths in rows.items()}
    for name in kind.streams:
        opened = VectorTable.open(tmp_path / "out", embedding_name(name))
        np.testing.assert_allclose(opened.matrix, vectors[name], atol=TOLERANCE)
    for a, b in kind.pairs:
        expected = np.linalg.norm(vectors[a] - vectors[b], axis=1)
        np.testing.assert_allclose(scored[distance_name((a, b))].to_numpy(), expected, atol=TOLERANCE)
    near = scored[distance_name(kind.pairs[0])].to_numpy() <= 1.0
    assert scored["same"].to_pylist() == near.tolist()
    errors = parquet.read_table(tmp_path / "out" / "errors.parquet")
    assert errors.schema.field("id").type == pa.int64()
    reason = f"no such file: {tmp_path / 'nowhere.png'}"
    assert errors.to_pylist() == [{"id": 107, "stream": name, "reason": reason} for name in sorted((first, second))]


def test_a_table_of_bad_rows_alone_keeps_the_schema(repository: Path, tmp_path: Path) -> None:
    """Empty parts, every row in errors.parquet."""
    file = tmp_path / "bad.csv"
    file.write_text("id,image\n" + "".join(f"r{row},nowhere{row}.png\n" for row in range(5)))
    result = score(open_table(file), repository, tmp_path / "out", rows_per_part=3)
    assert (result.num_rows, result.num_scored, result.num_errors, result.num_images) == (5, 0, 5, 0)
    rows = read_rows(tmp_path / "out")
    assert rows.num_rows == 0
    assert rows.schema.field("embedding").type == pa.list_(pa.float32(), DIM)
    errors = parquet.read_table(tmp_path / "out" / "errors.parquet")
    assert errors["id"].to_pylist() == [f"r{row}" for row in range(5)]


def test_a_complete_job_returns_at_once(repository: Path, images: list[Path], tmp_path: Path) -> None:
    """No image is run and no file is touched the second time."""
    table = open_table(images[0].parent)
    first = score(table, repository, tmp_path / "out")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    second = score(table, repository, tmp_path / "out")
    assert second.note == "the job was complete already: nothing to do"
    assert (second.num_rows, second.num_scored, second.parts) == (first.num_rows, first.num_scored, first.parts)
    assert (second.num_images, second.resumed_at) == (0, 37)
    assert before == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}


def test_parts_end_where_they_should_whatever_the_windows(
    repository: Path, images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows that do not divide a part are cut at its end."""
    monkeypatch.setattr("serving.jobs.row_windows.ROWS_PER_WINDOW", 7)
    score(open_table(images[0].parent), repository, tmp_path / "out", rows_per_part=16)
    sizes = [parquet.read_table(part).num_rows for part in sorted((tmp_path / "out").glob("part-*"))]
    assert sizes == [16, 16, 5]
    assert read_rows(tmp_path / "out")["id"].to_pylist() == [path.name for path in images]


class StopError(Exception):
    """Ends a job from its report."""


@pytest.mark.parametrize("kill_at", range(1, 8))
def test_a_stopped_job_goes_on_where_it_stopped(
    repository: Path, images: list[Path], tmp_path: Path, kill_at: int
) -> None:
    """Finished parts are kept and not written again; the outcome is that of a job never stopped."""
    table = open_table(images[0].parent)
    score(table, repository, tmp_path / "whole", rows_per_part=5)

    def stop(event: Any) -> None:
        if event["done"] == 5 * kill_at:
            raise StopError

    with pytest.raises(StopError):
        score(table, repository, tmp_path / "out", rows_per_part=5, report=stop)
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")}
    assert len(kept) == kill_at - 1
    result = score(table, repository, tmp_path / "out", rows_per_part=5)
    assert result.resumed_at == 5 * (kill_at - 1)
    assert result.num_images == 37 - result.resumed_at
    assert kept.items() <= {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")}.items()
    assert read_rows(tmp_path / "out").equals(read_rows(tmp_path / "whole"))


def test_a_kill_between_part_and_manifest_loses_nothing(repository: Path, tmp_path: Path) -> None:
    """The parts alone say where to go on and which rows were bad; half-written files are removed."""
    table = open_table(folder_of_images(tmp_path / "pictures", 23, bad=(1, 8)))
    score(table, repository, tmp_path / "whole", rows_per_part=6)
    output = tmp_path / "out"
    score(table, repository, output, rows_per_part=6)
    manifest = json.loads((output / "manifest.json").read_text())
    manifest |= {"state": "running", "parts": manifest["parts"][:1]}
    (output / "manifest.json").write_text(json.dumps(manifest))
    (output / "errors.parquet").unlink()
    (output / "part-00003.parquet").unlink()
    for leftover in (".part-00003.parquet.123.tmp", ".errors.parquet.123.tmp", ".manifest.json.abc"):
        (output / leftover).write_bytes(b"half")
    result = score(table, repository, output, rows_per_part=6)
    assert (result.resumed_at, result.num_rows, result.num_errors) == (18, 23, 2)
    assert result.note == "continued at row 18 where an earlier job had stopped"
    assert sorted(path.name for path in output.iterdir()) == sorted(
        path.name for path in (tmp_path / "whole").iterdir()
    )
    for name in ("errors.parquet", "part-00003.parquet"):
        assert parquet.read_table(output / name).equals(parquet.read_table(tmp_path / "whole" / name))
    assert json.loads((output / "manifest.json").read_text()) == json.loads(
        (tmp_path / "whole" / "manifest.json").read_text()
    )


JOB = """
import sys
from rows.tables import open_table
from serving.jobs.scoring import score_table
from serving.client.scorer import Scorer

def report(event):
    print(event["done"], flush=True)
    sys.stdin.readline()

table, repository, output = sys.argv[1:]
with Scorer("triplet_branch", repository=repository, batch_size=4, threads=1) as scorer:
    score_table(open_table(table), scorer, output, rows_per_part=16, report=report)
"""


def test_ctrl_c_ends_the_process_and_keeps_its_parts(repository: Path, tmp_path: Path) -> None:
    """No thread holds the process back; the same job goes on."""
    pictures = folder_of_images(tmp_path / "pictures", 100)
    command = [sys.executable, "-c", JOB, str(pictures), str(repository), str(tmp_path / "out")]
    with start_child(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as job:
        assert job.stdin is not None
        assert job.stdout is not None
        for number, _ in enumerate(job.stdout, start=1):
            if number == 3:  # it waits for an answer to this line
                break
            job.stdin.write(b"\n")
            job.stdin.flush()
        job.send_signal(signal.SIGINT)
        _, errors = job.communicate(timeout=20)
    assert job.returncode == -signal.SIGINT
    assert errors.rstrip().endswith(b"KeyboardInterrupt")
    kept = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert kept == [".lookalike.lock", "manifest.json", "part-00000.parquet", "part-00001.parquet"]
    assert score(open_table(pictures), repository, tmp_path / "out", rows_per_part=16).resumed_at == 32
