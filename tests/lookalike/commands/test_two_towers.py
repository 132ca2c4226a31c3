"""A table with attributes through every command on runs and artifacts, and what a hasty user types."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.shared.attribute_run import write_squares
from tests.shared.command_line import Cli, one_line

TRAIN = ("--kind", "triplet", "--columns", "image=file", "--epochs", 1, "--dim", 8, "--size", 16)


@pytest.fixture
def table(tmp_path: Path) -> str:
    """A table of sixty pictures, in the empty folder where commands run."""
    write_squares(tmp_path / "squares", count=60)
    return "squares/table.csv"


def test_train_deploys_three_models_and_every_command_takes_them(cli: Cli, table: str) -> None:
    """Described, checked, compared, exported again, extracted, installed elsewhere, tuned, rolled back and removed."""
    code, out, err = cli(
        "train", table, *TRAIN, "--attributes", "color, framed,size", "--output", "run", "--deploy", "r", "--json"
    )
    assert code == 0, err
    trained = json.loads(out)
    assert [(each["name"], each["mode"]) for each in trained["models"]] == [
        ("run", "branch"),
        ("run_attributes", "attributes"),
        ("run_full", "towers"),
    ]
    assert "attribute_P@10" in trained["metrics"]
    assert json.loads(cli("check", "--repository", "r", "--json")[1])["problems"] == []
    described = json.loads(cli("describe", "run_attributes", "--repository", "r", "--json")[1])
    assert described["inputs"][0]["shape"] == "[N, 6]"
    shown = cli("describe", "run_attributes", "--repository", "r")[1]
    assert "color (category: blue, green, red), framed (flag), size (number" in shown
    assert re.search(r"^loss +softmax *$", shown, re.MULTILINE)  # which has no margin
    code, out, _ = cli("export", "run", "--as", "attributes", "--repository", "r", "--file", "a.onnx", "--json")
    again = json.loads(out)
    assert (code, again["mode"], again["version"]) == (0, "attributes", 1)
    assert again["digest"] == described["digest"]
    checked = json.loads(cli("check", "a.onnx", "--json")[1])
    assert (checked["golden_rows"], "golden_images" in checked) == (4, False)
    assert json.loads(cli("export", "run", "--as", "full", "--repository", "r", "--json")[1])["mode"] == "towers"
    compared = cli("diff", "run_attributes", "run", "--repository", "r")[1]
    assert "the two do not take the same" in compared
    assert (
        "space    the same" in compared
        or '"same_space": true' in cli("diff", "run_attributes", "run", "--repository", "r", "--json")[1]
    )
    assert cli("extract", "run_attributes", "--repository", "r", "--file", "b.onnx")[0] == 0
    assert Path("b.onnx").read_bytes() == Path("a.onnx").read_bytes()
    assert cli("install", "b.onnx", "--repository", "other", "--name", "copy")[0] == 0
    assert cli("tune", "copy", "--repository", "other", "--seconds", 1)[0] == 0
    assert json.loads(cli("versions", "copy", "--repository", "other", "--json")[1])["versions"][0]["served"]
    assert cli("remove", "copy", "--repository", "other")[0] == 0
    assert not [path for path in Path("other").iterdir() if path.is_dir()]


def test_what_nobody_told_is_told_in_the_settings_of_the_run(cli: Cli, table: str) -> None:
    """Types that were found are told before the first step, and stand in the facts."""
    code, _, err = cli("train", table, *TRAIN, "--attributes", "color,framed,size", "--output", "run")
    assert code == 0
    assert "attributes: color (category: blue, green, red), framed (flag), size (number" in err
    assert json.loads(Path("run/facts.json").read_text())["attributes"][1] == {
        "name": "framed",
        "type": "flag",
        "missing": 0.0,
    }


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["--attributes", "colour"], 1, 'column "colour": expected one of file, color, framed, size'),
        (["--attributes", "color,"], 2, "attributes: expected names of columns, each once"),
        (["--attributes", "color", "--negatives", "flipped:2"], 2, "K of 1..1 attributes, got 'flipped:2'"),
        (["--attributes", "color", "--negatives", "others"], 2, "did you mean other?"),
        (["--negatives", "other"], 2, "--negatives: expected --attributes beside it, got other"),
        (["--attributes", "color", "--flipped-share", "2"], 2, "flipped_share: expected"),
        (["--attributes", "color", "--loss", "quadruplet"], 2, "loss of a triplet model"),
        (["--attributes", "color", "--head", "lda"], 2, "head of a model with attributes"),
    ],
)
def test_hasty_options_are_one_line(cli: Cli, table: str, words: list[str], code: int, line: str) -> None:
    """And leave no run folder."""
    found, out, err = cli("train", table, *TRAIN, *words, "--output", "run")
    assert (found, out) == (code, ""), err
    assert line in one_line(err)
    assert not Path("run").exists()


def test_attributes_of_a_run_of_images_are_refused(cli: Cli, trained: Path) -> None:
    """In one line that says how to train them."""
    code, _, err = cli("export", trained, "--as", "attributes", "--repository", "r")
    assert code == 2
    assert "expected a run with an attribute tower, got images alone" in one_line(err)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_export_of_attributes_is_fp32_only(cli: Cli, table: str, precision: str) -> None:
    """Before anything is exported."""
    assert cli("train", table, *TRAIN, "--attributes", "color,size", "--output", "run")[0] == 0
    code, _, err = cli("export", "run", "--as", "attributes", "--precision", precision, "--repository", "r")
    assert code == 2
    assert f"precision of an attribute tower: expected fp32, got {precision}" in one_line(err)
