"""The command `index`: what it built."""

from __future__ import annotations

import json
from pathlib import Path

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
