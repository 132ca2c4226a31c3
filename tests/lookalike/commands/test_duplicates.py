"""The command `duplicates`: groups and leaks in words, files, lists and pages."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from rows.vectors.schema import vector_array
from tests.shared.command_line import Cli, everything, one_line
from tests.shared.scored_folder import HOSTILE, MODEL


@pytest.fixture
def copied_cli(scored_cli: Cli) -> Cli:
    """The scored folder with a copy of an image, a darker near copy and a larger one, scored into `c`."""
    first = Path("images/c0/0.png")
    shutil.copy(first, "images/c1/copy of ü.png")
    near = np.asarray(Image.open(first)) // np.uint8(2) * np.uint8(2)
    Image.fromarray(near).save("images/c1/near.png")
    Image.fromarray(near).resize((24, 24), Image.Resampling.NEAREST).save("images/c1/near large.png")
    assert scored_cli("score", "images", *MODEL, "--output", "c")[0] == 0
    return scored_cli


def _own(path: str, matrix: np.ndarray, **columns: object) -> None:
    pq.write_table(pa.table({**columns, "embedding": vector_array(matrix.astype(np.float32))}), path)


def test_groups_are_printed_and_written(copied_cli: Cli) -> None:
    """The copy is exact by its file, the others by their distance; the lineage's threshold is not asked for again."""
    code, out, err = copied_cli("duplicates", "c", "--output", "d.parquet", "--threshold", 0.05, "--json")
    assert code == 0
    facts = json.loads(out)
    assert (facts["num_rows"], facts["num_groups"], facts["num_in_groups"]) == (12, 1, 4)
    assert (facts["exact_by"], facts["threshold"], facts["threshold_from"]) == ("pictures", 0.05, "asked for")
    assert facts["largest"][0]["size"] == 4
    rows = {row["id"]: row for row in pq.read_table("d.parquet").to_pylist()}
    group = {name for name, row in rows.items() if row["group"] == 0}
    assert group == {"c0/0.png", "c1/copy of ü.png", "c1/near.png", "c1/near large.png"}
    assert sum(row["keep"] for row in rows.values()) == 9
    assert "approximate" not in err
    code, out, _ = copied_cli("duplicates", "c", "--output", "d.parquet", "--threshold", 0.05)
    assert code == 0
    assert out.splitlines()[0].split() == ["group", "size", "kept", "exact", "furthest"]
    assert "num_drop        3" in out


def test_the_artifacts_threshold_is_the_default(copied_cli: Cli) -> None:
    """The tiny artifact has one, which scoring writes into the lineage."""
    facts = json.loads(copied_cli("duplicates", "c", "--output", "d.parquet", "--json")[1])
    assert (facts["threshold"], facts["threshold_from"]) == (1.0, "the artifact's")


@pytest.mark.parametrize(
    ("rule", "kept"),
    [("first", "c0/0.png"), ("largest", "c1/near large.png"), ("highest:id_length", "c1/near large.png")],
)
def test_the_rule_says_which_is_kept(copied_cli: Cli, rule: str, kept: str) -> None:
    """The first row, the picture of most pixels, the highest number of a column."""
    table = pq.read_table("c/part-00000.parquet")
    lengths = [len(name) for name in table["id"].to_pylist()]
    pq.write_table(table.append_column("id_length", pa.array(lengths)), "wide.parquet")
    arguments = ("wide.parquet", "--output", "d.parquet", "--threshold", 0.05, "--keep", rule, "--images", "images")
    assert copied_cli("duplicates", *arguments)[0] == 0
    rows = pq.read_table("d.parquet").to_pylist()
    assert [row["id"] for row in rows if row["group"] == 0 and row["keep"]] == [kept]


def test_lists_hold_the_ids_to_keep_and_to_drop(copied_cli: Cli) -> None:
    """A line each, as the table has them; together all rows, and `keep` of the file says the same."""
    lists = ("--list", "keep.txt", "--list-drop", "drop.txt")
    assert copied_cli("duplicates", "c", "--output", "d.parquet", "--threshold", 0.05, *lists)[0] == 0
    keep, drop = (Path(name).read_text().splitlines() for name in ("keep.txt", "drop.txt"))
    rows = pq.read_table("d.parquet").to_pylist()
    assert keep == [row["id"] for row in rows if row["keep"]]
    assert drop == [row["id"] for row in rows if not row["keep"]]
    assert len(drop) == 3


def test_page_shows_the_groups(copied_cli: Cli) -> None:
    """A picture of each, the exact copy said so; names are escaped, and without pictures ids stand there."""
    arguments = ("duplicates", "c", "--output", "d.parquet", "--threshold", 0.05, "--page", "p.html")
    assert copied_cli(*arguments, "--keep", "first")[0] == 0
    page = Path("p.html").read_text()
    assert page.count("<img") == 4
    assert page.count("exact copy") == 1 + page.count("Green: an exact copy")
    assert "4 of the same" in page
    shutil.rmtree("images")
    _, _, err = copied_cli(*arguments)
    page = Path("p.html").read_text()
    assert "exact copies are equal vectors" in err
    assert "<img" not in page
    assert "No pictures are known" in page
    assert "c1/copy of ü.png" in page


def test_hostile_names_are_text_on_the_page(scored_cli: Cli) -> None:
    """All rows in one group, the hostile one among them."""
    assert scored_cli("duplicates", "v", "--output", "d.parquet", "--threshold", 1e6, "--page", "p.html")[0] == 0
    page = Path("p.html").read_text()
    assert HOSTILE not in page
    assert "onerror=&lt;b&gt;" in page


def test_leaks_of_one_set_in_another(copied_cli: Cli) -> None:
    """Each row of the other with the one that it shows again, exact copies first."""
    arguments = ("duplicates", "v", "c", "--output", "l.parquet", "--threshold", 0.05)
    code, out, _ = copied_cli(*arguments, "--list", "keep.txt", "--page", "l.html", "--json")
    assert code == 0
    facts = json.loads(out)
    assert (facts["num_rows"], facts["num_other"], facts["num_leaks"], facts["num_exact"]) == (9, 12, 12, 10)
    assert [row["exact"] for row in facts["first"]] == [True] * 10
    rows = {row["id"]: row for row in pq.read_table("l.parquet").to_pylist()}
    assert rows["c1/near.png"]["nearest"] == "c0/0.png"
    assert not rows["c1/near.png"]["exact"]
    assert rows["c1/copy of ü.png"]["exact"]
    assert Path("keep.txt").read_text() == ""
    assert "12 of 12 in c are in v already" in Path("l.html").read_text()
    assert Path("l.html").read_text().count("<img") == 24


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nothing", "--output", "d.parquet"), 1, "table of vectors: expected a folder or"),
        (("v", "--output", "v/part-00000.parquet"), 2, "expected another file than those of the table"),
        (("v", "w", "--output", "w/part-00000.parquet"), 2, "expected another file than those of the table"),
        (
            ("v", "--output", "d.parquet", "--list", "d.parquet"),
            2,
            "--list: expected another file than --output, got d.parquet",
        ),
        (("v", "--output", "d.parquet", "--page", "v/manifest.json"), 2, "another file than those of the table"),
        (("v", "--output", "d.parquet", "--keep", "best"), 2, "--keep: expected central, first, largest, highest:COLU"),
        (("v", "--output", "d.parquet", "--keep", "highest:"), 2, "got highest:"),
        (("v", "--output", "d.parquet", "--keep", "highest:label"), 1, 'column "label": expected numbers or dates'),
        (("v", "--output", "d.parquet", "--keep", "highest:no"), 1, "no such column"),
        (("v", "--output", "d.parquet", "--keep", "largest", "--by-vectors"), 2, "--keep largest: expected pictures"),
        (("v", "w", "--output", "d.parquet", "--keep", "first"), 2, "--keep: expected none with OTHER"),
        (("v", "--output", "d.parquet", "--other-images", "images"), 2, "--other-images: expected a table OTHER"),
        (("v", "--output", "d.parquet", "--threshold", "-1"), 2, "a distance of at least 0, got -1.0"),
        (("v", "--output", "d.parquet", "--threshold", "1", "--share", "0.1"), 2, "--threshold or --share, got both"),
        (("v", "--output", "d.parquet", "--images", "nowhere"), 1, "nowhere"),
        (("v", "--output", "d.parquet", "--distance", "cosine"), 2, "euclidean, as tiny was trained, got cosine"),
    ],
)
def test_hasty_users_are_told_in_one_line(scored_cli: Cli, arguments: tuple[str, ...], code: int, words: str) -> None:
    """And nothing is written."""
    shutil.copytree("v", "w")
    before = everything(Path())
    found, out, err = scored_cli("duplicates", *arguments)
    assert (found, out) == (code, "")
    assert words in one_line(err)
    assert everything(Path()) == before


def test_own_vectors_without_a_threshold_are_told_how_near_rows_are(cli: Cli) -> None:
    """The proposal can be taken as it stands; ids that are integers stay integers, equal vectors are exact copies."""
    matrix = np.random.default_rng(0).normal(size=(200, 8))
    matrix[150:] = matrix[:50]
    _own("own.parquet", matrix, id=list(range(200)))
    code, _, err = cli("duplicates", "own.parquet", "--output", "d.parquet", "--distance", "euclidean")
    assert code == 2
    proposal = one_line(err).rpartition("--threshold ")[2]
    code, out, err = cli(
        "duplicates",
        "own.parquet",
        "--output",
        "d.parquet",
        "--distance",
        "euclidean",
        "--threshold",
        proposal,
        "--json",
    )
    assert (code, json.loads(out)["num_exact"], json.loads(out)["exact_by"]) == (0, 50, "vectors")
    assert "no pictures" in err
    assert pq.read_table("d.parquet")["id"].to_pylist() == list(range(200))


def test_an_id_with_a_line_break_is_refused_for_a_list(cli: Cli) -> None:
    """It would be two lines of it."""
    _own("own.parquet", np.eye(3), id=["a", "b\nc", "d"])
    options = ("--output", "d.parquet", "--distance", "cosine", "--threshold", 0.1, "--list", "keep.txt")
    code, _, err = cli("duplicates", "own.parquet", *options)
    assert code == 1
    assert "no line break, for a list" in one_line(err)
    assert not Path("keep.txt").exists()


def test_rows_of_both_sets_that_were_left_out_are_told(cli: Cli) -> None:
    """In the order of the sets."""
    for name, gaps in (("a.parquet", [3]), ("b.parquet", [1, 2])):
        vectors = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
        vectors[gaps] = np.nan
        _own(name, vectors, id=list(range(20)))
    options = ("--output", "l.parquet", "--distance", "euclidean", "--threshold", 0.1, "--json")
    facts = json.loads(cli("duplicates", "a.parquet", "b.parquet", *options)[1])
    assert [(each["num_rows"], each["first"][0]["row"]) for each in facts["left_out"]] == [(1, 3), (2, 1)]
    facts = json.loads(cli("duplicates", "b.parquet", *options)[1])
    assert facts["left_out"]["num_rows"] == 2
    words = ("select", "a.parquet", "--count", 2, "--distance", "euclidean", "--json")
    facts = json.loads(cli(*words, "--labelled", "b.parquet")[1])
    assert [each["num_rows"] for each in facts["left_out"]] == [1, 2]
    assert json.loads(cli(*words)[1])["left_out"]["num_rows"] == 1


def test_pictures_that_cannot_be_read_leave_it_to_the_vectors(copied_cli: Cli) -> None:
    """Of all rows, or of those that have none; both are told."""
    arguments = ("duplicates", "c", "--output", "d.parquet", "--threshold", 0.0, "--json")
    assert json.loads(copied_cli(*arguments)[1])["num_exact"] == 1
    Path("images/c1/copy of ü.png").unlink()
    code, out, err = copied_cli(*arguments, "--images", "images")
    assert (code, json.loads(out)["exact_by"], json.loads(out)["num_exact"]) == (0, "pictures and vectors", 1), err
    assert "rows without a picture are exact copies of rows with equal vectors" in err
    Path("none.csv").write_text("id,image\n" + "".join(f"{row},gone/{row}.png\n" for row in range(3)))
    code, out, err = copied_cli(*arguments, "--images", "none.csv")
    assert (code, json.loads(out)["exact_by"], json.loads(out)["num_exact"]) == (
        0,
        "vectors",
        2,
    )  # and `near`, twice as large
    assert "no picture of a table can be read; exact copies are equal vectors" in err
