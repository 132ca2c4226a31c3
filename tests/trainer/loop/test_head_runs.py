"""Runs that end with a closed-form head: what is set aside, chosen, written, measured, and gone on with."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from analysis.measures.retrieval import retrieval_metrics
from analysis.measures.threshold import decision_threshold
from artifact.errors import UsageError
from tests.shared.pattern_classes import write_patterns
from tests.shared.shapes_run import lines_of
from trainer.config.config import make_config
from trainer.head.closed_form import fit_head
from trainer.loop import finishing
from trainer.loop.assessment import embed
from trainer.loop.fit import fit
from trainer.loop.preparation import prepare
from trainer.loop.reading import read_split
from trainer.run.checkpoint import head_in
from trainer.run.saved_run import Run, load_run
from trainer.weights.frozen_features import FrozenFeatures


def train(images: Path, output: Path, *, report: Any = None, resume: bool = False, **values: Any) -> Run:
    """Two short epochs of Conv4 at 16 px; a tenth of the images is held out."""
    small = {"images": images, "kind": "triplet", "dim": 20, "epochs": 2, "loop": {"precision": "fp32"}}
    return fit(make_config(small | values), output, report=report, resume=resume)


@pytest.fixture(scope="module")
def patterns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty-four classes of six images."""
    return write_patterns(tmp_path_factory.mktemp("patterns") / "images", num_classes=44)


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    """What the run of `chosen` reported."""
    return []


@pytest.fixture(scope="module")
def chosen(patterns: Path, events: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run by the defaults, on free vectors."""
    return train(patterns, tmp_path_factory.mktemp("chosen") / "run", report=events.append, normalize=False)


def test_auto_chooses_lda_on_classes_that_no_gradient_has_seen(chosen: Run, events: list[dict[str, Any]]) -> None:
    """The facts say what was tried on what; the line of progress too, and the settings hold the numbers."""
    head = chosen.facts["head"]
    assert head["name"] == "lda"
    assert [(each["name"], each["lambda"]) for each in head["candidates"]] == [
        ("trained", None),
        ("lda", 0.3),
        ("lda", 1.0),
        ("lda", 3.0),
        ("lda", 10.0),
        ("lda", 30.0),
    ]
    trained, *others = (each["recall@1"] for each in head["candidates"])
    assert max(others) > trained
    assert head["chosen_on"] == {"classes": 8, "images": chosen.facts["num_set_aside_images"]}
    assert (chosen.facts["num_train_classes"], chosen.facts["num_set_aside_classes"]) == (36, 8)
    assert chosen.config.head == "auto"
    assert chosen.config.head_classes == 8
    told = [event for event in events if event["event"] == "head"]
    assert [event["why"] for event in told] == [head["why"]]
    assert head["why"] == f"recall@1 {trained:.3f} -> {max(others):.3f} on 8 classes set aside"


def test_the_head_is_fitted_on_all_training_classes_the_set_aside_ones_included(chosen: Run, tmp_path: Path) -> None:
    """But for one scale it is `fit_head` of the features of everything on the training side."""
    images, _ = read_split(chosen, report=lambda event: None)
    assert len(images.files.classes) == 44
    assert chosen.facts["head"]["fitted_on"] == {"images": len(images), "of": len(images), "classes": 44}
    features = FrozenFeatures(chosen.branch, images, folder=tmp_path).values
    shrinkage = chosen.facts["head"]["lambda"]
    expected = fit_head(features, images.labels, dim=20, method="lda", shrinkage=shrinkage).weight
    found = chosen.branch.embedding.weight.detach().numpy()
    scale = (found * expected).sum() / (expected * expected).sum()
    assert scale > 0
    assert np.abs(found - scale * expected).max() < 2e-3 * np.abs(found).max()


def test_final_figures_are_those_of_the_final_head(chosen: Run) -> None:
    """Metrics, threshold and prefixes of the held-out images; the lines of the epochs stay the trained layer's."""
    _, held_out = read_split(chosen, report=lambda event: None)
    assert held_out is not None
    vectors = embed(chosen.branch, held_out)
    expected = retrieval_metrics(vectors, held_out.labels, distance="euclidean", ks=(1,))
    assert chosen.facts["metrics"]["recall@1"] == pytest.approx(expected["recall@1"])
    assert chosen.facts["metrics"]["mAP@R"] == pytest.approx(expected["mAP@R"])
    assert chosen.facts["rests_on"]["recall@1"]["queries"] == len(held_out)
    assert lines_of(chosen.path)[-1]["mAP@R"] != chosen.facts["metrics"]["mAP@R"]
    assert chosen.threshold is not None
    threshold = decision_threshold(vectors, held_out.labels, distance="euclidean")
    assert threshold is not None
    assert chosen.threshold["value"] == pytest.approx(threshold["value"], rel=1e-5)
    assert [each["dims"] for each in chosen.facts["prefixes"]] == [8, 16]
    for each in chosen.facts["prefixes"]:
        shorter = vectors[:, : each["dims"]]
        by_hand = retrieval_metrics(shorter, held_out.labels, distance="euclidean", ks=(1,))
        assert each["metrics"]["recall@1"] == pytest.approx(by_hand["recall@1"])
        assert each["rests_on"]["mAP@R"]["queries"] == len(held_out)
        own = decision_threshold(np.ascontiguousarray(shorter), held_out.labels, distance="euclidean")
        assert own is not None
        assert each["threshold"]["value"] == pytest.approx(own["value"], rel=1e-5)
        assert set(each["threshold"]) == set(chosen.threshold)


def test_free_vectors_keep_the_mean_distance_of_the_trained_layer(chosen: Run) -> None:
    """So a margin means what it meant."""
    distances = chosen.facts["head"]["mean_different_distance"]
    assert distances["head"] == pytest.approx(distances["trained"], rel=1e-5)


def test_prefixes_of_unit_vectors_are_put_on_the_sphere_again(patterns: Path, tmp_path: Path) -> None:
    """Their figures are those of normalised prefixes; asked for, LDA stays however the choice falls out."""
    run = train(patterns, tmp_path / "run", head="lda", normalize=True, epochs=1)
    assert run.facts["head"]["name"] == "lda"
    assert run.facts["head"]["why"].startswith("asked for; recall@1 ")
    _, held_out = read_split(run, report=lambda event: None)
    assert held_out is not None
    vectors = embed(run.branch, held_out)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(vectors)), abs=1e-5)
    for each in run.facts["prefixes"]:
        shorter = vectors[:, : each["dims"]]
        shorter = shorter / np.linalg.norm(shorter, axis=1, keepdims=True)
        by_hand = retrieval_metrics(shorter, held_out.labels, distance="euclidean", ks=(1,))
        assert each["metrics"]["mAP@R"] == pytest.approx(by_hand["mAP@R"], abs=1e-6)
        threshold = decision_threshold(shorter, held_out.labels, distance="euclidean")
        assert threshold is not None
        assert each["threshold"]["value"] == pytest.approx(threshold["value"], rel=1e-4)
    distances = run.facts["head"]["mean_different_distance"]
    assert 0 < distances["trained"] <= 2
    assert 0 < distances["head"] <= 2


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_run_cut_off_at_its_head_is_finished_by_resume(
    patterns: Path, chosen: Run, moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the checkpoint is replaced it is chosen again; after it the final head is not taken for a trained one."""

    def stop(event: dict[str, Any]) -> None:
        if moment == "after" and event["event"] == "head":
            raise KeyboardInterrupt

    def cut(*arguments: Any, **others: Any) -> None:
        raise KeyboardInterrupt

    output = tmp_path / "run"
    with monkeypatch.context() as patched:
        if moment == "before":
            patched.setattr(finishing, "save_checkpoint", cut)
        with pytest.raises(KeyboardInterrupt):
            train(patterns, output, report=stop, normalize=False)
    assert (head_in(output / "checkpoint.safetensors") is None) == (moment == "before")
    assert (output / "state.safetensors").exists()
    resumed = train(patterns, output, resume=True, normalize=False)
    assert resumed.checkpoint_sha256 == chosen.checkpoint_sha256
    for name in ("head", "prefixes", "threshold", "rests_on"):
        assert resumed.facts[name] == chosen.facts[name]
    assert not (output / "state.safetensors").exists()


def test_a_run_of_before_goes_on_with_its_trained_layer(patterns: Path, tmp_path: Path) -> None:
    """Its settings do not have a head; the same command finishes it, and reading it says the same."""

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "epoch":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(patterns, tmp_path / "run", head="trained", report=stop)
    file = tmp_path / "run" / "config.yaml"
    values = yaml.safe_load(file.read_text())
    del values["head"], values["head_classes"]
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    run = train(patterns, tmp_path / "run", resume=True)
    assert run.config.head == "trained"
    assert run.facts["head"]["name"] == "trained"
    assert run.facts["num_train_classes"] == 44
    assert run.checkpoint_sha256 == train(patterns, tmp_path / "whole", head="trained").checkpoint_sha256


def test_few_classes_keep_the_trained_layer_and_say_why(patterns: Path, tmp_path: Path) -> None:
    """Nothing is set aside, nothing is written twice, and prefixes promise nothing."""
    few = tmp_path / "images"
    for name in ("00", "01", "02", "03", "04", "05"):
        shutil.copytree(patterns / name, few / name)
    run = train(few, tmp_path / "run", epochs=1)
    expected = "no classes were set aside to choose another on, which takes 40 training classes"
    assert (run.facts["head"]["name"], run.facts["head"]["why"]) == ("trained", expected)
    assert run.facts["head"]["lambda"] is run.facts["head"]["chosen_on"] is None
    assert run.facts["prefixes"] == []
    assert run.config.head_classes == 0
    assert "num_set_aside_classes" not in run.facts
    asked = train(few, tmp_path / "asked", epochs=1, head="lda")
    assert (asked.facts["head"]["name"], asked.facts["head"]["lambda"]) == ("lda", 2.0)
    assert asked.facts["head"]["chosen_on"] is None
    assert not np.array_equal(asked.branch.embedding.weight.detach(), run.branch.embedding.weight.detach())
    for name, value in run.branch.base.state_dict().items():
        assert np.array_equal(value, asked.branch.base.state_dict()[name])


def test_turned_classes_are_set_aside_with_their_originals(patterns: Path) -> None:
    """None of them is trained on, and what the head is chosen on is not turned."""
    values = {"images": patterns, "kind": "triplet", "augment": {"turns": True}, "head_classes": 10}
    prepared = prepare(make_config(values), report=lambda event: None)
    assert prepared.set_aside is not None
    aside = set(prepared.set_aside.files.classes)
    assert len(aside) == 10
    assert prepared.set_aside.turns is None
    assert len(prepared.train.files.classes) == 4 * 34
    assert not aside & {name.split(" ")[0] for name in prepared.train.files.classes}
    assert not set(prepared.set_aside.hashes) & set(prepared.train.hashes)


def test_what_is_set_aside_follows_from_content_and_seed(patterns: Path, tmp_path: Path) -> None:
    """Other names of the folders change nothing, another seed does; held-out classes are never among them."""
    renamed = tmp_path / "images"
    for number, folder in enumerate(sorted(patterns.iterdir(), reverse=True)):
        shutil.copytree(folder, renamed / f"class{number:02d}")

    def aside(images: Path, **values: Any) -> set[str]:
        config = make_config({"images": images, "kind": "triplet"} | values)
        prepared = prepare(config, report=lambda event: None)
        assert prepared.set_aside is not None
        if prepared.held_out is not None and str(config.validation).startswith("classes"):
            assert not set(prepared.held_out.hashes) & set(prepared.set_aside.hashes)
        return set(prepared.set_aside.hashes)

    assert aside(patterns) == aside(renamed) != aside(patterns, seed=1)
    aside(patterns, validation="classes:0.1", head_classes=20)


def test_heads_that_images_cannot_have_are_refused_in_one_line(patterns: Path, tmp_path: Path) -> None:
    """LDA of tuples; more classes set aside than can be spared; classes set aside to choose nothing."""
    table = tmp_path / "tuples.csv"
    names = [str(patterns / f"{a:02d}" / f"{b}.png") for a, b in ((0, 0), (0, 1), (1, 0))]
    table.write_text("anchor,positive,negative\n" + ",".join(names) + "\n" + ",".join(names) + "\n")
    for images, values, message in (
        (table, {"head": "lda"}, "head for a table of tuples: expected trained, pca or auto"),
        (table, {"head_classes": 9}, "head_classes: expected none, for there are no classes, got 9"),
        (patterns, {"head": "pca", "head_classes": 9}, "head_classes: expected none, for with --head pca nothing"),
        (patterns, {"head_classes": 43}, "head_classes: expected 0, or 2..42 of 44 training classes, got 43"),
        (patterns, {"head_classes": 1}, "head_classes: expected 0, or 2..42"),
        (
            patterns,
            {"head": "ica"},
            "head: expected one of 'trained', 'lda', 'pca', 'auto', 'none', got 'ica' (--head)",
        ),
    ):
        with pytest.raises(UsageError) as caught:
            prepare(make_config({"images": images, "kind": "triplet"} | values), report=lambda event: None)
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)


def test_tuples_keep_the_trained_layer_and_may_have_pca(patterns: Path, tmp_path: Path) -> None:
    """There are no classes: auto says so, and PCA keeps the mean distance of any two images."""
    rows = ["anchor,positive,negative"]
    for number in range(12):
        own, other = patterns / f"{number:02d}", patterns / f"{number + 1:02d}"
        rows += [f"{own / '0.png'},{own / f'{index}.png'},{other / f'{index}.png'}" for index in (1, 2, 3)]
    table = tmp_path / "tuples.csv"
    table.write_text("\n".join(rows) + "\n")
    auto = train(table, tmp_path / "auto", epochs=1)
    assert auto.facts["head"]["why"] == "tuples have no classes to fit another on"
    pca = train(table, tmp_path / "pca", epochs=1, head="pca", normalize=False)
    assert pca.facts["head"]["name"] == "pca"
    distances = pca.facts["head"]["mean_different_distance"]
    assert distances["head"] == pytest.approx(distances["trained"], rel=1e-5)
    assert [set(each["metrics"]) for each in pca.facts["prefixes"]] == 2 * [
        {"held_out_pct_correct", "num_held_out_tuples"}
    ]
    assert {each["why_no_threshold"] for each in pca.facts["prefixes"]} == {"held-out tuples have no classes"}


def test_features_that_nothing_can_be_fitted_to_leave_the_trained_layer(
    patterns: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training is not lost for a formula: the run ends as it was trained, with a warning and the reason."""
    events: list[dict[str, Any]] = []

    def equal(self: FrozenFeatures, branch: Any, images: Any, *, folder: Path) -> None:
        self.values = np.ones((len(images), branch.embedding.in_features), np.float32)

    monkeypatch.setattr(FrozenFeatures, "__init__", equal)
    run = train(patterns, tmp_path / "run", epochs=1, report=events.append, head="lda", validation="none")
    assert run.facts["head"]["name"] == "trained"
    assert "expected some that differ, got the same of every image" in run.facts["head"]["why"]
    assert [event["message"] for event in events if event["event"] == "warning"] == [
        f"the trained head stays: {run.facts['head']['why']}"
    ]
    assert json.loads((run.path / "facts.json").read_text())["head"] == load_run(run.path).facts["head"]
