"""Prefixes as describe and diff show them: a line each beside the whole vector, a field each where they differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from serving.difference import compare_artifacts
from tests.shared.command_line import Cli
from tests.shared.tiny_artifact import promised, write_tiny_artifact

HEAD = {"name": "lda", "why": "it won on 3 classes", "lambda": 0.1}
PREFIXES = [promised(2, 0.5), promised(3)]


def test_describe_shows_each_prefix_beside_the_whole_vector(cli: Cli, tmp_path: Path) -> None:
    """Its recall, its threshold or why there is none, and what they rest on; the head of the run and why."""
    rests_on = {"recall@1": {"queries": 40, "is_enough": True, "text": "40 queries"}}
    metrics = {"recall@1": 0.75, "mAP@R": 0.5}
    write_tiny_artifact(tmp_path / "a", prefixes=PREFIXES, metrics=metrics, rests_on=rests_on, head=HEAD)
    out = cli("describe", "a")[1]
    table = out[out.index("\ndims ") :].splitlines()[1:]
    assert [" ".join(line.split()) for line in table] == [
        "dims recall@1 mAP@R threshold recall@1 rests on",
        "2 0.02 0.01 0.5 40 queries",
        "3 0.03 0.015 none: nothing was held out 40 queries",
        "4 0.75 0.5 1 40 queries",
    ]
    assert ["head", "lda, lambda 0.1, it won on 3 classes"] in [line.split(maxsplit=1) for line in out.splitlines()]
    described = json.loads(cli("describe", "a", "--json")[1])
    assert described["prefixes"] == [{**PREFIXES[0], "why_no_threshold": None}, PREFIXES[1]]


def test_describe_says_whose_figures_those_of_a_reduced_precision_are(cli: Cli, tmp_path: Path) -> None:
    """Metrics are the run's; thresholds are int8's own, and the run's of fp16."""
    for precision, thresholds in (("int8", "thresholds are its own"), ("fp16", "thresholds too")):
        write_tiny_artifact(tmp_path / "a", prefixes=PREFIXES, precision=precision)
        line = f"recall@1 and mAP@R are those of the run, before {precision}; {thresholds}\n"
        assert cli("describe", "a")[1].endswith(line)


def test_describe_of_an_artifact_without_prefixes_says_nothing_of_them(cli: Cli, tmp_path: Path) -> None:
    """It is what it was."""
    write_tiny_artifact(tmp_path / "a")
    out = cli("describe", "a")[1]
    assert "\ndims " not in out
    assert "head" not in out
    assert "prefixes" not in json.loads(cli("describe", "a", "--json")[1])


def test_describe_shows_prefixes_that_were_not_measured(cli: Cli, tmp_path: Path) -> None:
    """Nothing was held out: no figures at all."""
    nothing: dict[str, Any] = {"dims": 2, "metrics": None, "rests_on": None, "threshold": None}
    write_tiny_artifact(tmp_path / "a", prefixes=[nothing])
    out = cli("describe", "a")[1]
    assert [" ".join(line.split()) for line in out.splitlines()[-2:]] == ["2 none", "4 1"]


def test_describe_shows_the_figures_of_tuples(cli: Cli, tmp_path: Path) -> None:
    """A run on tables of tuples measures the share of held-out tuples in order."""
    counted = {"held_out_pct_correct": {"tuples": 40, "is_enough": True, "text": "40 tuples"}}

    def measured(share: float) -> dict[str, Any]:
        return {"metrics": {"held_out_pct_correct": share, "num_held_out_tuples": 40}, "rests_on": counted}

    prefix = {"dims": 2, "threshold": None, **measured(87.5)}
    marked = {"metrics_of_trained_layer": ["loss"], **measured(90.0)}
    marked["metrics"] = {"loss": 0.25, **marked["metrics"]}
    write_tiny_artifact(tmp_path / "a", prefixes=[prefix], precision="fp16", **marked)
    out = cli("describe", "a")[1]
    table = out[out.index("\ndims ") :].splitlines()[1:]
    assert [" ".join(line.split()) for line in table] == [
        "dims held_out_pct_correct threshold held_out_pct_correct rests on",
        "2 87.5 none 40 tuples",
        "4 90 1 40 tuples",
        "held_out_pct_correct is that of the run, before fp16; thresholds too",
    ]
    assert "num_held_out_tuples=40; of the trained layer: loss=0.25\n" in out


def test_diff_names_the_figure_of_the_prefix_that_differs(tmp_path: Path) -> None:
    """Field by field, by the prefix's dims; one that the other does not promise is absent there."""

    def write(name: str, prefixes: list[dict[str, Any]]) -> Path:
        write_tiny_artifact(tmp_path / name, prefixes=prefixes)
        return tmp_path / name

    def fields(a: Path, b: Path) -> dict[str, list[Any]]:
        found = {name: values for name, *values in compare_artifacts(a, b).fields}
        return {name: values for name, values in found.items() if name.startswith("prefixes")}

    a, b = write("a", PREFIXES), write("b", [promised(2, 0.6), PREFIXES[1]])
    assert fields(a, b) == {"prefixes.2.threshold.value": [0.5, 0.6]}
    [(name, (there, absent))] = fields(a, write("c", PREFIXES[:1])).items()
    assert (name, there["dims"], absent) == ("prefixes.3", 3, "(absent)")
    [(name, (absent, _))] = fields(write("n", []), a).items()
    assert (name, absent) == ("prefixes", "(absent)")
