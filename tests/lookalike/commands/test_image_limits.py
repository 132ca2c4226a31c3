"""The options of the limits of images on the command line: refusals name them, and a job goes on under others."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rows.vectors.schema import vector_array
from tests.shared.command_line import Cli, one_line
from tests.shared.scored_folder import MODEL

IMAGES = ("--images", "images")
NARROW = ("--max-megapixels", "0.003")
REASON = "300x12 pixels (0.1 megapixels), over the limit of 0.003 megapixels; raise it with --max-megapixels"
LIMITED = {
    "score": ("images", *MODEL, "--output", "w"),
    "search": ("i", "images", *MODEL),
    "serve": ("models",),
    "install": ("tiny.onnx", "--repository", "models"),
    "explore": ("v", "--output", "w"),
    "map": ("v", "--output", "w.png"),
    "outliers": ("v",),
    "labels": ("v", "--label", "label"),
    "duplicates": ("v", "--output", "w"),
    "compare": ("v", "v"),
}
"""Commands with these options, and what else they need."""


def test_a_job_goes_on_under_other_limits(scored_cli: Cli) -> None:
    """Exit code 3 with a bad row that names the option; raised, the same folder is mended."""
    code, _, _ = scored_cli("score", "images", *MODEL, "--output", "w", *NARROW)
    assert code == 3
    assert pq.read_table("w/errors.parquet").to_pylist() == [{"id": "c1/7.png", "stream": "image", "reason": REASON}]
    assert scored_cli("score", "images", *MODEL, "--output", "w")[0] == 3, "done, and not tried again unasked"
    code, out, _ = scored_cli("score", "images", *MODEL, "--output", "w", "--retry-errors", "--json")
    assert (code, json.loads(out)["num_mended"]) == (0, 1)
    first, again = (pq.read_table(f"{folder}/part-00000.parquet")["embedding"] for folder in ("v", "w"))
    assert again.equals(first), "a limit changes no vector"


def test_files_and_searches_have_the_limits(scored_cli: Cli) -> None:
    """In MB, and of the images that are looked for."""
    code, _, _ = scored_cli("score", "images", *MODEL, "--output", "w", "--max-image-mb", "0.001")
    (bad,) = pq.read_table("w/errors.parquet").to_pylist()
    assert code == 3
    assert bad["reason"].endswith(" bytes, over the limit of 1049 bytes; raise it with --max-image-mb: images/c1/7.png")
    for options in (NARROW, ("--max-image-mb", "0.001")):
        code, _, err = scored_cli("search", "i", "images/c1/7.png", *MODEL, *options)
        assert code == 1
        assert f"raise it with {options[0]}" in one_line(err)
    assert scored_cli("search", "i", "images/c1/7.png", *MODEL, "--gallery", "wide.html")[0] == 0
    shown = Path("wide.html").read_text().count("data:image")
    code, _, _ = scored_cli("search", "i", "images/c0/0.png", *MODEL, *NARROW, "--gallery", "narrow.html")
    assert (code, Path("narrow.html").read_text().count("data:image")) == (0, shown - 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("map", "v", "--pictures", "--output"),
        ("outliers", "wrong.parquet", *IMAGES, "--page"),
        ("labels", "wrong.parquet", *IMAGES, "--label", "class", "--page"),
        ("duplicates", "v", "--output", "d.parquet", "--threshold", "1e6", "--page"),
        ("duplicates", "v", "v", "--output", "d.parquet", "--threshold", "1e6", "--page"),
        ("compare", "v", "v", "--relabellings", "19", "--page"),
    ],
)
def test_pages_have_the_limits(scored_cli: Cli, arguments: tuple[str, ...]) -> None:
    """Every command that shows pictures leaves out the large one, and shows it under other limits."""
    vectors = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    vectors[30:] += 20
    classes = ["a"] * 30 + ["b"] * 30
    classes[7] = "b"
    columns = {"id": ["c1/7.png"] * 60, "class": classes}
    pq.write_table(pa.table({**columns, "embedding": vector_array(vectors)}), "wrong.parquet")
    distance = ("--distance", "euclidean") if "wrong.parquet" in arguments else ()
    assert scored_cli(*arguments, "wide.html", *distance)[0] == 0
    shown = Path("wide.html").read_text().count("data:image")
    for options in (NARROW, ("--max-image-mb", "0.001")):
        code, _, err = scored_cli(*arguments, "narrow.html", *distance, *options)
        assert code == 0, err
        assert Path("narrow.html").read_text().count("data:image") < shown


def test_explore_has_the_limits(scored_cli: Cli) -> None:
    """The page lacks the large picture, and why is told; under other limits it has it."""
    arguments = ("explore", "v", "--tabs", "none", "--output", "page.html", "--json")
    assert json.loads(scored_cli(*arguments)[1])["num_pictures"] == 9
    for options in (NARROW, ("--max-image-mb", "0.001")):
        _, out, err = scored_cli(*arguments, *options)
        assert json.loads(out)["num_pictures"] == 8
        assert f"raise it with {options[0]}" in err


@pytest.mark.parametrize("option", ["--max-megapixels", "--max-image-mb"])
@pytest.mark.parametrize(
    "command", ["score", "search", "serve", "install", "explore", "map", "outliers", "labels", "duplicates", "compare"]
)
def test_a_limit_that_is_none_is_a_usage_error(scored_cli: Cli, command: str, option: str) -> None:
    """Exit code 2 and one line, before anything is done."""
    code, out, err = scored_cli(command, *LIMITED[command], option, "0")
    assert (code, out) == (2, "")
    assert f"{option[2:].replace('-', '_')}: expected more than 0, at most 1,000,000, got 0" in one_line(err)
