"""Forked children for tests: programs of their own that fork, so that what hangs or aborts there ends no test run.

A program gets `child(function)`, which forks and gives a handle, and `result(handle)`: what the function gave, the
error that it raised, or "ended by signal N" of a child that was ended after LIMIT_S. It prints what it found as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.shared.places import ROOT

LIMIT_S = 30

_PROGRAM = """
import json, os, pickle, signal, sys

def child(function, ends="normally"):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    signal.alarm({limit})
    try:
        found = function()
    except Exception as error:
        found = f"{{type(error).__name__}}: {{error}}"
    os.write(writer, pickle.dumps(found))
    os.close(writer)
    os._exit(0) if ends == "at once" else sys.exit(0)

def result(handle):
    pid, reader = handle
    with os.fdopen(reader, "rb") as file:
        data = file.read()
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return f"ended by signal {{os.WTERMSIG(status)}}"
    return pickle.loads(data)
"""


def run_forking(program: str, *arguments: object, warnings: str = "ignore") -> Any:
    """What a program prints as JSON; it sees `sys.argv[1:]`, `child` and `result`."""
    done = subprocess.run(
        [sys.executable, "-W", warnings, "-c", _PROGRAM.format(limit=LIMIT_S) + program, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=6 * LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])
