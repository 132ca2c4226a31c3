"""What a run says of its head: whose its figures are, and the reasons of a head that nothing was chosen on."""

import json
from pathlib import Path
from typing import Any

import pytest

from artifact.errors import DataError
from pages.report_summary import headline
from tests.shared.pattern_classes import write_patterns
from tests.shared.shapes_run import lines_of
from trainer.config.config import make_config
from trainer.head import final
from trainer.loop.fit import fit
from trainer.run.saved_run import Run


@pytest.fixture(scope="module")
def patterns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty-four classes of four images."""
    return write_patterns(tmp_path_factory.mktemp("patterns") / "images", num_classes=44, per_class=4)


def _train(images: Path, output: Path, **values: Any) -> Run:
    small = {"images": images, "kind": "triplet", "dim": 16, "epochs": 1, "head_classes": 0}
    return fit(make_config(small | values), output)


def test_figures_of_the_trained_layer_are_marked_where_another_took_its_place(patterns: Path, tmp_path: Path) -> None:
    """All that training measured and nobody measured again; keys and values of `metrics` stay."""
    run = _train(patterns, tmp_path / "run", head="lda")
    [line] = lines_of(run.path)
    marked = run.facts["metrics_of_trained_layer"]
    assert set(marked) | {"recall@1", "mAP@R", "num_queries"} == set(run.facts["metrics"])
    assert not {"recall@1", "mAP@R", "num_queries"} & set(marked)
    assert {"loss", "pct_correct", "mean_positive", "mean_negative"} <= set(marked)
    for name in set(marked) & set(line):
        assert run.facts["metrics"][name] == line[name]
    shown = {name: basis for name, _, basis in headline(run.facts, [], None)}
    assert (shown["loss"], shown["% correct"]) == ("of the trained layer", "of the trained layer")
    assert "of the trained layer" in (run.path / "report.html").read_text()
    none = _train(patterns, tmp_path / "none", head="pca", validation="none")
    assert set(none.facts["metrics_of_trained_layer"]) == set(none.facts["metrics"])
    assert [(each["dims"], each["metrics"]) for each in none.facts["prefixes"]] == [(8, None)]
    assert "nothing was held out" in (none.path / "report.html").read_text()
    trained = _train(patterns, tmp_path / "trained", head="trained")
    assert "metrics_of_trained_layer" not in json.loads((trained.path / "facts.json").read_text())


def test_a_head_that_was_not_chosen_says_why(patterns: Path, tmp_path: Path) -> None:
    """Forty-four classes are enough: none were set aside because that was asked for."""
    for head, expected in (
        (
            "lda",
            "asked for; lambda is the usual 2, for no classes were set aside to choose it on, for head_classes is 0",
        ),
        ("auto", "no classes were set aside to choose another on, for head_classes is 0"),
    ):
        run = _train(patterns, tmp_path / head, head=head, validation="none")
        assert run.facts["head"]["why"] == expected


def test_lda_that_was_asked_for_is_fitted_where_nothing_can_be_tried(
    patterns: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies alone may be set aside: the choice is lost, not the head."""

    def fails(*_: Any, **__: Any) -> None:
        raise DataError("labels", expected="a class with another image", got="none among 8 images")

    monkeypatch.setattr(final, "tried", fails)
    head = _train(patterns, tmp_path / "run", head="lda", head_classes=8, validation="none").facts["head"]
    assert (head["name"], head["lambda"], head["chosen_on"]) == ("lda", 2.0, None)
    assert "lambda is the usual 2, for none could be tried on the classes set aside: labels: expected" in head["why"]
