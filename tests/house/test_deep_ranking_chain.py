"""Deep ranking from a triplet file to vectors: trained over a catalogue, resumed, exported, served and scored.

One run of a small trunk; torch alone is the reference for every place that gives its vectors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from artifact.distances import DISTANCES
from artifact.images.preprocessing import load_pixels
from artifact.model.file import read_manifest
from export.build import build, deploy
from lookalike.cli import main
from serving.check import check_artifact
from serving.client.scorer import Scorer
from serving.embedded.server import Server
from tests.shared.pictures import pictures
from tests.shared.shapes_run import SHAPES, write_shapes
from tests.shared.table_writers import write_csv
from tests.shared.triton_server import TritonServer, unavailable
from trainer.config.config import make_config
from trainer.loop.fit import fit
from trainer.run.saved_run import Run

PER_CLASS = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shapes, a catalogue of them, and 24 triplets of its row numbers, one of them outside it."""
    folder = tmp_path_factory.mktemp("ranking")
    write_shapes(folder / "images", per_class=PER_CLASS)
    names = [f"images/{name}/{number:02d}.png" for name in SHAPES for number in range(PER_CLASS)]
    write_csv(folder / "catalogue.csv", {"_name": names})
    random, rows = np.random.default_rng(0), []
    for query in range(24):
        own, other = query // PER_CLASS * PER_CLASS, (query + 2 * PER_CLASS) % len(names)
        rows.append((query, own + int(random.integers(PER_CLASS - 1) + query - own + 1) % PER_CLASS, other))
    rows.append((0, 1, len(names)))
    write_csv(folder / "triplets.csv", dict(zip("qpn", map(list, zip(*rows, strict=True)), strict=True)))
    return folder


def _fit(folder: Path, output: Path, report: Any = None, **options: Any) -> Run:
    values = {
        "images": folder / "triplets.csv",
        "catalogue": folder / "catalogue.csv",
        "catalogue_path": "_name",
        "kind": "triplet",
        "base": "deep_ranking:conv4",
        "loss": "triplet_capped",
        "size": 32,
        "dim": 8,
        "epochs": 2,
        "sampling": {"tuples_per_batch": 8},
    }
    return fit(make_config(values), output, report=report, **options)


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return _fit(folder, folder / "run")


@pytest.fixture(scope="module")
def repository(run: Run, folder: Path) -> Path:
    deploy(run, folder / "models", name="ranked")
    return folder / "models"


def _by_torch(run: Run, images: list[bytes]) -> np.ndarray:
    pixels = np.stack([load_pixels(image, run.preprocessing) for image in images])
    with torch.no_grad():
        return run.branch(torch.from_numpy(pixels)).numpy()


def test_a_run_that_was_cut_off_ends_like_the_whole_one(run: Run, folder: Path) -> None:
    """The shallow trunks are part of the checkpoint, and the catalogue of what is read again."""

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _fit(folder, folder / "cut", stop)
    assert _fit(folder, folder / "cut", resume=True).checkpoint_sha256 == run.checkpoint_sha256
    assert run.facts["left_out"] == {"rows": 1}
    assert "held_out_pct_correct" in run.facts["metrics"]


def test_artifact_says_what_it_is_and_gives_its_golden_vectors(repository: Path, folder: Path, run: Run) -> None:
    """One image in, though the network sees it at three sizes; loss, margin and cap beside it."""
    file = repository / "ranked" / "1" / "model.onnx"
    manifest = read_manifest(file)
    assert manifest.image_inputs == ("image",)
    assert manifest.base["name"] == "deep_ranking:conv4"
    assert (manifest.loss, manifest.margin, manifest.cap) == ("triplet_capped", 0.2, 1.2)
    check_artifact(file)
    assert manifest.digest == build(run, "branch", name="ranked").manifest.sealed().digest


@pytest.mark.parametrize("place", ["in-process", "embedded", "triton"])
def test_every_place_gives_torchs_vectors(place: str, repository: Path, run: Run) -> None:
    """Branch and full artifact, for every sort of picture, encoded and as pixels."""
    images = list(pictures().values())
    expected = _by_torch(run, images)
    limit = 1e-4 * max(1.0, float(np.abs(expected).max()))
    with ExitStack() as stack:
        for where in _reached(place, repository, stack):
            for send in ("pixels", "encoded"):
                with Scorer("ranked", send=send, **where) as scorer:
                    assert np.abs(scorer.embed(images) - expected).max() <= limit
                with Scorer("ranked_full", send=send, **where) as scorer:
                    scored = scorer.score({"anchor": images, "positive": images[1:] + images[:1], "negative": images})
                want = DISTANCES["euclidean"](expected, np.roll(expected, -1, axis=0))
                assert np.abs(scored["distance_anchor_positive"] - want).max() <= 2 * limit


def _reached(place: str, repository: Path, stack: ExitStack) -> Iterator[dict[str, Any]]:
    if place == "in-process":
        yield {"repository": repository}
    elif place == "embedded":
        yield {"url": f"127.0.0.1:{stack.enter_context(Server(repository, grpc_port=0)).port}"}
    elif reason := unavailable():
        pytest.skip(f"real Triton cannot run here: {reason}")
    else:
        yield {"url": stack.enter_context(TritonServer(repository)).grpc_url}


def test_score_gives_the_capped_loss_of_each_row(repository: Path, folder: Path) -> None:
    """A clamped hinge of its two distances."""
    rows = {name: [f"images/{shape}/00.png" for shape in shapes] for name, shapes in _streams().items()}
    table = write_csv(folder / "scored.csv", rows)
    output = folder / "scored"
    words = ["score", str(table), "--model", "ranked_full", "--repository", str(repository), "--output", str(output)]
    assert main([*words, "--loss"]) == 0
    scored = pq.read_table(next(output.glob("part-*.parquet")))
    apart = scored["distance_anchor_positive"].to_numpy() - scored["distance_anchor_negative"].to_numpy()
    np.testing.assert_allclose(scored["loss"].to_numpy(), np.clip(apart + 0.2, 0, 1.2), atol=1e-6)


def _streams() -> dict[str, list[str]]:
    return {
        "anchor": list(SHAPES),
        "positive": [*SHAPES[1:], SHAPES[0]],
        "negative": [*SHAPES[2:], *SHAPES[:2]],
    }


def test_train_says_what_is_wrong_with_a_catalogue(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the command line, with its options by their names."""
    words = ["train", str(folder / "triplets.csv"), "--kind", "triplet", "--output", str(folder / "none")]
    assert main([*words, "--catalogue", str(folder / "catalogue.csv"), "--catalogue-path", "name"]) == 1
    assert capsys.readouterr().err == (
        'lookalike: column "name" of the catalogue: expected one of _name, got no such column, the nearest is "_name" '
        "(catalogue.csv); name the right one with --catalogue-path\n"
    )
    assert main([*words, "--catalogue-id", "sku"]) == 2
    assert capsys.readouterr().err == "lookalike: --catalogue-id: expected --catalogue FILE beside it, got 'sku'\n"
    assert not (folder / "none").exists()
    assert main([*words, "--base", "deep_ranking:", "--json", "--catalogue", str(folder / "catalogue.csv")]) == 1
    assert json.dumps(capsys.readouterr().err)
