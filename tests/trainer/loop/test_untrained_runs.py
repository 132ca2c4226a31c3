"""Runs without a step: a head on a network as it is, measured and written like any other run."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from artifact.errors import DataError, RunError, UsageError
from tests.shared.class_folders import write_classes, write_noise
from tests.shared.shapes_run import fit_small
from tests.shared.table_writers import write_pngs, write_triplets
from trainer.data.class_sets import open_class_folder
from trainer.data.images import read_images
from trainer.loop import training, untrained
from trainer.loop.assessment import embed
from trainer.networks.branch import Branch
from trainer.run.saved_run import Run, load_run


def _untrained(images: Path, output: Path, **values: Any) -> Run:
    return fit_small(images, output, **{"epochs": 0, "dim": 16} | values)


def _files(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.iterdir()}


def _embedded(run: Run, files: Any) -> np.ndarray:
    images, _ = read_images(files, run.preprocessing, max_cache_bytes=2**24)
    return embed(run.branch, images)


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory, shapes: Path) -> Path:
    """The shapes, all in one folder."""
    folder = tmp_path_factory.mktemp("flat")
    for number, file in enumerate(sorted(shapes.rglob("*.png"))):
        shutil.copy(file, folder / f"img{number}.png")
    return folder


def test_loop_is_not_entered(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No batch, no optimizer; no epoch in metrics.jsonl, and nothing to go on from."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError

    for name in ("make_optimizer", "make_batches"):
        monkeypatch.setattr(training, name, refuse)
    events: list[dict[str, Any]] = []
    run = _untrained(shapes, tmp_path / "run", report=events.append)
    assert [event["event"] for event in events if event["event"] not in ("read", "warning")] == ["head", "end"]
    assert set(_files(run.path)) == {
        "config.yaml",
        "checkpoint.safetensors",
        "facts.json",
        "metrics.jsonl",
        "report.html",
    }
    assert (run.path / "metrics.jsonl").read_bytes() == b""
    assert run.config.epochs == 0
    assert run.config.sampling.classes_per_batch is None


def test_figures_are_those_of_the_vectors(shapes: Path, tmp_path: Path) -> None:
    """Recall, threshold and prefixes on images held out, as of a trained run; the report has no curves."""
    run = _untrained(shapes, tmp_path / "run")
    assert run.facts["num_validation_images"] == 40
    assert run.facts["metrics"].keys() == {"recall@1", "mAP@R", "num_queries"}
    assert run.facts["rests_on"]["recall@1"]["queries"] == 40
    assert run.threshold is not None
    assert [each["dims"] for each in run.facts["prefixes"]] == [8]
    page = (run.path / "report.html").read_text()
    assert "<h2>Training</h2>" not in page
    assert "Nearest neighbours" in page
    assert "seconds" in run.facts


def test_each_image_goes_through_the_network_once(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the head, its choice, the threshold, prefixes and report together, classes set aside included."""
    folder = tmp_path / "many"
    for number, file in enumerate(sorted(shapes.rglob("*.png"))):
        target = folder / f"class{number % 40}" / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    seen = 0
    features = Branch.features

    def count(branch: Branch, images: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        seen += len(images)
        return features(branch, images)

    monkeypatch.setattr(Branch, "features", count)
    run = _untrained(folder, tmp_path / "run")
    assert run.facts["head"]["chosen_on"]["classes"] == 8
    assert run.facts["num_set_aside_classes"] == 8
    assert seen == run.facts["num_images"] == 160


def test_equal_runs_give_equal_bytes_and_the_seed_decides(shapes: Path, tmp_path: Path) -> None:
    """Weights, split and head follow from seed and content."""
    runs = [_untrained(shapes, tmp_path / str(number), seed=seed) for number, seed in enumerate((0, 0, 1))]
    assert runs[0].checkpoint_sha256 == runs[1].checkpoint_sha256 != runs[2].checkpoint_sha256


def test_weights_of_the_network_stay(shapes: Path, tmp_path: Path) -> None:
    """Only the embedding layer is another than in the run that the weights come from."""
    trained = fit_small(shapes, tmp_path / "trained", epochs=1)
    values = {"weights": str(trained.path / "checkpoint.safetensors"), "dim": 8}
    events: list[dict[str, Any]] = []
    run = _untrained(shapes, tmp_path / "run", report=events.append, **values)
    before, after = trained.branch.state_dict(), run.branch.state_dict()
    assert {name for name in before if not torch.equal(before[name], after[name])} == {
        "embedding.weight",
        "embedding.bias",
    }
    assert not [event for event in events if event["event"] == "warning"]
    assert run.base["weights"] == "file checkpoint.safetensors"


def test_flat_folder_gives_whitened_vectors_and_no_threshold(flat: Path, tmp_path: Path) -> None:
    """Nothing is held out, and the facts say why there is no threshold."""
    run = _untrained(flat, tmp_path / "run", normalize=False, validation=None)
    assert (run.facts["num_images"], run.facts["num_classes"], run.facts["num_validation_images"]) == (160, 0, 0)
    assert run.facts["head"]["name"] == "pca"
    assert (run.threshold, run.facts["why_no_threshold"]) == (None, "the images have no classes")
    assert run.facts["metrics"] == {}
    assert all(each["threshold"] is None for each in run.facts["prefixes"])
    vectors = _embedded(run, open_class_folder(flat, needs_classes=False))
    assert np.abs(vectors.mean(axis=0)).max() < 1e-3
    covariance = np.cov(vectors.T)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 1e-3 * np.diag(covariance).max()
    assert (run.path / "report.html").is_file()


def test_free_vectors_get_the_margin_as_mean_distance(shapes: Path, flat: Path, tmp_path: Path) -> None:
    """Of two classes, or of two images where there are none; in units of the distance."""
    for number, (images, values, expected) in enumerate(
        (
            (shapes, {"kind": "quartet", "loss": "quadruplet"}, 1.0),
            (flat, {"loss": "triplet", "margin": 0.3}, 0.3),
            (flat, {"loss": "triplet", "distance": "squared_euclidean", "margin": 2.5}, 2.5),
            (shapes, {"loss": "triplet_soft"}, 1.0),
        )
    ):
        run = _untrained(images, tmp_path / str(number), **{"validation": None} | values)
        assert not run.normalized
        assert run.facts["head"]["mean_different_distance"] == {"trained": None, "head": pytest.approx(expected, 1e-4)}


def test_classes_that_no_tuple_could_be_drawn_from_are_fitted_on(tmp_path: Path) -> None:
    """One class only, classes of one image, two images; one image is none, and equal ones differ in nothing."""
    for number, counts in enumerate(({"a": 5}, {"a": 1, "b": 1}, {"a": 1, "b": 3, "c": 1}, {"a": 2})):
        images = write_classes(tmp_path / f"images{number}", counts)
        run = _untrained(images, tmp_path / f"run{number}", validation="images:0.1")
        assert np.isfinite(_embedded(run, open_class_folder(images))).all()
        assert run.threshold is None
    one = write_classes(tmp_path / "one", {"a": 1})
    equal = write_classes(tmp_path / "equal", {"a": 1})
    (equal / "a" / "copy.png").write_bytes((equal / "a" / "00.png").read_bytes())
    for number, (images, got) in enumerate(((one, "two images or more"), (equal, "some that differ"))):
        with pytest.raises(DataError, match=f"features of the training images: expected {got}"):
            _untrained(images, tmp_path / f"refused{number}")


def test_share_of_images_without_classes_is_refused(flat: Path, tmp_path: Path) -> None:
    """Nothing is measured on them; only an open share gives way."""
    for share in ("images:0.2", "classes:0.2", "small_classes:0.2"):
        with pytest.raises(UsageError) as caught:
            _untrained(flat, tmp_path / "run", validation=share)
        assert str(caught.value) == (
            "validation of images without classes: expected none, or another table or folder, "
            f"got {share} (--validation)"
        )
    assert _untrained(flat, tmp_path / "run", validation=None).config.validation == "none"


def test_class_that_may_hold_the_classes_is_told(shapes: Path, tmp_path: Path) -> None:
    """One folder too far up: everything would be one class."""
    (tmp_path / "images").mkdir()
    shutil.copytree(shapes, tmp_path / "images" / "all")
    run = _untrained(tmp_path / "images", tmp_path / "run", validation="none")
    inner = tmp_path / "images" / "all"
    line = f"all images are of one class, all; if the classes are the folders in {inner}, name that folder"
    assert line in run.facts["warnings"]
    right = _untrained(shapes, tmp_path / "right", validation="none")
    assert not any("one class" in line for line in right.facts["warnings"])


def test_nothing_to_fit_on_is_said_in_words_of_images(tmp_path: Path) -> None:
    """An empty folder, none at all, one image: nobody is asked for class folders."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("none")
    write_noise(tmp_path / "one" / "a.png", 1)
    for name, words in (
        ("empty", "image folder: expected images, got none"),
        ("gone", "image folder: expected a folder of images, got nothing there"),
        ("text", "images: expected a folder of images, or a table (.csv"),
        ("one", "features of the training images: expected two images or more, got one"),
    ):
        with pytest.raises(DataError) as caught:
            _untrained(tmp_path / name, tmp_path / "run", validation=None)
        assert str(caught.value).startswith(words)


def test_tuples_are_measured_with_the_head(tmp_path: Path) -> None:
    """Their share in order on held-out tuples; there is no class for LDA."""
    write_pngs(tmp_path, 60)
    table = write_triplets(tmp_path, [(3 * row, 3 * row + 1, 3 * row + 2) for row in range(20)])
    run = _untrained(table, tmp_path / "run", sampling={})
    assert run.facts["head"]["name"] == "pca"
    assert run.facts["metrics"].keys() == {"held_out_pct_correct", "num_held_out_tuples"}
    assert run.facts["why_no_threshold"] == "held-out tuples have no classes"


def test_settings_that_decide_nothing_are_recorded(shapes: Path, tmp_path: Path) -> None:
    """The loss is what `score --loss` computes; what a loop would have done stands as it was given."""
    loop = {"patience": 3, "keep": "best"}
    values = {"loss": "triplet", "margin": 0.4, "mining": "semi_hard", "loop": loop, "validation": "none"}
    config = _untrained(shapes, tmp_path / "run", **values).config
    assert (config.loss, config.margin, config.mining, config.normalize) == ("triplet", 0.4, "semi_hard", False)
    assert (config.loop.patience, config.loop.keep) == (3, "best")
    assert load_run(tmp_path / "run").facts["why_no_threshold"] == "nothing was held out"


def test_random_layer_is_no_head(shapes: Path, tmp_path: Path) -> None:
    """Refused before any image is looked at, with what would do."""
    with pytest.raises(UsageError) as caught:
        _untrained(tmp_path / "nowhere", tmp_path / "run", head="trained")
    assert str(caught.value) == (
        "head where nothing is trained: expected pca, lda, auto or none, got trained, whose random weights would stay "
        "(--head)"
    )
    assert not (tmp_path / "run").exists()


def test_finished_run_is_not_resumed_and_one_cut_off_is_done_again(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bytes of one that nobody cut off; another configuration is refused by name."""
    whole = _untrained(shapes, tmp_path / "whole")
    with pytest.raises(RunError, match="got a finished run"):
        _untrained(shapes, whole.path, resume=True)

    def cut_off(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    for moment in ("put_head", "write_end"):
        with monkeypatch.context() as patched:
            patched.setattr(untrained, moment, cut_off)
            with pytest.raises(KeyboardInterrupt):
                _untrained(shapes, tmp_path / moment)
        with pytest.raises(RunError, match="dim of the run to resume"):
            _untrained(shapes, tmp_path / moment, resume=True, dim=8)
        run = _untrained(shapes, tmp_path / moment, resume=True)
        assert run.checkpoint_sha256 == whole.checkpoint_sha256
        timed = ("end_time", "seconds")
        facts = [{key: value for key, value in each.facts.items() if key not in timed} for each in (run, whole)]
        assert facts[0] == facts[1]


def test_labels_of_a_validation_folder_measure_images_without_classes(shapes: Path, flat: Path, tmp_path: Path) -> None:
    """A head from what nobody has labelled, judged on a few that somebody has; copies are left out."""
    apart = tmp_path / "apart"
    shutil.copytree(shapes, apart)
    for number, file in enumerate(sorted(apart.rglob("*.png"))):
        write_noise(file, number)
    run = _untrained(flat, tmp_path / "run", validation=str(apart))
    assert run.facts["num_validation_images"] == 160
    assert run.threshold is not None
    assert json.loads((run.path / "facts.json").read_text())["num_classes"] == 0
