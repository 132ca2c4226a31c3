"""The options of the limits of images on the command line: refusals name them, and a job goes on under others."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.shared.command_line import Cli, one_line
from tests.shared.scored_folder import MODEL

NARROW = ("--max-megapixels", "0.003")
REASON = "300x12 pixels (0.1 megapixels), over the limit of 0.003 megapixels; raise it with --max-megapixels"


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


@pytest.mark.parametrize("option", ["--max-megapixels", "--max-image-mb"])
@pytest.mark.parametrize("command", ["score", "search", "serve", "install"])
def test_a_limit_that_is_none_is_a_usage_error(scored_cli: Cli, command: str, option: str) -> None:
    """Exit code 2 and one line, before anything is done."""
    arguments = {
        "score": ("images", *MODEL, "--output", "w"),
        "search": ("i", "images", *MODEL),
        "serve": ("models",),
        "install": ("tiny.onnx", "--repository", "models"),
    }[command]
    code, out, err = scored_cli(command, *arguments, option, "0")
    assert (code, out) == (2, "")
    assert f"{option[2:].replace('-', '_')}: expected more than 0, at most 1,000,000, got 0" in one_line(err)
