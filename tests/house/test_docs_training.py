"""docs/training.md held against the code: its tables against the settings, its commands run on drawn images."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lookalike.cli import app
from tests.shared.shapes_run import write_shapes
from tests.shared.training_tables import DOCUMENT, tables, written_tables
from trainer.config.complaints import flag, setting_keys
from trainer.config.config import TrainConfig
from trainer.run.saved_run import load_run

IMAGES = "demo-output/images/train"
COMMAND = re.compile(r"^    (?:torchrun .* -m )?(lookalike train .*)$", flags=re.MULTILINE)
COMMANDS = [shlex.split(line)[1:] for line in COMMAND.findall(DOCUMENT.read_text())]

HEADINGS = [table.splitlines()[0] for table in tables()]
PAIRS = zip(written_tables(DOCUMENT.read_text()), tables(), strict=True)


@pytest.mark.parametrize(("written", "built"), list(PAIRS), ids=HEADINGS)
def test_tables_of_defaults_are_those_of_the_settings(written: str, built: str) -> None:
    """To the letter; `python -m tests.shared.training_tables` writes them anew."""
    assert written.splitlines() == built.splitlines()


def test_every_setting_has_a_row_with_its_meaning() -> None:
    """What --set takes is told on the page, under its group."""
    _, _, options, *groups = tables()
    rows = re.findall(r"^\| (`.*?`) \|", options, flags=re.MULTILINE)
    named = {name for row in rows for name in _names(row)}
    for group in groups:
        title = group.split()[1]
        rows = re.findall(r"^\| (`.*?`) \|", group, flags=re.MULTILINE)
        named |= {f"{title}.{name}" for row in rows for name in _names(row)}
    settings = set(setting_keys(TrainConfig)) - {"images"}
    assert named == {"IMAGES"} | {key if "." in key else flag(key) for key in settings}


def _names(row: str) -> list[str]:
    return re.findall(r"`([^`]+)`", row)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_of_the_page_train(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each as it stands, on few images and for one epoch; what torchrun would start twice is started once."""
    monkeypatch.chdir(tmp_path)
    write_shapes(Path(IMAGES), per_class=6)
    words = list(words)
    at = words.index("--epochs") + 1
    words[at] = min(words[at], "1")
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.exception or done.output
    run = load_run(Path(words[words.index("--output") + 1]))
    for setting in (words[at + 1] for at, word in enumerate(words) if word == "--set"):
        name, _, value = setting.partition("=")
        group, _, key = name.partition(".")
        assert str(getattr(getattr(run.config, group), key)) == value


def test_page_has_commands() -> None:
    """The test above has something to look at, the recipe of DLPy's quartets included."""
    assert len(COMMANDS) >= 7
    assert any("sampling.strategy=rounds" in words and "dlpy" in words and "3" in words for words in COMMANDS)
