"""The head of a network that is taken as it is: which one, with which lambda, and on what it was chosen."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from artifact.errors import DataError
from tests.shared.class_folders import write_classes
from tests.shared.shapes_run import fit_small
from trainer.head.closed_form import fit_head
from trainer.head.untrained import MIN_LDA_CLASSES, USUAL_SHRINKAGE
from trainer.networks.branch import evaluating
from trainer.run.saved_run import Run


def _write_hues(folder: Path, num_classes: int, *, per_class: int = 6) -> Path:
    """Classes of one colour each, under noise that differs from image to image."""
    random = np.random.default_rng(0)
    for number in range(num_classes):
        colour = random.integers(40, 216, 3)
        for index in range(per_class):
            path = folder / f"{number:02d}" / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = colour + random.integers(-40, 41, (16, 16, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return folder


def _head(images: Path, output: Path, **values: Any) -> dict[str, Any]:
    head: dict[str, Any] = _run(images, output, **values).facts["head"]
    return head


def _run(images: Path, output: Path, **values: Any) -> Run:
    return fit_small(images, output, **{"epochs": 0, "size": 16, "validation": "none"} | values)


def test_auto_takes_lda_where_there_are_classes_enough(tmp_path: Path) -> None:
    """With the usual lambda below the number that some can be set aside of; PCA of fewer, which says why."""
    for number, expected in ((MIN_LDA_CLASSES - 1, "pca"), (MIN_LDA_CLASSES, "lda")):
        head = _head(_write_hues(tmp_path / str(number), number), tmp_path / f"run{number}")
        assert head["name"] == expected
        assert str(number) in head["why"]
        assert (head["chosen_on"], head["candidates"]) == (None, [])
    assert head["lambda"] == USUAL_SHRINKAGE
    asked = _head(tmp_path / str(MIN_LDA_CLASSES - 1), tmp_path / "asked", head="lda")
    assert (asked["name"], asked["lambda"]) == ("lda", USUAL_SHRINKAGE)
    assert _head(tmp_path / str(MIN_LDA_CLASSES), tmp_path / "pca", head="pca")["why"] == "asked for"


def test_lda_has_to_find_more_than_pca_where_classes_can_be_set_aside(tmp_path: Path) -> None:
    """Each lambda and PCA are tried on the same classes; the winner is fitted again on all of them."""
    images = _write_hues(tmp_path / "images", 40)
    run = _run(images, tmp_path / "run")
    head = run.facts["head"]
    tried = {(each["name"], each["lambda"]): each["recall@1"] for each in head["candidates"]}
    assert next(iter(tried)) == ("pca", None)
    assert {name for name, _ in list(tried)[1:]} == {"lda"}
    best = max(recall for (name, _), recall in tried.items() if name == "lda")
    assert head["name"] == ("lda" if best > tried["pca", None] else "pca")
    assert head["chosen_on"] == {"classes": 8, "images": 48}
    assert head["fitted_on"] == {"images": 240, "of": 240, "classes": 40 if head["name"] == "lda" else None}
    lda = _head(images, tmp_path / "lda", head="lda")
    assert lda["name"] == "lda"
    assert lda["why"].startswith("asked for; recall@1 ")
    assert _head(images, tmp_path / "none", head_classes=0)["lambda"] == USUAL_SHRINKAGE


def test_layer_is_that_of_the_features(tmp_path: Path) -> None:
    """As fit_head makes it of features that are computed apart; normalised vectors are not scaled."""
    import torch

    from trainer.data.class_sets import open_class_folder
    from trainer.data.images import read_images

    images = _write_hues(tmp_path / "images", 9)
    run = _run(images, tmp_path / "run", dim=12)
    read, _ = read_images(open_class_folder(images), run.preprocessing, max_cache_bytes=2**24)
    pixels = torch.from_numpy(read.pixels(np.arange(len(read))))
    with evaluating(run.branch), torch.inference_mode():
        features = run.branch.features(pixels).numpy()
    expected = fit_head(features, read.labels, dim=12, method="lda", shrinkage=USUAL_SHRINKAGE)
    assert run.normalized
    weight = run.branch.embedding.weight.detach().numpy()
    # the last directions of 9 classes are PCA of what is left, where eigenvalues lie close
    np.testing.assert_allclose(weight[:8], expected.weight[:8], atol=2e-3 * np.abs(expected.weight).max())


def test_auto_takes_pca_where_lda_cannot_be_fitted(tmp_path: Path) -> None:
    """No class has two images; LDA that is asked for is refused in one line."""
    images = write_classes(tmp_path / "images", {f"c{number:02d}": 1 for number in range(45)})
    head = _head(images, tmp_path / "run")
    assert head["name"] == "pca"
    assert head["why"].startswith("lda could not be fitted: ")
    with pytest.raises(DataError, match="classes of the training images") as caught:
        _head(images, tmp_path / "lda", head="lda")
    assert "\n" not in str(caught.value)
    one = write_classes(tmp_path / "one", {"a": 4})
    with pytest.raises(DataError, match="classes of the training images: expected at least 2, got 1"):
        _head(one, tmp_path / "of-one", head="lda")


def test_turned_classes_are_fitted_on_and_judged_as_they_are(tmp_path: Path) -> None:
    """Those set aside are judged unturned."""
    images = _write_hues(tmp_path / "images", 40, per_class=3)
    head = _head(images, tmp_path / "run", augment={"turns": True})
    assert head["chosen_on"] == {"classes": 8, "images": 24}
    assert head["fitted_on"]["images"] == 4 * 120


def test_lda_has_its_usual_lambda_where_the_classes_set_aside_can_tell_nothing(tmp_path: Path) -> None:
    """Five classes of 8 images and 55 of one: whatever the seed sets aside, LDA that is asked for is fitted."""
    sizes = {f"c{number:02d}": 8 if number < 5 else 1 for number in range(60)}
    images = write_classes(tmp_path / "images", sizes)
    reasons = []
    for seed in range(3):
        head = _head(images, tmp_path / f"run{seed}", head="lda", seed=seed)
        assert head["name"] == "lda"
        reasons.append(head["why"])
        if head["chosen_on"] is None:
            assert head["lambda"] == USUAL_SHRINKAGE
            assert "lambda is the usual 30, for none could be tried on the classes set aside: " in head["why"]
    assert any("none could be tried" in why for why in reasons)


def test_reasons_are_those_of_the_classes_that_there_are(tmp_path: Path) -> None:
    """Forty classes are enough to choose on: that none were set aside was asked for."""
    images = _write_hues(tmp_path / "images", 40)
    none = "lambda is the usual 30, for no classes were set aside to choose it on, for head_classes is 0"
    assert _head(images, tmp_path / "auto", head_classes=0)["why"] == f"there are 40 classes; {none}"
    assert _head(images, tmp_path / "lda", head="lda", head_classes=0)["why"] == f"asked for; {none}"
    few = _write_hues(tmp_path / "few", 9)
    taking = "lambda is the usual 30, for no classes were set aside to choose it on, which takes 40 training classes"
    assert _head(few, tmp_path / "of-few")["why"] == f"there are 9 classes; {taking}"
    turned = _head(few, tmp_path / "turned", augment={"turns": True}, head="lda")
    assert turned["why"] == f"asked for; {taking}"


def test_dims_that_the_images_cannot_fill_are_told_and_promise_nothing(tmp_path: Path) -> None:
    """Twelve images have eleven directions: a warning, the facts, and prefixes below eleven."""
    events: list[dict[str, Any]] = []
    run = _run(_write_hues(tmp_path / "images", 6, per_class=2), tmp_path / "run", dim=32, report=events.append)
    assert run.facts["head"]["directions"] == 11
    assert run.facts["head"]["reduced_to"] >= 11
    assert [each["dims"] for each in run.facts["prefixes"]] == [8]
    told = [event["message"] for event in events if event["event"] == "warning"]
    assert any(
        line.startswith("the last 21 of 32 numbers of every vector are 0, for the features have 11") for line in told
    )
