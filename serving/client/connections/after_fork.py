"""A Connection made anew in a forked process: to the same artifact, or not at all; and gRPC there, if it works."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache

import grpc

from artifact.errors import ServerError, UsageError
from serving.client.connection import Connection
from serving.client.options import ScorerOptions
from serving.forks import broken_by_fork, num_forks, require_quiet_fork

_SUPPORT, _OFF = "GRPC_ENABLE_FORK_SUPPORT", ("0", "false", "no", "off")
_NOBODY, _NOBODY_S, _STUCK_S = "127.0.0.1:1", 1.0, 10.0


def connect_again(before: Connection, options: ScorerOptions, connect: Callable[[], Connection]) -> Connection:
    """The connection of a forked process, in the place of the one of its parent.

    Args:
        before: that of the parent, of which only what it says of itself is read.
        options: those of the Scorer.
        connect: makes it.

    Raises:
        UsageError: it cannot be made anew: it was handed to the Scorer, or it runs on CUDA.
        ServerError: the artifact that answers is another now; or gRPC does not work in this process.
    """
    if options.connection is not None or (options.url is None and options.device != "cpu"):
        what = "a connection of the caller's" if options.connection is not None else "CUDA"
        raise UsageError(
            "the scorer was made before this process was forked",
            expected="one that can connect anew",
            got=what,
            mend="make the Scorer in the process that uses it",
        )
    connection = connect()
    if (connection.version, connection.digest) != (before.version, before.digest):
        connection.close()
        raise ServerError(
            f"model {before.model!r} is another since this process was forked",
            expected=f"version {before.version} with digest {before.digest[:12]}",
            got=f"version {connection.version} with digest {connection.digest[:12]}",
            mend="make another Scorer",
        )
    return connection


def require_grpc() -> None:
    """Raise ServerError in a forked process where gRPC hangs, which its own deadlines do not end.

    So it is where GRPC_ENABLE_FORK_SUPPORT is off, or other code of the process used gRPC during the fork.
    """
    if num_forks():
        require_quiet_fork()
        if os.environ.get(_SUPPORT, "1").lower() in _OFF:
            raise broken_by_fork(f"{_SUPPORT}={os.environ[_SUPPORT]}")
        _require_answer(num_forks())


@cache
def _require_answer(num_forks: int) -> None:
    """Make a call that must fail at once; one of the machine's own, where nobody listens."""
    done = threading.Event()

    def call() -> None:
        with grpc.insecure_channel(_NOBODY) as channel:
            try:
                channel.unary_unary("/nobody/nothing")(b"", timeout=_NOBODY_S)
            except grpc.RpcError:
                done.set()

    threading.Thread(target=call, name="lookalike-grpc-check", daemon=True).start()
    if not done.wait(_STUCK_S):
        raise broken_by_fork("a call that did not end; does other code here use gRPC?")
