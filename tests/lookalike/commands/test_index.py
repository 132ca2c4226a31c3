"""The command `index`: what it built, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.shared.command_line import Cli


def test_index_says_what_it_built(scored_cli: Cli) -> None:
    """Kind, parameters and recall; a search of an approximate one says that it is."""
    facts = json.loads(
        scored_cli("index", "v", "--output", "j", "--kind", "ivf", "--recall", "0.9", "--seed", 4, "--json")[1]
    )
    assert (facts["kind"], facts["recall_target"], facts["seed"], facts["num_rows"]) == ("ivf", 0.9, 4, 9)
    assert facts["recall@10"] >= 0.9
    assert facts["images"] == str(Path("images").resolve())
    for index, said in (("i", False), ("j", True)):
        _, _, err = scored_cli("search", index, "v", "-k", 2, "--gallery", "g.html")
        assert ("approximate: recall@10 was" in err) is said
        assert ("approximate: recall@10 was" in Path("g.html").read_text()) is said
    assert "recall@10" in scored_cli("index", "v", "--output", "j")[1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("index", "v", "--output", "j", "--kind", "tree"), 2, "kind: expected one of auto, flat, ivf, got 'tree'"),
        (("index", "v", "--output", "j", "--recall", "2"), 2, "recall: expected a share in (0, 1], got 2.0"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    scored_cli: Cli, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """The exit code, and what to mend."""
    got, out, err = scored_cli(*arguments)
    assert (got, out) == (code, "")
    assert words in err
    assert "Traceback" not in err
