"""docs/serving/http.md: its commands, pasted, and its tables against the server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from artifact.repository.publishing import publish
from serving.embedded.options import ServerOptions
from serving.embedded.over_http import connections
from serving.embedded.over_http.paths import Action, target_of
from serving.embedded.server import Server
from tests.shared.pictures import pictures
from tests.shared.places import ROOT
from tests.shared.tiny_artifact import write_tiny_artifact

TEXT = (ROOT / "docs" / "serving" / "http.md").read_text()


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on the PATH")
def test_every_curl_command_works_as_printed(tmp_path: Path) -> None:
    """On another port, with a model and an image of those names."""
    commands = re.findall(r"^    (curl .*)$", TEXT, re.MULTILINE)
    assert len(commands) == 3
    (tmp_path / "cat.jpg").write_bytes(pictures()["jpeg"])
    write_tiny_artifact(tmp_path / "digits.onnx", name="digits", mode="branch")
    publish(tmp_path / "digits.onnx", tmp_path / "models")
    with Server(tmp_path / "models", grpc_port=0, http_port=0) as server:
        for command in commands:
            words = command.replace("127.0.0.1:8000", str(server.http_url)).replace("curl ", "curl -sS ")
            done = subprocess.run(
                ["bash", "-c", words], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
            )
            assert (done.returncode, done.stderr) == (0, ""), command
            assert "error" not in json.loads(done.stdout), command


def test_table_of_paths_is_that_of_the_server() -> None:
    """Each path is one, takes that method, and none is missing."""
    rows = re.findall(r"^\| (GET|POST) (.*?) \|", TEXT, re.MULTILINE)
    told = set()
    for method, paths in rows:
        for path in re.sub(r"\[/versions/N\]", "", paths).split(", "):
            whole = path if path.startswith("v2") else "v2/repository/models/NAME/unload"
            target = target_of("/" + whole.replace("N]", ""))
            assert target is not None, path
            assert target.action.method == method
            told.add(target.action)
    off = {Action.REGISTER, Action.TRACE, Action.LOGGING}
    assert told == set(Action) - off


def test_bounds_are_those_of_the_code() -> None:
    """Numbers that the page repeats."""
    assert f"{ServerOptions.max_header_bytes // 1024} KB, {connections._HEAD_S:g} s" in TEXT
    assert f"| {connections._MOST_CHUNKS:,} | |" in TEXT
    assert f"| {connections._MOST_AHEAD}, then it ends |" in TEXT
    assert f"| connections | {ServerOptions.max_connections:,} |" in TEXT
    assert f"| pause within a body | {ServerOptions.read_s:g} s;" in TEXT
    assert f"| an idle connection | {ServerOptions.idle_s:g} s |" in TEXT
    assert f"takes nothing | {connections._UNTAKEN_S:g} s" in TEXT
