"""Files of the commit before the rooms (6a97dd0) still open, continue and answer as they did.

tests/data/before_rooms.zip holds its output: images, three runs of which one was stopped half-way, a repository, jobs
finished and half-done, indexes, and what that commit said of them. before_rooms.md beside it has the commands.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.images.image_batch import load_batch
from artifact.images.preprocessing import Preprocessing
from artifact.repository.layout import find_problems
from artifact.repository.reading import versions_in
from lookalike.cli import main
from tests.shared.decode_model import run_decode_model
from tests.shared.places import DATA

KEPT = DATA / "before_rooms.zip"
PLACE = "/tmp/before_rooms"
TIME_OF_IMAGES = 1_700_000_000
MODELS = ("shapes", "shapes_full", "shapes_fp16", "shapes_int8", "foreign")
SAME_PROCESSOR = 1e-5
"""Vectors of one fp32 network on two processors."""

Cli = Callable[..., tuple[int, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in a copy of what was kept; gives exit code and stdout.

    A job knows its table by the times of its files, and a mended table by its place too: the copy has both.
    """
    copy = tmp_path / "kept"
    with zipfile.ZipFile(KEPT) as archive:
        archive.extractall(copy)
    for path in copy.glob("images/*/*"):
        os.utime(path, (TIME_OF_IMAGES, TIME_OF_IMAGES))
    for path in copy.glob("*/manifest.json"):
        path.write_text(path.read_text().replace(PLACE, str(copy)))
    monkeypatch.chdir(copy)

    def run(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return code, capsys.readouterr().out

    return run


def rows_of(folder: str) -> pa.Table:
    """All parts of a job, in table order."""
    return pa.concat_tables([parquet.read_table(path) for path in sorted(Path(folder).glob("part-*.parquet"))])


def vectors_of(table: pa.Table, column: str = "embedding") -> np.ndarray:
    """float32 [N, n]."""
    return np.stack([np.asarray(row, np.float32) for row in table[column].to_pylist()])


def assert_same_rows(found: pa.Table, kept: pa.Table, *, tolerance: float) -> None:
    """The same columns and rows in the same order, vectors and numbers within the tolerance."""
    assert found.schema.names == kept.schema.names
    for name, kind in zip(kept.schema.names, kept.schema.types, strict=True):
        if pa.types.is_fixed_size_list(kind):
            np.testing.assert_allclose(vectors_of(found, name), vectors_of(kept, name), atol=tolerance)
        elif pa.types.is_floating(kind):
            np.testing.assert_allclose(found[name].to_numpy(), kept[name].to_numpy(), atol=tolerance)
        else:
            assert found[name].to_pylist() == kept[name].to_pylist()


def assert_contains(found: Any, kept: Any) -> None:
    """Everything that was said is still said; more may be."""
    if isinstance(kept, dict):
        for key, value in kept.items():
            assert_contains(found[key], value)
    elif isinstance(kept, list):
        assert len(found) == len(kept)
        for new, old in zip(found, kept, strict=True):
            assert_contains(new, old)
    elif isinstance(kept, float):
        assert found == pytest.approx(kept, abs=1e-5)
    else:
        assert found == kept


@pytest.mark.parametrize("name", MODELS)
def test_artifact_describes_itself_as_before(cli: Cli, name: str) -> None:
    """Every field that `describe --json` gave is there with its value."""
    code, out = cli("describe", name, "--repository", "models", "--json")
    assert code == 0
    assert_contains(json.loads(out), json.loads(Path(f"described_{name}.json").read_text()))


@pytest.mark.parametrize("name", [name for name in MODELS if name != "shapes_int8"])
def test_artifact_passes_its_check(cli: Cli, name: str) -> None:
    """Bytes, structure and golden vectors."""
    assert cli("check", name, "--repository", "models")[0] == 0


@pytest.mark.parametrize(
    ("model", "table", "kept", "options", "code"),
    [
        ("shapes", "images", "vectors", [], 3),
        ("shapes_full", "triplets.csv", "triplets", ["--loss"], 0),
        ("shapes_fp16", "images", "vectors_shapes_fp16", [], 3),
        ("foreign", "images", "vectors_foreign", [], 3),
    ],
)
def test_model_gives_the_vectors_it_gave(
    cli: Cli, model: str, table: str, kept: str, options: list[str], code: int
) -> None:
    """Branch, full with losses, half precision, adopted; the bad image is the same bad row."""
    tolerance = 2e-3 if "fp16" in model else SAME_PROCESSOR
    assert cli("score", table, "--model", model, "--repository", "models", "--output", "new", *options)[0] == code
    assert_same_rows(rows_of("new"), rows_of(kept), tolerance=tolerance)
    assert (parquet.read_table("new/errors.parquet")).equals(parquet.read_table(f"{kept}/errors.parquet"))


def test_int8_model_gives_the_vectors_it_gave(cli: Cli) -> None:
    """Of the old scheme, whose vectors hold on processors with VNNI only."""
    if "vnni" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no VNNI, and an int8 artifact of the old scheme saturates there")
    code, _ = cli("score", "images", "--model", "shapes_int8", "--repository", "models", "--output", "new")
    assert code == 3
    assert_same_rows(rows_of("new"), rows_of("vectors_shapes_int8"), tolerance=1e-3)


def test_run_exports_to_the_vectors_it_had(cli: Cli) -> None:
    """A finished run, exported now, gives what the artifact of then gives; its version joins the others."""
    assert cli("export", "run", "--name", "shapes", "--repository", "models")[0] == 0
    code, _ = cli("score", "images", "--model", "shapes", "--version", 3, "--repository", "models", "--output", "new")
    assert code == 3
    assert_same_rows(rows_of("new"), rows_of("vectors"), tolerance=SAME_PROCESSOR)


def test_half_done_run_becomes_the_run_that_nobody_stopped(cli: Cli) -> None:
    """--resume: the same vectors as those of the run that was trained through."""
    Path("images/cross/bad.png").unlink()  # came after training
    options = ["--kind", "triplet", "--size", 16, "--cut", 1, "--pooling", "avg", "--dim", 8, "--epochs", 6]
    options += ["--validation", "images:0.34", "--set", "cache=cache", "--set", "max_disk_mb=0"]
    assert cli("train", "images", "--output", "run_half", *options, "--resume")[0] == 0
    assert not Path("run_half/state.safetensors").exists()
    found = {}
    for run in ("run_half", "run_full"):
        assert cli("export", run, "--name", run, "--repository", "new")[0] == 0
        assert cli("score", "images", "--model", run, "--repository", "new", "--output", f"of_{run}")[0] == 0
        found[run] = vectors_of(rows_of(f"of_{run}"))
    np.testing.assert_allclose(found["run_half"], found["run_full"], atol=1e-3)


def test_rollback_of_then_holds_and_can_be_undone(cli: Cli) -> None:
    """Version 1 is served though version 2 is there; the versions are listed as they were."""
    _, out = cli("versions", "shapes", "--repository", "models", "--json")
    assert [(entry["version"], entry["served"]) for entry in json.loads(out)["versions"]] == [(1, True), (2, False)]
    assert cli("rollback", "shapes", "--to", 2, "--repository", "models")[0] == 0
    _, out = cli("versions", "shapes", "--repository", "models", "--json")
    assert [entry["served"] for entry in json.loads(out)["versions"]] == [False, True]


def test_repository_of_then_is_sound_and_takes_a_version(cli: Cli) -> None:
    """As a whole it is what Triton takes; what is published next brings NAME_decode of today along."""
    root = Path("models")
    assert find_problems(root) == []
    assert cli("export", "run", "--name", "shapes", "--repository", "models")[0] == 0
    assert versions_in(root / "shapes_decode") == [1, 2]
    assert find_problems(root) == []


def test_decoder_of_then_gives_the_pixels_of_today(cli: Cli) -> None:
    """The code that was published then, run as Triton runs it."""
    images = [path.read_bytes() for path in sorted(Path("images").glob("*/[0-9]*"))]
    pixels, _ = run_decode_model(Path.cwd() / "models" / "shapes_decode", 1, images, Path.cwd())
    today = load_batch({"image": images}, Preprocessing(height=16, width=16))["image"]
    np.testing.assert_array_equal(pixels, today)


def test_half_done_job_continues(cli: Cli) -> None:
    """The part that was there stays to the byte, the others join it."""
    before = Path("job_half/part-00000.parquet").read_bytes()
    options = ["--model", "shapes", "--repository", "models", "--rows-per-part", 2]
    assert cli("score", "images", *options, "--output", "job_half")[0] == 3
    assert Path("job_half/part-00000.parquet").read_bytes() == before
    assert_same_rows(rows_of("job_half"), rows_of("vectors"), tolerance=SAME_PROCESSOR)


def test_finished_job_is_finished(cli: Cli) -> None:
    """The same command once more runs nothing and writes nothing."""
    before = {path.name: path.read_bytes() for path in Path("vectors").iterdir()}
    options = ["--model", "shapes", "--repository", "models", "--rows-per-part", 8, "--json"]
    code, out = cli("score", "images", *options, "--output", "vectors")
    assert (code, json.loads(out)["note"]) == (3, "the job was complete already: nothing to do")
    assert {path.name: path.read_bytes() for path in Path("vectors").iterdir()} == before


def test_finished_job_takes_its_mended_row(cli: Cli) -> None:
    """--retry-errors reads the row that was bad; it stands in table order."""
    shutil.copy("images/cross/0.png", "images/cross/bad.png")
    options = ["--model", "shapes", "--repository", "models", "--rows-per-part", 8, "--retry-errors"]
    assert cli("score", "images", *options, "--output", "vectors")[0] == 0
    rows = rows_of("vectors")
    ids = rows["id"].to_pylist()
    assert ids == sorted(ids)
    assert len(ids) == 49
    vectors = vectors_of(rows)
    np.testing.assert_allclose(
        vectors[ids.index("cross/bad.png")], vectors[ids.index("cross/0.png")], atol=SAME_PROCESSOR
    )


def test_shards_of_then_merge(cli: Cli) -> None:
    """Into the rows of one job."""
    assert cli("merge", "shard_1", "shard_2", "--output", "merged")[0] in (0, 3)
    assert_same_rows(rows_of("merged"), rows_of("vectors"), tolerance=0)


def test_arrays_of_then_are_read(cli: Cli) -> None:
    """The arrays beside the parts hold the parts' rows."""
    rows = rows_of("arrays")
    np.testing.assert_array_equal(np.load("arrays/embedding.npy"), vectors_of(rows))
    assert np.load("arrays/id.npy").tolist() == rows["id"].to_pylist()


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_index_answers_as_before(cli: Cli, kind: str) -> None:
    """The same neighbours at the same distances."""
    code, out = cli("search", f"{kind}.index", "vectors", "-k", 3, "--json")
    assert code == 0
    assert_contains(json.loads(out), json.loads(Path(f"found_{kind}.json").read_text()))


def test_vectors_are_evaluated_as_before(cli: Cli) -> None:
    """Every figure of `evaluate --json`, intervals included."""
    code, out = cli("evaluate", "vectors", "--label", "label", "--json")
    assert code == 0
    assert_contains(json.loads(out), json.loads(Path("evaluated.json").read_text()))


def test_embedded_server_serves_all_of_it(cli: Cli) -> None:
    """Through gRPC, the vectors of then."""
    from lookalike import Scorer, Server

    rows = rows_of("vectors")
    with Server("models", grpc_port=0) as server:
        for model in MODELS:
            with Scorer(model, url=f"127.0.0.1:{server.port}") as scorer:
                assert scorer.embed(["images/disc/0.png"]).shape[-1] in (4, 8)
        with Scorer("shapes", url=f"127.0.0.1:{server.port}") as scorer:
            found = scorer.embed([f"images/{name}" for name in rows["id"].to_pylist()])
    np.testing.assert_allclose(found, vectors_of(rows), atol=SAME_PROCESSOR)
