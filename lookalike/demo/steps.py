"""Steps of the demo: commands as a user would type them, printed first, then run as processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from artifact.errors import LookalikeError, ServerError
from lookalike import console

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 20


class Steps:
    """The steps of a demo: commands that are printed and run, and the seconds of each."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def step(self, name: str, title: str) -> Iterator[None]:
        """Announce a step and time what is done in it."""
        console.out.print(f"\n[bold]{title}[/bold]")
        started = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - started, 2)

    def run(self, *arguments: object) -> Any:
        """Print `lookalike ...` and run it; returns its --json result. Raises LookalikeError if it fails."""
        words = [str(argument) for argument in arguments]
        print_command(words)
        done = subprocess.run([*_command(words), "--json"], stdout=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise LookalikeError(f"`lookalike {words[0]}` failed with exit code {done.returncode}")
        return json.loads(done.stdout)


def print_command(words: Sequence[str]) -> None:
    """The command as a user would type it."""
    console.out.print(f"  $ lookalike {shlex.join(words)}", markup=False, style="cyan")


@contextlib.contextmanager
def running_server(repository: Path) -> Iterator[str]:
    """`lookalike serve` as its own process on a free port of this machine; yields its address, stops it afterwards."""
    port = _free_port()
    url = f"127.0.0.1:{port}"
    words = ["serve", str(repository), "--grpc-port", str(port)]
    print_command(words)
    process = subprocess.Popen(_command(words))
    try:
        _wait_until_ready(url, process)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _command(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "lookalike", *words]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    from tritonclient.grpc import InferenceServerClient
    from tritonclient.utils import InferenceServerException

    import serving  # noqa: F401 - environment of the libraries below

    deadline = time.monotonic() + START_TIMEOUT_S
    client = InferenceServerClient(url)
    try:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ServerError("the server ended", got=f"exit code {process.returncode}", where=url)
            with contextlib.suppress(InferenceServerException):
                if client.is_server_ready(client_timeout=1.0):
                    return
            time.sleep(0.1)
    finally:
        client.close()
    raise ServerError("the server is not ready", expected=f"within {START_TIMEOUT_S} s", where=url)


def working_folder(path: Path) -> Path:
    """A path as the user would write it: relative to the current folder where that is shorter."""
    relative = os.path.relpath(path)
    return Path(relative) if len(relative) < len(str(path)) else path
