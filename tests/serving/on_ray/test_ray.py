"""Scoring on a Ray cluster of two nodes: the same bytes as at home, whatever dies; and a word where it cannot work."""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError, LookalikeError, RepositoryError, ServerError, UnavailableError, UsageError
from rows.images import ImageRef
from rows.tables import ImageTable, open_table
from serving.client.scorer import Scorer
from serving.jobs.part_scoring import part_schema
from serving.jobs.scoring import JobResult, score_table
from serving.on_ray.actors import scored_parts
from serving.on_ray.cluster import ray_cluster
from serving.on_ray.dataset import embed_dataset
from serving.on_ray.parts import MAX_TRIES, PartJob, PartScorer, Tries, read_answer
from serving.on_ray.resources import ActorPlan, RayOptions, find_room
from serving.on_ray.scoring import RayEngine
from tests.shared.ray_nodes import Nodes
from tests.shared.scored_images import BAD, DIM, expected_vectors, publish_models, write_images
from tests.shared.spot_models import MODEL as DETECTOR
from tests.shared.spot_models import publish_spots

pytest.importorskip("ray", reason="the extra lookalike[ray] is not installed")
# Ray copies its own settings, those of old names among them
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context")]

MODEL = "triplet_branch"
MODELS = [MODEL]
NUM_IMAGES, ROWS_PER_PART = 300, 10
FIRST = pa.table({"number": [0]})


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    made = Nodes()
    yield made
    made.shutdown()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images, three of them broken."""
    paths = write_images(tmp_path_factory.mktemp("images"), NUM_IMAGES)
    for number in (3, 150, NUM_IMAGES - 1):
        paths[number].write_bytes(BAD)
    return paths[0].parent


def score_here(table: ImageTable, repository: Path, output: Path, **options: Any) -> JobResult:
    with Scorer(MODEL, repository=repository, threads=1) as scorer:
        return score_table(table, scorer, output, **options)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class StopError(Exception):
    """Ends a job from its report."""


def test_a_job_outlives_a_node_and_gives_the_bytes_of_a_job_at_home(
    nodes: Nodes, repository: Path, images: Path, tmp_path: Path
) -> None:
    """Begun at home, gone on with by two nodes, one of which is killed in the middle: every file is the same.

    Thumbnails are among the files.
    """
    table = open_table(images)
    options = {"rows_per_part": ROWS_PER_PART, "thumbnails_px": 16}
    plain = score_here(table, repository, tmp_path / "plain", **options)

    def stop(event: Mapping[str, Any]) -> None:
        if event["done"] >= 5 * ROWS_PER_PART:
            raise StopError

    output = tmp_path / "ray"
    with pytest.raises(StopError):
        score_here(table, repository, output, report=stop, **options)
    begun = len(list(output.glob("part-*.parquet")))
    events: list[Mapping[str, Any]] = []
    with nodes.another() as node:

        def kill(event: Mapping[str, Any]) -> None:
            events.append(event)
            if len(events) == 3:
                nodes.kill(node)

        engine = RayEngine(model=MODEL, repository=repository, options=RayOptions(address=nodes.address, actors=2))
        result = score_here(table, repository, output, engine=engine, report=kill, **options)
    assert contents(output) == contents(tmp_path / "plain")
    assert result.resumed_at == begun * ROWS_PER_PART
    assert (result.num_rows, result.num_errors, result.parts) == (plain.num_rows, plain.num_errors, plain.parts)
    assert len(events) == len(plain.parts) - begun
    assert events[-1] | {"images_per_s": 0} == {
        "event": "rows",
        "done": NUM_IMAGES,
        "num_rows": NUM_IMAGES,
        "num_errors": 3,
        "images_per_s": 0,
        "eta_s": 0.0,
        "p50_ms": None,
        "p99_ms": None,
    }


def test_a_job_that_no_node_is_left_for_ends_and_is_kept(
    nodes: Nodes, repository: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that nodes died, instead of waiting for a node that another job holds; what they did is there."""
    monkeypatch.setattr("serving.on_ray.actors._LOOK_EVERY_S", 0.2)
    table = open_table(images)
    with nodes.another() as node, ray_cluster(nodes.address) as ray:
        strategies = ray.util.scheduling_strategies
        head = strategies.NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        others = ray.remote(num_cpus=1)(Tries).options(scheduling_strategy=head).remote()
        assert ray.get(others.begin.remote(0)) == 1

        def kill(event: Mapping[str, Any]) -> None:
            if event["done"] == ROWS_PER_PART:
                nodes.kill(node)

        engine = RayEngine(model=MODEL, repository=repository, options=RayOptions(actors=1, wait_s=0.5))
        with pytest.raises(UnavailableError, match=r"^Ray nodes died: expected one with free room for an actor of 1 C"):
            score_here(table, repository, tmp_path / "out", rows_per_part=ROWS_PER_PART, engine=engine, report=kill)
    result = score_here(table, repository, tmp_path / "out", rows_per_part=ROWS_PER_PART)
    assert 0 < result.resumed_at < NUM_IMAGES
    assert (result.num_rows, result.num_errors) == (NUM_IMAGES, 3)


def test_the_command_goes_on_with_a_job_and_prints_nothing_but_json(
    nodes: Nodes, repository: Path, images: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """score --engine ray --json."""
    from lookalike.cli import main

    rows = tmp_path / "rows.csv"
    names = sorted(path.name for path in images.iterdir())[:10]
    rows.write_text("image\n" + "".join(f"{os.path.relpath(images / name, tmp_path)}\n" for name in names))
    given = [str(rows), "--model", MODEL, "--repository", str(repository), "--output", str(tmp_path / "out"), "--json"]
    assert main(["score", *given, "--engine", "ray", "--address", nodes.address, "--actors", "1"]) == 3
    answer = json.loads(capfd.readouterr().out)
    assert (answer["num_rows"], answer["num_errors"], answer["parts"]) == (10, 1, ["part-00000.parquet"])
    with_bad_row = parquet.read_table(tmp_path / "out" / "part-00000.parquet")
    good = [images / name for name in names if (images / name).read_bytes() != BAD]
    np.testing.assert_allclose(vectors_of(with_bad_row), expected_vectors(good), atol=1e-5)


def test_a_dataset_gets_vectors_beside_its_images(nodes: Nodes, repository: Path, images: Path) -> None:
    """FixedSizeList of float32, null with a reason where the image is bad; the other columns stay."""
    paths = sorted(images.iterdir())[:8]
    with nodes.another(), ray_cluster(nodes.address) as ray:
        rows = pa.table({"row": list(range(8)), "picture": [str(path) for path in paths]})
        dataset = embed_dataset(
            ray.data.from_arrow(rows), column="picture", model=MODEL, repository=repository, rows_per_call=3
        )
        found = pa.concat_tables(ray.get(dataset.to_arrow_refs())).sort_by("row")
        with pytest.raises(DataError, match=r'^image column "photo": expected one of row, picture'):
            embed_dataset(dataset, column="photo", model=MODEL, repository=repository)
    assert found.column_names == ["row", "picture", "embedding", "embedding_error"]
    assert found.schema.field("embedding").type == pa.list_(pa.float32(), DIM)
    good = [row for row, path in enumerate(paths) if path.read_bytes() != BAD]
    assert [row for row in range(8) if found["embedding"][row].is_valid] == good
    assert [row for row in range(8) if not found["embedding_error"][row].is_valid] == good
    np.testing.assert_allclose(vectors_of(found.take(good)), expected_vectors([paths[row] for row in good]), atol=1e-5)


def vectors_of(table: pa.Table) -> np.ndarray:
    return np.stack([np.array(vector, np.float32) for vector in table["embedding"].to_pylist()])


DEADLY_IMAGE = """
import os

class DeadlyImage:
    def __init__(self, marks):
        self.marks = marks

    def read(self, max_bytes, *, timeout_s):
        with self.marks.open("a") as file:
            file.write("x")
        os._exit(1)
"""
"""A module of the driver alone: in the place of an image, what ends the process that reads it and leaves a mark."""


def test_what_ends_its_process_is_tried_a_few_times(
    nodes: Nodes, repository: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error says so; it does not go round for ever. Nor does an actor that lacks a package."""
    (tmp_path / "driver").mkdir()
    (tmp_path / "driver" / "driver_only.py").write_text(DEADLY_IMAGE)
    monkeypatch.syspath_prepend(tmp_path / "driver")
    driver_only = importlib.import_module("driver_only")
    job = part_job(open_table(images), repository, probe=driver_only.DeadlyImage(tmp_path / "tries"))
    plan = ActorPlan(actors=1, cpus=1)
    with ray_cluster(nodes.address) as ray:
        with pytest.raises(ServerError, match=r"^Ray node: got No module named 'driver_only'; install Lookalike where"):
            list(scored_parts(ray, job, plan, [0], wait_s=30))
        ray.cloudpickle.register_pickle_by_value(driver_only)  # the nodes do not have it
        with pytest.raises(ServerError) as error:
            list(scored_parts(ray, job, plan, [0, 1], wait_s=30))
    assert str(error.value).startswith("starting an actor: expected a process that lives through it, got 3 that ended")
    assert len((tmp_path / "tries").read_text()) == MAX_TRIES


def test_a_cluster_too_small_or_too_busy_says_so(nodes: Nodes) -> None:
    """Instead of a queue without end; and SIGTERM stays whose it was."""
    on_sigterm = signal.getsignal(signal.SIGTERM)
    with ray_cluster(nodes.address) as ray:
        assert signal.getsignal(signal.SIGTERM) is on_sigterm
        with pytest.raises(UnavailableError) as error:
            find_room(ray, RayOptions(actors=3))
        assert "too small: expected room for 3 actors of 1 CPU, got room for 1 (" in str(error.value)
        assert str(error.value).endswith("use --actors 1")
        busy = ray.remote(num_cpus=1)(Tries).remote()
        assert ray.get(busy.begin.remote(0)) == 1
        for options in (RayOptions(wait_s=0.1), RayOptions(actors=1, wait_s=0.1)):
            with pytest.raises(UnavailableError) as error:
                find_room(ray, options)
            assert "busy, still after 0.1 s: expected room for 1 actor of 1 CPU, got room for 0 (" in str(error.value)


def test_an_actor_says_what_its_node_does_not_see(nodes: Nodes, repository: Path, images: Path, tmp_path: Path) -> None:
    """The repository, the artifact, the table and the images must be those of the driver."""
    table, other = tmp_path / "rows.csv", tmp_path / "other"
    table.write_text("image\n" + f"{images}/00000.png\n")
    publish_models(other, tmp_path / "files", seed=1, models=[MODEL])
    opened = open_table(table)
    unseen = ImageRef(path=Path("/nowhere/1.png"))
    there, nowhere = ({"repository": str(root)} for root in (other, "/nowhere"))
    cases: list[tuple[type[LookalikeError], str, PartJob]] = [
        (RepositoryError, "/nowhere", part_job(opened, repository, options=nowhere)),
        (
            RepositoryError,
            "artifact: expected the one that the driver has",
            part_job(opened, repository, options=there),
        ),
        (DataError, "no such file: /nowhere/1.png", part_job(opened, repository, probe=unseen)),
        (DataError, "another size or time", part_job(opened, repository)),
    ]
    with ray_cluster(nodes.address) as ray:
        tries = ray.remote(num_cpus=0)(Tries).remote()
        worker = PartScorer(part_job(opened, repository), ActorPlan(actors=9, cpus=1), tries)
        assert read_answer(worker(FIRST).to_pylist()[0]).num_rows == 1
        assert ray.get(tries.begin.remote(-1)) == 1  # a start that came to something is not counted
        for number, (kind, words, job) in enumerate(cases):
            if number == len(cases) - 1:
                table.write_text("image\n" + f"{images}/00001.jpg\n" * 2)
            assert_error(PartScorer(job, ActorPlan(actors=9, cpus=1), tries), kind, words)
        assert_error(worker, DataError, "another size or time")  # while it scores a part


def assert_error(worker: PartScorer, kind: type[LookalikeError], words: str) -> None:
    """Asked for the first part it tells this, and once where."""
    with pytest.raises(kind) as error:
        read_answer(worker(FIRST).to_pylist()[0])
    assert words in str(error.value)
    assert str(error.value).count(f"(on Ray node {socket.gethostname()})") == 1


def part_job(table: ImageTable, repository: Path, **changed: Any) -> PartJob:
    with Scorer(MODEL, repository=repository, threads=1) as scorer:
        facts: dict[str, Any] = {"schema": part_schema(table, scorer), "digest": scorer.digest}
    facts |= {"table": table, "table_rows": NUM_IMAGES, "rows_per_part": ROWS_PER_PART, "folder": os.getcwd()}
    facts |= {"model": MODEL, "options": {"repository": str(repository)}, "probe": None}
    return PartJob(**facts | changed)


def test_a_dataset_is_refused_to_a_detector(tmp_path: Path) -> None:
    """It gives any number of vectors a picture, and a dataset has room for one."""
    with pytest.raises(UsageError, match="expected one vector an image"):
        embed_dataset(FIRST, column="number", model=DETECTOR, repository=publish_spots(tmp_path))
