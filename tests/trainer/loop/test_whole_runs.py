"""Whole training runs on drawn images: they learn, say what they did, and repeat to the byte."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from analysis.measures.retrieval import retrieval_metrics
from artifact.distances import DISTANCES
from tests.shared.shapes_run import SHAPES, fit_small, write_shapes
from trainer.data.class_sets import open_class_folder
from trainer.data.images import read_images
from trainer.loop.assessment import embed
from trainer.networks.base_networks import build_base, make_branch
from trainer.run.folder import STATE
from trainer.run.saved_run import Run, load_run


@pytest.fixture(scope="module")
def new_shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that no run of this file trains on."""
    return write_shapes(tmp_path_factory.mktemp("new-shapes") / "images", per_class=20, seed=1)


def _untrained_recall(run: Run, held_out: Path) -> float:
    torch.manual_seed(0)
    branch = make_branch(run.config, build_base(run.config.base, size=run.config.size, pooling=run.config.pooling))
    return _recall(branch, run, held_out)


def _recall(branch: Any, run: Run, held_out: Path) -> float:
    images, _ = read_images(open_class_folder(held_out), run.preprocessing, max_cache_bytes=2**24)
    return retrieval_metrics(embed(branch, images), images.labels, distance=run.distance)["recall@1"]


@pytest.mark.parametrize(
    ("kind", "normalize", "loss"),
    [
        ("siamese", True, None),
        ("triplet", True, None),
        ("triplet", False, "triplet"),
        ("quartet", False, "quadruplet"),
        ("triplet", True, "triplet_soft"),
        ("quartet", True, "contrastive"),
    ],
)
def test_fit_learns_what_it_was_not_shown(
    shapes: Path, new_shapes: Path, tmp_path: Path, kind: str, normalize: bool, loss: str | None
) -> None:
    """Recall@1 on new images rises well above the untrained network's, and the run reads back as it was."""
    events: list[dict[str, Any]] = []
    run = fit_small(
        shapes,
        tmp_path / "run",
        kind=kind,
        normalize=normalize if loss else None,
        loss=loss,
        epochs=9,
        validation=str(new_shapes),
        report=events.append,
        pooling="avg",  # the shapes stand anywhere
    )
    before, after = _untrained_recall(run, new_shapes), _recall(run.branch, run, new_shapes)
    assert after > before + 0.15
    assert after > 0.85
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 10))
    assert lines[-1]["recall@1"] == pytest.approx(after)
    assert lines[-1]["pct_correct"] > lines[0]["pct_correct"]
    assert lines[-1]["step"] == len([event for event in events if event["event"] == "step"])
    assert (run.kind, run.embedding_dim, run.distance, run.normalized) == (kind, 8, "euclidean", normalize)
    assert run.margin == run.config.margin is not None
    assert (run.preprocessing.height, run.preprocessing.width) == (24, 24)
    assert not run.branch.training


def test_run_states_its_facts(shapes: Path, tmp_path: Path) -> None:
    """Counts, hashes, versions and a threshold that holds what it says on the held-out pairs."""
    run = fit_small(shapes, tmp_path / "run")
    contents = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in shapes.rglob("*.png"))
    assert run.facts["data_sha256"] == hashlib.sha256("\n".join(contents).encode()).hexdigest()
    assert (run.facts["num_images"], run.facts["num_classes"], run.facts["seed"]) == (160, 4, 0)
    assert run.facts["num_train_images"] + run.facts["num_validation_images"] == len(set(contents)) == 160
    assert run.facts["num_validation_images"] == 40
    assert run.facts["end_time"].endswith("+00:00")
    assert run.facts["versions"]["torch"] == torch.__version__
    assert run.base == {
        "name": "conv4",
        "source": "lookalike",
        "weights": "random",
        "pretrained": False,
        "licence": None,
    }
    assert run.threshold is not None
    rates, counts = {"value", "rule", "far", "frr", "eer"}, {"pairs", "same_pairs", "different_pairs", "classes"}
    assert run.threshold.keys() == rates | counts | {"protocol", "is_enough", "rests_on", "measured_on"}
    assert run.facts["rests_on"]["recall@1"]["queries"] == run.facts["metrics"]["num_queries"] == 40
    assert run.threshold["far"] <= 0.01
    assert run.threshold["pairs"] == 40 * 39 // 2
    assert run.checkpoint_sha256 == hashlib.sha256((run.path / "checkpoint.safetensors").read_bytes()).hexdigest()
    files = {"config.yaml", "checkpoint.safetensors", "metrics.jsonl", "facts.json", "report.html"}
    assert {path.name for path in run.path.iterdir()} == files


def test_vectors_that_are_not_finite_at_the_end_leave_a_whole_run(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No threshold, and a page that says why; the facts stand, and nothing of the state is left."""
    monkeypatch.setattr(
        "trainer.loop.finishing.embed", lambda branch, images: np.full((len(images), 8), np.nan, np.float32)
    )
    run = fit_small(shapes, tmp_path / "run", epochs=1)
    assert run.threshold is None
    assert run.facts["end_time"].endswith("+00:00")
    assert "The vectors hold NaN or infinity" in (run.path / "report.html").read_text(encoding="utf-8")
    assert not (run.path / STATE).exists()


def test_same_seed_gives_the_same_checkpoint_to_the_byte(shapes: Path, tmp_path: Path) -> None:
    """Also after the caller used torch's generator, which fit leaves as it was; another seed gives another one."""
    first = fit_small(shapes, tmp_path / "a")
    torch.manual_seed(99)
    expected = torch.rand(1)
    torch.manual_seed(99)
    second = fit_small(shapes, tmp_path / "b")
    assert torch.equal(torch.rand(1), expected)
    assert first.checkpoint_sha256 == second.checkpoint_sha256
    assert first.checkpoint_sha256 != fit_small(shapes, tmp_path / "c", seed=1).checkpoint_sha256
    cached = fit_small(shapes, tmp_path / "d", max_cache_mb=0)
    assert first.checkpoint_sha256 == cached.checkpoint_sha256


def test_tiny_classes_train_without_validation(shapes: Path, tmp_path: Path) -> None:
    """Three images a class leave nothing to hold out: that is said, and metrics and threshold are left out."""
    for shape in SHAPES:
        (tmp_path / "few" / shape).mkdir(parents=True)
        for index in range(3):
            shutil.copy(shapes / shape / f"{index:02d}.png", tmp_path / "few" / shape)
    events: list[dict[str, Any]] = []
    run = fit_small(tmp_path / "few", tmp_path / "run", report=events.append)
    assert run.threshold is None
    assert "recall@1" not in run.facts["metrics"]
    assert run.facts["num_train_images"] == 12
    assert any(event["event"] == "warning" and "nothing was held out" in event["message"] for event in events)


def test_without_validation_every_image_is_trained_on(shapes: Path, tmp_path: Path) -> None:
    """Nothing is measured and there is no threshold; the report says what is missing."""
    run = fit_small(shapes, tmp_path / "run", validation="none", epochs=1)
    assert (run.facts["num_train_images"], run.facts["num_validation_images"]) == (160, 0)
    assert run.threshold is None
    assert "recall@1" not in run.facts["metrics"]
    assert "Nothing was held out" in (run.path / "report.html").read_text()


def test_held_out_classes_are_not_trained_on(shapes: Path, tmp_path: Path) -> None:
    """Two of four classes are kept for validation."""
    run = fit_small(shapes, tmp_path / "run", epochs=1, validation="classes:0.5")
    assert (run.facts["num_train_classes"], run.facts["num_validation_classes"]) == (2, 2)
    assert run.config.sampling.classes_per_batch == 2


@pytest.mark.parametrize("base", ["resnet18", "mobilenetv3_small_100", "vit_tiny_patch16_224"])
def test_timm_networks_train_and_read_back(shapes: Path, tmp_path: Path, base: str) -> None:
    """A short run over each architecture; the loaded branch gives the vectors that validation saw."""
    few = {"sampling": {"classes_per_batch": 3, "images_per_class": 2, "batches_per_epoch": 2}}
    run = fit_small(shapes, tmp_path / "run", base=base, size=32, epochs=1, **few)
    again = load_run(run.path)
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8))
    with torch.no_grad():
        vectors = run.branch(pixels)
        assert torch.equal(vectors, again.branch(pixels))
    assert vectors.shape == (3, 8)
    assert DISTANCES["euclidean"](vectors[0].numpy(), vectors[1].numpy()) > 0


@pytest.mark.parametrize(
    ("validation", "expected"),
    [
        ("images:0.25", {"trained_classes": 4, "new_classes": 0}),
        ("classes:0.5", {"trained_classes": 0, "new_classes": 2}),
        ("a folder", {"trained_classes": 3, "new_classes": 2}),
    ],
)
def test_threshold_says_how_many_of_its_classes_were_trained_on(
    shapes: Path, new_shapes: Path, tmp_path: Path, validation: str, expected: dict[str, int]
) -> None:
    """Classes of a folder of its own are known by their names, turned ones as what they were."""
    folder = tmp_path / "a folder"
    for name, called in (("disc", "disc"), ("cross", "cross"), ("square", "square"), ("stripe", "line"), ("disc", "o")):
        shutil.copytree(new_shapes / name, folder / called)
    values = {"validation": str(folder) if validation == "a folder" else validation, "augment": {"mirrors": True}}
    run = fit_small(shapes, tmp_path / "run", epochs=1, **values)
    assert run.threshold is not None
    assert run.threshold["measured_on"] == expected
