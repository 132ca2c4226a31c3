"""why: its facts, its page, and what a hasty user gets."""

from __future__ import annotations

import json
from pathlib import Path

from serving.embedded.server import Server
from tests.shared.command_line import Cli, one_line

A, B = "images/disc/00.png", "images/disc/01.png"
TINY = ("--model", "tiny", "--repository", "models")


def test_why_tells_parts_with_their_growth_and_writes_a_page(cli: Cli, repository: Path, images: Path) -> None:
    """The same facts and the same page every time, by URL too but for the last digits."""
    code, out, err = cli("why", A, B, *TINY, "--output", "a.html", "--json")
    facts = json.loads(out)
    assert code == 0
    assert "runs 54 pictures" in err
    assert facts["num_runs"] == 54
    assert facts["patches"] == [25]
    assert facts["same"] is (facts["distance"] <= 1.0)
    for picture, name in zip(facts["pictures"], (A, B), strict=True):
        assert picture["picture"] == name
        assert picture["size_px"] == [8, 8]
        assert picture["num_failed"] == 0
        for region in picture["regions"]:
            left, top, right, bottom = region["box_px"]
            assert 0 <= left < right <= 8
            assert 0 <= top < bottom <= 8
            assert region["growth"] > 0
            assert region["box"] == [left / 8, top / 8, right / 8, bottom / 8]
    assert cli("why", A, B, *TINY, "--output", "b.html", "--json")[1] == out.replace("a.html", "b.html")
    assert Path("a.html").read_bytes() == Path("b.html").read_bytes()
    with Server(repository, grpc_port=0) as server:
        code, out, _ = cli("why", A, B, "--model", "tiny", "--url", server.url, "--json")
    there = json.loads(out)
    assert code == 0
    assert abs(there["distance"] - facts["distance"]) < 1e-5


def test_why_for_people_is_a_table_and_facts(cli: Cli, repository: Path, images: Path) -> None:
    """A line for each part."""
    code, out, _ = cli("why", A, B, *TINY, "--runs", 60)
    assert code == 0
    assert "distance grows by" in out
    assert "num_runs   54" in out


def test_why_answers_bad_input_in_one_line(cli: Cli, repository: Path, images: Path) -> None:
    """Which picture, and why; a page over a picture, a model that is not there, no place, too few runs."""
    cases = {
        ("nowhere.png", B, *TINY): "the first picture: no such file: nowhere.png",
        (A, "images", *TINY): "the second picture: a folder, not a file: images",
        (A, B, *TINY, "--output", A): "another file than the two pictures",
        (A, B, "--model", "tini", "--repository", "models"): "tini",
        (A, B, "--model", "tiny"): "exactly one of --url",
        (A, B, *TINY, "--runs", "9"): "runs: expected 54 or more, got 9",
        (A, B, *TINY, "--dims", "2"): "dims",
        (A, B, *TINY, "--output", "images"): "output: expected a plain file or nothing yet, got a folder (images)",
        (A, B, *TINY, "--output", "models/tiny/1/model.onnx"): "--output: expected a file outside the repository",
    }
    for arguments, words in cases.items():
        code, out, err = cli("why", *arguments)
        assert code in (1, 2), (arguments, err)
        assert words in one_line(err), (arguments, err)
        assert "--output" not in arguments or "runs" not in err  # told before pictures are run
        assert out == ""
    Path("cut.png").write_bytes(Path(A).read_bytes()[:300])
    assert "the first picture: " in one_line(cli("why", "cut.png", B, *TINY)[2])
