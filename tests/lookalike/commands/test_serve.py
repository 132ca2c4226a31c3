"""The command `serve` that cannot begin: one line, in the process and in one of its own."""

import socket
import subprocess
import sys
from pathlib import Path

from tests.shared.command_line import Cli, one_line


def test_a_server_that_cannot_begin_ends_in_one_line(cli: Cli, repository: Path) -> None:
    """An unknown device is no server without models; gRPC's core, in a process of its own, adds no line to ours."""
    code, _, err = cli("serve", repository, "--device", "cdua")
    assert (code, one_line(err)) == (2, "device 'cdua': expected one of cpu, cuda, tensorrt")
    command = [sys.executable, "-m", "lookalike", "serve", str(repository), "--host", "203.0.113.7", "--insecure"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1), ended.stderr


def test_port_in_use_is_named(cli: Cli, repository: Path) -> None:
    """A second server on the same port says so and ends."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = cli("serve", repository, "--grpc-port", port)
    assert code == 1
    assert str(port) in one_line(err)


def test_control_that_makes_no_sense_is_refused(cli: Cli, repository: Path) -> None:
    """A mode that there is not, names where nobody chooses, and a model that the repository does not have."""
    code, _, err = cli("serve", repository, "--model-control", "all")
    assert (code, one_line(err)) == (2, "control 'all': expected one of explicit, poll, none")
    code, _, err = cli("serve", repository, "--model-control", "poll", "--load-model", "x")
    assert (code, one_line(err)) == (2, "load_models: expected control explicit, got control poll")
    code, _, err = cli("serve", repository, "--grpc-port", "0", "--no-http", "--load-model", "nope")
    assert code == 1
    assert one_line(err).startswith("no model 'nope': expected one of ")
