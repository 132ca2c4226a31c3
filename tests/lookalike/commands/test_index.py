"""The command `index`: what it built."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
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


def test_index_grows_and_shrinks_and_says_so(scored_cli: Cli) -> None:
    """Removed, added again, replaced; what is there already, or not there, is one line and changes nothing."""
    Path("gone.txt").write_bytes("\ufeffc0/0.png\r\n\nc1/1.png".encode())
    code, out, err = scored_cli("index", "i", "--remove", "gone.txt", "--json")
    facts = json.loads(out)
    assert (code, err, facts["removed"], facts["num_rows"], facts["kind"]) == (0, "", 2, 7, "flat")
    assert "added" not in facts
    code, _, err = scored_cli("index", "i", "--remove", "gone.txt")
    assert (code, err) == (
        1,
        "lookalike: ids to remove: expected ids that the index has, got 2 that it has not, first 'c0/0.png'; "
        "none is removed\n",
    )
    code, _, err = scored_cli("index", "v", "--output", "i", "--add")
    assert code == 1
    assert "got 7 that it has, first 'c0/2.png' (v); --replace puts" in err
    code, out, _ = scored_cli("index", "v", "--output", "i", "--add", "--replace", "--json")
    facts = json.loads(out)
    assert (code, facts["added"], facts["replaced"], facts["num_rows"]) == (0, 9, 7, 9)
    found = json.loads(scored_cli("search", "i", "v", "-k", 1, "--json")[1])
    assert [row["neighbours"][0]["id"] for row in found] == [row["query"] for row in found]


def test_lists_say_what_became_of_their_recall(scored_cli: Cli) -> None:
    """After a change it is measured, told and printed, and a search says when that was."""
    scored_cli("index", "v", "--output", "j", "--kind", "ivf", "--recall", "0.9")
    Path("gone.txt").write_text("c0/0.png\n")
    code, out, err = scored_cli("index", "j", "--remove", "gone.txt", "--json")
    facts = json.loads(out)
    assert (code, facts["trained_again"], facts["recall_target"]) == (0, False, 0.9)
    assert err.startswith("recall@10 is ")
    assert "recall@10 was 1.0 when it was changed" in scored_cli("search", "j", "v", "-k", 1)[2]


def test_index_keeps_the_columns_that_are_named(scored_cli: Cli) -> None:
    """id always; one that is not there, or holds vectors, is one line."""
    for names, kept in (("label", {"id", "distance", "label"}), ("id", {"id", "distance"})):
        assert scored_cli("index", "v", "--output", "k", "--copy", names)[0] == 0
        assert set(json.loads(scored_cli("search", "k", "v", "-k", 1, "--json")[1])[0]["neighbours"][0]) == kept
    code, _, err = scored_cli("index", "v", "--output", "k", "--copy", "label,lable")
    assert (code, err) == (
        1,
        'lookalike: column "lable": expected one of id, label, embedding, got no such column (v)\n',
    )
    code, _, err = scored_cli("index", "v", "--output", "k", "--copy", "embedding")
    assert (code, err) == (1, 'lookalike: column "embedding": expected one without vectors, got vectors (v)\n')


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["v"], 2, "--output: expected an index file to write, got none"),
        (["v", "--output", "i", "--replace"], 2, "--replace: expected --add with it, got none; "),
        (
            ["v", "--output", "i", "--add", "--kind", "ivf"],
            2,
            "--kind: expected none here, got one; the index that is ",
        ),
        (
            ["v", "--output", "new", "--add"],
            1,
            "index: expected new and new.rows.parquet, got no new (.); without --add ",
        ),
        (["i", "--remove", "x", "--output", "j"], 2, "--output: expected none here, got one; --remove takes rows out"),
        (["i", "--remove", "x"], 1, "list of ids: expected a text file, got No such file or directory (x)"),
        (["i", "--remove", "images"], 1, "list of ids: expected a text file, got Is a directory (images)"),
        (["i", "--remove", "i"], 1, "list of ids: expected text in UTF-8, an id a line, got other bytes (i)"),
        (["i", "--remove", "empty"], 2, "ids to remove: expected at least one, got none"),
        (["v", "--remove", "empty"], 1, "index: expected v and v.rows.parquet, got no v (.)"),
        (["i.rows.parquet", "--output", "i", "--add"], 2, "output: expected another file than those of the table"),
        (["v", "--output", "i", "--add", "--distance", "cosine"], 2, "distance: expected euclidean, as the index was"),
    ],
)
def test_changes_that_cannot_be_are_one_line(scored_cli: Cli, words: list[str], code: int, line: str) -> None:
    """Options that do not go together, and files that are something else."""
    Path("empty").write_text("\n\n")
    found, _, err = scored_cli("index", *words)
    assert (found, err.startswith(f"lookalike: {line}"), err.count("\n")) == (code, True, 1), err


def test_index_of_codes_is_told_and_searched(scored_cli: Cli) -> None:
    """Its bytes and candidates; three files; a table that is one of them is not written over; no row is added."""
    code, out, err = scored_cli("index", "v", "--output", "j", "--kind", "rabitq", "--json")
    facts = json.loads(out)
    assert (code, err, facts["kind"], facts["id_bytes"], facts["vector_bytes"]) == (0, "", "rabitq", 8, 16)
    assert facts["code_bytes"] == 9
    assert {"nprobe", "candidates", "recall@10"} <= set(facts)
    (beside,) = Path().glob("j.vectors-*.npy")
    found = json.loads(scored_cli("search", "j", "v", "-k", 1, "--json")[1])
    assert [row["neighbours"][0]["id"] for row in found] == [row["query"] for row in found]
    code, _, err = scored_cli("index", beside, "--output", "j", "--distance", "euclidean")
    assert code != 0
    assert err.count("\n") == 1
    code, _, err = scored_cli("index", "v", "--output", "j", "--add", "--replace")
    assert code != 0
    assert err.endswith("expected kind flat or ivf to change, got kind rabitq; build it again\n")
    beside.unlink()
    code, _, err = scored_cli("search", "j", "v")
    assert (code, err.count("\n")) == (1, 1)
    assert f"expected {beside.name} beside it" in err


def test_index_says_where_codes_do_not_reach_the_recall(
    scored_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few candidates allowed, and a recall of 1 asked for."""
    monkeypatch.setattr("analysis.search.coded_kinds.MOST_CANDIDATES", 1)
    np.save("many.npy", np.random.default_rng(0).normal(size=(3000, 16)).astype(np.float32))
    code, _, err = scored_cli(
        "index", "many.npy", "--output", "j", "--kind", "rabitq", "--recall", 1, "--distance", "euclidean"
    )
    assert code == 0
    assert err.startswith("recall@10 is 0.")
    assert "and not 1 as asked for: ivf or flat reach more" in err
