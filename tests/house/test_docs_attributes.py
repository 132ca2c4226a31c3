"""docs/attributes.md: its commands that score, index, search and evaluate, run in order on towers of its attributes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from artifact.attributes import Attributes
from lookalike.cli import main
from tests.shared.places import ROOT
from tests.shared.scored_images import write_images
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.tiny_attribute_tower import publish_attributes
from tests.shared.two_tower_models import write_csv

TEXT = (ROOT / "docs" / "attributes.md").read_text()
COMMANDS = re.findall(r"^    lookalike ((?:score|index|search|evaluate) .*)$", TEXT, re.MULTILINE)
VALUES = {
    "shape": ["circle", "square", "star"],
    "color": ["red", "blue"],
    "striped": [0, 1],
    "border": [0, 1],
    "size": [1, 2, 3],
    "place": ["middle", "top left"],
}


def test_commands_run_in_order_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every one with exit code 0; a search by an image finds the attributes that were printed, by name."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    columns = {name: [values[at] for at in rng.integers(0, len(values), 40)] for name, values in VALUES.items()}
    attributes = Attributes.fit(columns, list(columns))
    publish_tiny(Path("models"), name="run", attributes=attributes.to_dict())
    publish_attributes(Path("models"), name="run_attributes", attributes=attributes)
    files = [path.name for path in write_images(Path("unseen"), 40)]
    write_csv(Path("unseen/table.csv"), columns, file=files)
    write_csv(Path("questions.csv"), {"color": ["red", "blue"], "shape": ["star", None]}, id=["a", "b"])
    assert len(COMMANDS) == 9
    for command in COMMANDS:
        assert main(shlex.split(command)) == 0, command
    out = capsys.readouterr().out
    assert "asked  queries  P@1" in out
    assert re.search(r"query +rank +id +distance +shape +color +striped +border +size +place", out)
