"""Runs whose vectors are features as they are: no embedding layer, with images to measure on or without any."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from artifact.errors import DataError, RunError, UsageError
from export.run_manifest import space_of
from tests.shared.shapes_run import fit_small
from trainer.config.config import MAX_DIM, make_config
from trainer.loop.fit import fit
from trainer.loop.reading import read_split
from trainer.networks.base_networks import build_base
from trainer.run.saved_run import Run, load_run


def _without_images(output: Path, **values: Any) -> Run:
    return fit(make_config({"epochs": 0, "base": "conv4", "size": 24} | values), output)


def test_vectors_are_the_features(tmp_path: Path) -> None:
    """Of any length; no embedding layer is in the checkpoint, and the dimension is what the network gives."""
    run = _without_images(tmp_path / "run", cut="blocks.7")
    assert (run.embedding_dim, run.config.head, run.normalized, run.threshold) == (64, "none", False, None)
    with safe_open(tmp_path / "run" / "checkpoint.safetensors", framework="pt") as file:
        assert not [name for name in file.keys() if "embedding" in name]  # noqa: SIM118 - not a mapping
    images = torch.randint(0, 256, (3, 24, 24, 3), dtype=torch.uint8)
    with torch.no_grad():
        torch.testing.assert_close(run.branch(images), run.branch.features(images))


def test_run_without_images_says_so(tmp_path: Path) -> None:
    """In its facts and its report; nothing is measured."""
    events: list[Any] = []
    config = make_config({"epochs": 0, "base": "conv4", "size": 24})
    run = fit(config, tmp_path / "run", report=events.append)
    assert run.facts["head"]["why"] == "no images to fit one on"
    assert run.facts["why_no_threshold"] == "there were no images to measure one on"
    assert (run.facts["data_sha256"], run.facts["num_images"], run.facts["metrics"]) == (None, 0, {})
    assert run.facts["prefixes"] == []
    page = (run.path / "report.html").read_text()
    assert "Nothing was held out" in page
    assert "there were no images to measure one on" in page
    assert any("are random and are not trained" in event.get("message", "") for event in events)
    assert load_run(run.path).config == run.config
    with pytest.raises(DataError, match="got none, it was made without images"):
        read_split(run, report=lambda event: None)


def test_images_measure_features_too(shapes: Path, tmp_path: Path) -> None:
    """With images and --head none the held-out ones give recall and a threshold, of the features."""
    values = {"images": shapes, "epochs": 0, "head": "none", "validation": "images:0.25"}
    run = fit(make_config(values | {"base": "pixels", "size": 12}), tmp_path / "run")
    assert run.embedding_dim == 12 * 12 * 3
    assert run.facts["head"]["why"] == "asked for"
    assert run.facts["metrics"].keys() == {"recall@1", "mAP@R", "num_queries"}
    assert run.threshold is not None
    assert list(run.branch.state_dict()) == []


def test_unit_length_is_asked_for(tmp_path: Path) -> None:
    """Features are of any length unless --normalize says otherwise."""
    run = _without_images(tmp_path / "run", normalize=True)
    images = torch.randint(0, 256, (3, 24, 24, 3), dtype=torch.uint8)
    with torch.no_grad():
        np.testing.assert_allclose(run.branch(images).norm(dim=1).numpy(), 1.0, rtol=1e-5)


def test_more_features_than_an_embedding_layer_may_have(tmp_path: Path) -> None:
    """The bound is of neurons; a run of more features is read back."""
    run = _without_images(tmp_path / "run", base="pixels", size=64)
    assert load_run(run.path).embedding_dim == 64 * 64 * 3 > MAX_DIM
    with pytest.raises(UsageError, match=rf"^dim: expected 1..{MAX_DIM}, got 5000 \(--dim\)$"):
        make_config({"images": "photos", "kind": "triplet", "dim": 5000})


def test_equal_weights_read_off_at_two_places_are_two_spaces(tmp_path: Path) -> None:
    """Two cuts and two poolings with the same checkpoint give other vectors, and are never mixed."""
    runs = [
        _without_images(tmp_path / str(number), cut=cut, pooling=pooling)
        for number, (cut, pooling) in enumerate((("blocks.6", "avg"), ("blocks.7", "avg"), ("blocks.7", "max")))
    ]
    assert len({run.checkpoint_sha256 for run in runs}) == 1
    assert len({space_of(run) for run in runs}) == 3
    again = _without_images(tmp_path / "again", cut="@8", pooling="avg")
    assert space_of(again) == space_of(runs[1])


def test_layer_cuts_train_and_go_on_like_any_other(shapes: Path, tmp_path: Path) -> None:
    """Trained weights are read back behind the same layer; a finished run and another layer are refused."""
    values: dict[str, Any] = {"cut": "@7", "pooling": "flatten", "epochs": 1}
    run = fit_small(shapes, tmp_path / "run", **values)
    assert run.config.cut == "blocks.6"
    before = build_base("conv4", size=24, cut="blocks.6", pooling="flatten").module.state_dict()
    after = {key.removeprefix("base."): value for key, value in run.branch.state_dict().items() if "base." in key}
    assert before.keys() == after.keys()
    with pytest.raises(RunError, match="got a finished run"):
        fit_small(shapes, tmp_path / "run", resume=True, **values)


def test_pixels_train_an_embedding_layer_alone(shapes: Path, tmp_path: Path) -> None:
    """A linear baseline by the same losses; the only weights are the layer's."""
    run = fit_small(shapes, tmp_path / "run", base="pixels", size=12, epochs=2, dim=4)
    assert set(run.branch.state_dict()) == {"embedding.weight", "embedding.bias"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"epochs": 0, "head": "pca"},
            "IMAGES|TABLE: expected images to fit the head on, got nothing, with --head pca; "
            "name images, or use --head none, which fits nothing",
        ),
        (
            {"kind": "triplet"},
            "IMAGES|TABLE: expected a folder of images or a table to train on, got nothing; "
            "with --epochs 0 the network is taken as it is, without images",
        ),
        (
            {"epochs": 0, "dim": 64},
            "dim with --head none: expected none, for vectors are the network's features, got 64 (--dim); "
            "leave --dim away, or use --head pca",
        ),
        (
            {"epochs": 0, "catalogue": Path("c.csv")},
            "catalogue without IMAGES: expected none, for there are no images, got c.csv (--catalogue)",
        ),
        (
            {"epochs": 0, "validation": "images:0.1"},
            "validation without IMAGES: expected none, for there are no images, got images:0.1 (--validation)",
        ),
        (
            {"epochs": 0, "catalogue": "none.csv"},
            "catalogue without IMAGES: expected none, for there are no images, got none.csv (--catalogue)",
        ),
        (
            {"images": "photos", "kind": "triplet", "epochs": 3, "head": "none"},
            "head where something is trained: expected trained, lda, pca or auto, "
            "got none, which takes features as they are (--head); add --epochs 0",
        ),
    ],
)
def test_what_makes_no_sense_without_images_is_one_line(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    """And nothing is written."""
    with pytest.raises(UsageError) as caught:
        fit(make_config(values), tmp_path / "run")
    assert str(caught.value) == message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (0, "cut: expected at least 1, got 0 (--cut)"),
        ("0", "cut: expected at least 1, got '0' (--cut)"),
        (True, "cut: expected a number of stages, or a layer by its name or number, got True (--cut)"),
        ("", "cut: expected a number of stages, or a layer by its name or number, got '' (--cut)"),
    ],
)
def test_cut_is_stages_or_a_layer(cut: Any, message: str) -> None:
    """Digits are stages, wherever they were written."""
    assert make_config({"images": "p", "kind": "triplet", "cut": "3"}).cut == 3
    assert make_config({"images": "p", "kind": "triplet", "cut": "@3"}).cut == "@3"
    with pytest.raises(UsageError) as caught:
        make_config({"images": "p", "kind": "triplet", "cut": cut})
    assert str(caught.value) == message
