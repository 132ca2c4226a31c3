"""The command explore that serves: its address, its end, two at once, and what a hasty user does."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.shared.child_process import start_child
from tests.shared.command_line import Cli, everything
from tests.shared.scored_folder import MODEL
from tests.shared.waiting import WAIT_S


@contextmanager
def served(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The command in a process of its own, and what it printed."""
    command = [sys.executable, "-m", "lookalike", "explore", *arguments, "--json"]
    process = start_child(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        lines = []
        while not lines or lines[-1] not in ("}\n", ""):
            lines.append(process.stdout.readline())
        assert lines[-1], process.stderr.read() if process.stderr else ""
        yield process, json.loads("".join(lines))
    finally:
        process.kill()
        process.communicate(timeout=WAIT_S)


def fetched(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=WAIT_S) as answer:
        content: bytes = answer.read()
    return content


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_explore_serves_until_it_is_told_to_stop(scored_cli: Cli, number: signal.Signals) -> None:
    """Two of them have ports and tokens of their own; each answers, and ends with 0 and nothing more to say."""
    with served("v", *MODEL) as (one, told), served("v", "--serve") as (other, told_other):
        assert told["address"].startswith(f"http://127.0.0.1:{told['port']}/")
        assert (told["model"], told["pictures"], told["num_rows"]) == ("tiny", True, 9)
        assert told["tags"] == ["v/tags.parquet"]
        assert told_other["model"] is None
        assert told["port"] != told_other["port"]
        assert told["address"].split("/")[3] != told_other["address"].split("/")[3]
        for each in (told, told_other):
            assert b'id="facts"' in fetched(each["address"])
        for process in (one, other):
            process.send_signal(number)
            out, err = process.communicate(timeout=WAIT_S)
            assert (process.returncode, out, err) == (0, "", "")


def _table(path: str, dim: int = 4) -> None:
    vectors = np.random.default_rng(0).standard_normal((9, dim)).astype(np.float32)
    cells = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dim)
    parquet.write_table(pa.table({"id": list("abcdefghi"), "embedding": cells}), path)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("v",), 2, "one of --output FILE.html and --serve"),
        (("v", "--serve", "--output", "p.html"), 2, "one of --output FILE.html and --serve"),
        (("v", "--output", "p.html", *MODEL), 2, "one of --output FILE.html and --serve"),
        (("v", "--model", "tiny"), 2, "--url"),
        (("v", "--serve", "--repository", "models"), 2, "--model NAME"),
        (("v", "--model", "gone", "--repository", "models"), 1, "gone"),
        (("gone", "--serve"), 1, "nothing there"),
        (("plain.parquet", *MODEL), 1, "--distance"),
        (("wide.parquet", *MODEL, "--distance", "euclidean"), 1, "4 numbers"),
        (("plain.parquet", "--serve"), 2, "--distance"),
        (("v", "--model", "both", "--repository", "models"), 2, "a branch artifact"),
        (("v", "--model", "other", "--repository", "models"), 1, "space"),
        (("v", "--serve", "--port", "70000"), 2, "65535"),
        (("tagged", "--serve"), 1, "tags.parquet"),
    ],
)
def test_explore_refuses_to_serve_in_one_line(
    scored_cli: Cli, arguments: tuple[str, ...], code: int, said: str
) -> None:
    """What cannot be served is told in one line, before anything is, and nothing is written."""
    from artifact.repository.publishing import publish
    from tests.shared.tiny_artifact import write_tiny_artifact

    _table("plain.parquet")
    _table("wide.parquet", dim=5)
    write_tiny_artifact(Path("both.onnx"), mode="full")
    publish(Path("both.onnx"), Path("models"), name="both")
    write_tiny_artifact(Path("other.onnx"), seed=1)
    publish(Path("other.onnx"), Path("models"), name="other")
    Path("tagged").mkdir()
    (Path("tagged") / "part-00000.parquet").write_bytes(Path("v/part-00000.parquet").read_bytes())
    (Path("tagged") / "tags.parquet").write_bytes(b"mine")
    before = everything(Path())
    found, out, err = scored_cli("explore", *arguments)
    assert (found, out) == (code, ""), err
    assert said in err.splitlines()[-1]
    assert everything(Path()) == before


def test_explore_names_a_port_in_use_before_it_reads(scored_cli: Cli) -> None:
    """Another's port is told before the table is looked at."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = scored_cli("explore", "v", "--serve", "--port", taken.getsockname()[1])
    assert code == 1
    assert "a port in use" in err
