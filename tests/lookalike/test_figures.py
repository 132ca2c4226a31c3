"""Figures of runs and artifacts as they are printed: with what they rest on, and why there is none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lookalike.progress import training_facts
from lookalike.results.figures import metrics_line, threshold_line
from tests.shared.class_folders import write_noise
from tests.shared.command_line import Cli

FEW = {"queries": 8, "is_enough": False, "text": "8 queries: too few to tell 100 %"}
EVENT: dict[str, Any] = {"loss": 1.0, "pct_active": 3.0, "pct_correct": 97.0, "images_per_s": 10.0, "mAP@R": 0.5}
THRESHOLD = {"value": 0.5, "rule": "r", "far": 0.0, "frr": 0.0, "eer": 0.0, "pairs": 10}


def test_metrics_say_in_their_line_which_rest_on_too_few() -> None:
    """Nothing of those that do not, and nothing where nobody counted."""
    metrics = {"recall@1": 1.0, "num_queries": 8}
    assert metrics_line(metrics, {"recall@1": FEW}) == (
        "recall@1=1, num_queries=8; recall@1 rests on 8 queries: too few to tell 100 %"
    )
    assert metrics_line(metrics, {"recall@1": FEW | {"is_enough": True}}) == "recall@1=1, num_queries=8"
    assert metrics_line(metrics, None) == "recall@1=1, num_queries=8"
    assert metrics_line(None, None) is None
    assert metrics_line({"loss": 2.0} | metrics, None, of_trained=["loss"]) == (
        "recall@1=1, num_queries=8; of the trained layer: loss=2"
    )
    assert metrics_line({"loss": 2.0}, None, of_trained=["loss"]) == "of the trained layer: loss=2"


def test_a_threshold_says_what_it_rests_on_or_why_there_is_none() -> None:
    """One from before it was counted by what its protocol says."""
    rates = "value=0.5, rule=r, far=0, frr=0, eer=0, pairs=10"
    counted = {"same_pairs": 6, "different_pairs": 4, "classes": 4, "is_enough": False, "rests_on": "6 same pairs"}
    assert threshold_line(THRESHOLD | counted, None) == f"{rates}; rests on 6 same pairs"
    assert threshold_line(None, "nothing was held out") == "none: nothing was held out"
    assert threshold_line(None, None) is None
    assert threshold_line(THRESHOLD, None) == rates
    before = THRESHOLD | {"protocol": "6 same and 4 different held-out pairs (all there are); the largest"}
    assert str(threshold_line(before, None)).endswith(
        "; rests on 6 same pairs and 4 different pairs: too few for 1 % false accepts, which takes 1,000 different "
        "pairs, and to tell 0 % to within 10 points, which takes 16 same pairs, and to tell 0 % to within 10 points, "
        "which takes 16 different pairs"
    )


@pytest.mark.parametrize(
    ("trained", "new", "words"),
    [
        (37, 0, "measured on held-out images of classes that were trained on; expect more rejections on new ones"),
        (0, 12, "measured on classes never trained on"),
        (30, 1, "measured on 31 classes, 1 of which was never trained on; expect more rejections on new ones"),
        (
            1_000,
            200,
            "measured on 1,200 classes, 200 of which were never trained on; expect more rejections on new ones",
        ),
    ],
)
def test_a_threshold_says_on_which_classes_it_was_measured(trained: int, new: int, words: str) -> None:
    """In words, at the end of its line; one of before says nothing."""
    measured = {"measured_on": {"trained_classes": trained, "new_classes": new}}
    assert threshold_line(THRESHOLD | measured, None) == f"{threshold_line(THRESHOLD, None)}; {words}"


@pytest.mark.parametrize(
    ("figure", "facts", "shown"),
    [
        ("recall@1", FEW, "recall@1 1.000 (8 queries, too few), mAP@R 0.500, 10 images/s"),
        ("recall@1", FEW | {"is_enough": True}, "recall@1 1.000 (8 queries), mAP@R 0.500, 10 images/s"),
        ("mAP@R", FEW, "recall@1 1.000, mAP@R 0.500 (8 queries, too few), 10 images/s"),
    ],
)
def test_the_line_of_an_epoch_counts_its_queries(figure: str, facts: dict[str, Any], shown: str) -> None:
    """In brackets behind the figure."""
    assert training_facts(EVENT | {"recall@1": 1.0, "rests_on": {figure: facts}}).endswith(shown)


@pytest.fixture
def trained(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in a folder with four classes of five images."""
    monkeypatch.chdir(tmp_path)
    for number in range(20):
        write_noise(Path("images") / "abcd"[number % 4] / f"{number}.png", seed=number, size=(16, 16))
    return cli


def train(cli: Cli, *more: object) -> tuple[int, str, str]:
    small = ("--epochs", 1, "--size", 16, "--dim", 4, "--set", "max_disk_mb=0")
    return cli("train", "images", "--kind", "siamese", "--output", "run", *small, *more)


@pytest.mark.slow
def test_a_small_run_says_everywhere_what_its_figures_rest_on(trained: Cli) -> None:
    """Its progress, its result, its page, the artifact's description and versions, and the scores that it decides."""
    code, out, err = train(trained, "--validation", "images:0.4", "--deploy", "models")
    assert code == 0, err
    assert re.search(r"recall@1 \d\.\d+ \(8 queries, too few\)", err)
    words = "4 same pairs and 24 different pairs of 4 classes: too few for 1 % false accepts, which takes 1,000"
    assert re.search(rf"^threshold .*; rests on {words}", out, re.MULTILINE)
    assert re.search(r"^metrics .*num_queries=8; recall@1 rests on 8 queries: too few", out, re.MULTILINE)
    facts = json.loads(Path("run/facts.json").read_text())
    assert (facts["threshold"]["is_enough"], facts["rests_on"]["recall@1"]["is_enough"]) == (False, False)
    page = Path("run/report.html").read_text()
    assert page.count(words) >= 4  # a tile, two figures, one line of the summary
    assert page.count("4 same pairs and 24 different pairs of 4 classes: too few to tell ") == 1  # the other tile
    assert "8 queries: too few" in page
    code, out, _ = trained("describe", "run", "--repository", "models")
    assert re.search(rf"^threshold .*; rests on {words}", out, re.MULTILINE)
    assert re.search(r"^metrics .*recall@1 rests on 8 queries: too few", out, re.MULTILINE)
    assert (
        json.loads(trained("describe", "run", "--repository", "models", "--json")[1])["threshold"]["is_enough"] is False
    )
    assert "(8 queries: too few" in trained("versions", "run", "--repository", "models")[1]
    found = json.loads(trained("versions", "run", "--repository", "models", "--json")[1])
    assert found["versions"][0]["rests_on"]["recall_at_1"]["queries"] == 8
    Path("pairs.csv").write_text("left,right\nimages/a/0.png,images/a/4.png\n")
    code, _, err = trained("score", "pairs.csv", "--model", "run_full", "--repository", "models", "--output", "v")
    assert (code, f'column "same" is decided by a threshold that rests on {words}' in err) == (0, True)
    code, _, err = trained("score", "images", "--model", "run", "--repository", "models", "--output", "w")
    assert (code, '"same"' in err) == (0, False)


def test_a_run_without_a_threshold_says_why(trained: Cli) -> None:
    """In its result, on its page and in its facts, from where the artifact has it."""
    code, out, err = train(trained, "--validation", "none")
    assert code == 0, err
    assert re.search(r"^threshold +none: nothing was held out$", out, re.MULTILINE)
    assert "none: nothing was held out" in Path("run/report.html").read_text()
    assert json.loads(Path("run/facts.json").read_text())["why_no_threshold"] == "nothing was held out"


def test_held_out_tuples_are_counted_too(trained: Cli) -> None:
    """They have no classes, so there is no threshold, and the run says so."""
    names = [f"images/{'abcd'[number % 4]}/{number}.png" for number in range(20)]
    rows = [f"{names[row]},{names[(row + 4) % 20]},{names[(row + 1) % 20]}" for row in range(20)]
    Path("tuples.csv").write_text("\n".join(["anchor,positive,negative", *rows]) + "\n")
    words = ("--epochs", 1, "--size", 16, "--dim", 4, "--set", "max_disk_mb=0", "--validation", "images:0.4", "--json")
    code, out, err = trained("train", "tuples.csv", "--kind", "triplet", "--output", "run", *words)
    assert code == 0, err
    found = json.loads(out)
    counted = found["metrics"]["num_held_out_tuples"]
    assert found["rests_on"]["held_out_pct_correct"]["tuples"] == counted > 0
    assert re.search(rf"held-out \d+\.\d % correct \({counted} tuples?, too few\)", err)
    assert found["why_no_threshold"] == "held-out tuples have no classes"
