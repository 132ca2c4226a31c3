"""The command `evaluate`: the table for people, JSON for machines, and its options."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from analysis.evaluation.labelled_tables import evaluate
from rows.vectors.lineage import Lineage
from rows.vectors.schema import vector_array
from rows.vectors.table import VectorTable
from tests.shared.command_line import Cli


def write_table(folder: Path, *, name: str = "v.parquet", column: str = "embedding", **columns: object) -> Path:
    """120 vectors of 8 classes (two rows without one) that overlap."""
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 8
    vectors = (rng.normal(size=(8, 6))[labels] + rng.normal(size=(120, 6))).astype(np.float32)
    words = [f"c{label}" for label in labels]
    words[3], words[9] = "", ""
    lineage = Lineage(artifact="m", version=1, digest="d", space="s", distance="euclidean", normalized=False)
    table = pa.table({"id": [str(i) for i in range(120)], "label": words, **columns, column: vector_array(vectors)})
    parquet.write_table(table.replace_schema_metadata(lineage.to_metadata()), folder / name)
    return folder / name


@pytest.fixture
def evaluated(cli: Cli, tmp_path: Path) -> Cli:
    """Run `lookalike evaluate` in a folder with one table; gives exit code, stdout and stderr."""
    write_table(tmp_path)
    return partial(cli, "evaluate")


def test_evaluate_prints_what_the_function_returns(evaluated: Cli) -> None:
    """--json is what analysis.evaluation gives with the same options, every share with an interval."""
    code, out, _ = evaluated("v.parquet", "--label", "label", "--json", "--seed", 3, "--bootstrap", 50, "--per-class")
    found = json.loads(out)
    assert code == 0
    table = VectorTable.open("v.parquet")
    assert found.pop("left_out")["num_rows"] == 0
    assert found == json.loads(json.dumps(evaluate(table, "label", seed=3, bootstrap=50, per_class=True)))
    for name in ("recall@1", "P@5", "mAP", "mAP@R", "ranking_accuracy"):
        assert found[f"{name}_low"] <= found[name] <= found[f"{name}_high"], name
    for name in ("AUC", "EER", "TAR@FAR=0.1", "TAR@FAR=0.01"):
        verification = found["verification"]
        assert verification[f"{name}_low"] <= verification[name] <= verification[f"{name}_high"], name
    assert found["verification"]["TAR@FAR=0.0001"] is None
    assert found["tuples_from"] == "random triplets (seed 3)"
    assert (len(found["per_class"]), found["num_unlabelled"], found["num_rows"]) == (8, 2, 118)


def test_evaluate_prints_a_table_for_people(evaluated: Cli) -> None:
    """A line a metric with its interval; with --per-class a line a class, worst first."""
    code, out, _ = evaluated("v.parquet", "--label", "label", "--per-class", "--bootstrap", 50)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split() == ["metric", "value", "low", "high", "rests", "on"]
    at = lines[0].index("rests on")
    rows = {line.split()[0]: line[:at].split()[1:] for line in lines[1 : lines.index("")]}
    rests_on = {line.split()[0]: line[at:].strip() for line in lines[1 : lines.index("")]}
    expected = evaluate(VectorTable.open("v.parquet"), "label", bootstrap=50)
    for name in ("recall@1", "mAP@R", "ranking_accuracy", "purity"):
        values = [expected[name], expected.get(f"{name}_low"), expected.get(f"{name}_high")]
        assert [float(cell) for cell in rows[name]] == pytest.approx([v for v in values if v is not None], rel=1e-3)
    assert len(rows["AUC"]) == 3
    assert rows["TAR@FAR=0.0001"] == []  # not given, and why
    assert rests_on == {name: facts["text"] for name, facts in expected["rests_on"].items()}
    assert rests_on["recall@1"] == "118 queries of 8 classes"
    assert rests_on["TAR@FAR=0.0001"] == (
        f"{expected['verification']['same_pairs']} same pairs and {expected['verification']['different_pairs']:,} "
        "different pairs of 8 classes: too few for 0.01 % false accepts, which takes 100,000 different pairs"
    )
    header = next(number for number, line in enumerate(lines) if line.startswith("class"))
    worst_first = [float(line.split()[2]) for line in lines[header + 1 :]]
    assert len(worst_first) == 8
    assert worst_first == sorted(worst_first)


def test_evaluate_without_a_bootstrap_of_a_sample_of_queries(evaluated: Cli) -> None:
    """Intervals of the sample where there is one, none where all is measured."""
    code, out, _ = evaluated("v.parquet", "--label", "label", "--json", "--bootstrap", 0)
    found = json.loads(out)
    assert (code, found["queries"]) == (0, 118)
    assert "recall@1_low" not in found
    assert "AUC_low" not in found["verification"]
    code, out, _ = evaluated("v.parquet", "--label", "label", "--json", "--bootstrap", 0, "--queries", 40)
    found = json.loads(out)
    assert (code, found["queries"], found["mAP_queries"]) == (0, 40, 40)
    assert found["recall@1_low"] < found["recall@1"] < found["recall@1_high"]


def test_evaluate_counts_the_tuples_of_a_full_table(evaluated: Cli, tmp_path: Path) -> None:
    """A table with distance columns: its own triplets, those of unlabelled rows too."""
    near, far = np.arange(120, dtype=np.float32), np.full(120, 30, np.float32)
    write_table(
        tmp_path,
        name="full.parquet",
        column="embedding_anchor",
        distance_anchor_positive=near,
        distance_anchor_negative=far,
    )
    code, out, _ = evaluated("full.parquet", "--label", "label", "--column", "embedding_anchor", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["ranking_accuracy"], found["tuples"], found["tuples_from"]) == (30 / 120, 120, "distance columns")


def test_evaluate_leaves_out_a_k_means_that_would_not_end(evaluated: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """And ranks a sample of queries where all would take too long."""
    monkeypatch.setattr("analysis.evaluation.labelled_tables.CLUSTERING_PRODUCTS", 118 * 6 * 8 - 1)
    monkeypatch.setattr("analysis.evaluation.labelled_tables.RANKED_DISTANCES", 118 * 118 - 1)
    code, out, _ = evaluated("v.parquet", "--label", "label", "--json")
    found = json.loads(out)
    assert (code, found["purity"], found["nmi"], found["queries"]) == (0, None, None, 118)  # never below 1,000
    assert evaluated("v.parquet", "--label", "label")[0] == 0


def test_evaluate_of_one_class_has_no_verification(evaluated: Cli, tmp_path: Path) -> None:
    """Retrieval is perfect by definition; there is nothing to tell apart."""
    write_table(tmp_path, name="one.parquet", animal=["cat"] * 120)
    code, out, _ = evaluated("one.parquet", "--label", "animal", "--json")
    found = json.loads(out)
    assert (code, found["recall@1"], found["verification"], found["ranking_accuracy"]) == (0, 1.0, None, None)
    code, out, _ = evaluated("one.parquet", "--label", "animal")
    assert code == 0
    assert "none: all labelled rows are of one class" in out
    assert found["rests_on"]["recall@1"] == {
        "queries": 120,
        "classes": 1,
        "is_enough": True,
        "text": "120 queries of 1 class; no interval below 5 classes",
    }


def test_evaluate_marks_figures_that_rest_on_too_few(evaluated: Cli, tmp_path: Path) -> None:
    """Two pairs of images: in the line of the figure, and in JSON beside its counts."""
    write_table(tmp_path, name="few.parquet", pair=["a", "b", "a", "b", *[None] * 116])
    found = json.loads(evaluated("few.parquet", "--label", "pair", "--json")[1])["rests_on"]
    assert [name for name, facts in found.items() if facts["is_enough"]] == []
    assert (found["recall@1"]["queries"], found["AUC"]["same_pairs"], found["AUC"]["different_pairs"]) == (4, 2, 4)
    lines = evaluated("few.parquet", "--label", "pair")[1].splitlines()
    for name in ("recall@1", "mAP", "purity", "ranking_accuracy", "AUC", "EER"):
        [line] = [line for line in lines if line.startswith(f"{name} ")]
        assert ": too few to tell " in line
    assert sum("too few for" in line for line in lines) == 4  # TAR at each rate


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--label", "id"), 1, "labels: expected a class with another image, got none among 120 images"),
        (("--label", "label", "--queries", "0"), 2, "--queries"),
        (("--label", "label", "--bootstrap", "-1"), 2, "--bootstrap"),
        (("--label", "label", "--seed", "-1"), 2, "--seed"),
    ],
)
def test_evaluate_refuses_in_one_line(evaluated: Cli, arguments: tuple[str, ...], code: int, words: str) -> None:
    """What makes no sense: the exit code, and the option or the fact."""
    got, out, err = evaluated("v.parquet", *arguments)
    assert (got, out) == (code, "")
    assert words in err
    assert "Traceback" not in err


def test_evaluate_says_where_there_is_no_interval(evaluated: Cli, tmp_path: Path) -> None:
    """Every figure without one, of four classes: the columns are empty, and the words beside them say why."""
    write_table(tmp_path, name="four.parquet", group=[f"g{row % 4}" for row in range(120)])
    facts = json.loads(evaluated("four.parquet", "--label", "group", "--json")[1])
    shares = facts | facts["verification"]
    for name, support in facts["rests_on"].items():
        is_bare = shares[name] is not None and shares.get(f"{name}_low") is None
        assert ("no interval" in support["text"]) is is_bare, name
    assert sum("no interval below 5 classes" in support["text"] for support in facts["rests_on"].values()) >= 10
    facts = json.loads(evaluated("four.parquet", "--label", "group", "--json", "--bootstrap", 0)[1])
    assert "no interval" not in str(facts["rests_on"])


def test_evaluate_marks_classes_of_too_few(evaluated: Cli) -> None:
    """Some fifteen queries a class: in its line, and in JSON beside each of its figures."""
    rows = json.loads(evaluated("v.parquet", "--label", "label", "--json", "--per-class")[1])["per_class"]
    texts = set()
    for row in rows:
        names = [name for name in row if name.startswith(("recall@", "P@", "mAP@R"))]
        assert list(row["rests_on"]) == names
        assert {support["queries"] for support in row["rests_on"].values()} == {row["queries"]}
        short = [support["text"] for support in row["rests_on"].values() if not support["is_enough"]]
        texts.add(short[0] if short else f"{row['queries']} queries")
    out = evaluated("v.parquet", "--label", "label", "--per-class")[1]
    [header] = [line for line in out.splitlines() if line.startswith("class")]
    assert header.endswith("rests on")
    lines = out[out.index(header) :].splitlines()[1:]
    assert {line[header.index("rests on") :].strip() for line in lines} == texts
    assert any(": too few to tell " in text for text in texts)


def test_evaluate_prints_what_reranking_gains(evaluated: Cli) -> None:
    """A table of plain and re-ranked figures with their difference; the same numbers in the JSON."""
    found = json.loads(evaluated("v.parquet", "--label", "label", "--bootstrap", 0, "--rerank", "--json")[1])
    again = found["reranked"]
    assert again["mAP@R_gain"] == pytest.approx(again["mAP@R"] - found["mAP@R"])
    code, out, _ = evaluated("v.parquet", "--label", "label", "--bootstrap", 0, "--rerank")
    assert code == 0
    header, line = (next(row for row in out.splitlines()[20:] if word in row) for word in ("re-ranked", "mAP@R"))
    assert header.split() == ["metric", "plain", "re-ranked", "gain"]
    assert float(line.split()[2]) == pytest.approx(again["mAP@R"], abs=1e-3)
    assert "re-ranked" not in evaluated("v.parquet", "--label", "label", "--bootstrap", 0)[1]


def test_evaluate_refuses_to_rerank_without_labels(evaluated: Cli) -> None:
    """In one line."""
    code, _, err = evaluated("v.parquet", "--rerank")
    assert (code, err.count("\n")) == (2, 1)
    assert "--rerank: expected --label with it" in err
