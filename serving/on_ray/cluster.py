"""A connection to a Ray cluster that says within seconds what is wrong: no Ray, no such cluster, another version of it.

Ray itself tries a wrong address for over five minutes and then ends the process. So the address is asked first, by the
call that Ray's own health check makes.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from artifact.errors import LookalikeError, UnavailableError, UsageError

CONNECT_TIMEOUT_S = 10.0
_ALIVE = "/ray.rpc.NodeInfoGcsService/CheckAlive"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_MEND = "give the address that `ray start --head` printed, HOST:PORT with port 6379 unless it was changed"


@contextmanager
def ray_cluster(address: str | None = None) -> Iterator[Any]:
    """The module `ray`, connected; what was started here ends with the context.

    Args:
        address: HOST:PORT of a cluster, whose node this machine must be; or "local" for one of this machine alone,
            started here. None: where RAY_ADDRESS says, else "local". A process that is connected already stays so,
            and then only None makes sense. Ray's "auto" is refused: it may turn on a token that the cluster does not
            ask for, and then actors never start.

    Raises:
        LookalikeError: Ray is not installed.
        UsageError: no such form of address.
        UnavailableError: no cluster answers there within CONNECT_TIMEOUT_S, or it is of another version of Ray or
            Python.
    """
    ray = import_ray()
    if ray.is_initialized():
        if address is not None:
            raise UsageError("Ray address", expected="none: this process is connected already", got=address)
        yield ray
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    require_cluster(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that is started here tells nobody
    own = {"include_dashboard": False} if address == "local" else {}
    on_sigterm = signal.getsignal(signal.SIGTERM)
    with redirect_stdout(sys.stderr):  # where Ray tells of nodes that die
        try:
            ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **own)
        except (ConnectionError, RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
            ray.shutdown()
            raise UnavailableError("Ray cluster cannot be used", got=one_line(error), where=address) from None
        if threading.current_thread() is threading.main_thread():  # Ray puts its own in the place of ours
            signal.signal(signal.SIGTERM, on_sigterm or signal.SIG_DFL)
        try:
            yield ray
        finally:
            ray.shutdown()


def require_cluster(address: str) -> None:
    """Raise UnavailableError unless a Ray cluster answers at HOST:PORT; UsageError for an address of another form."""
    if address == "local":
        return
    host, colon, port = address.rpartition(":")
    if "://" in address or not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError("Ray address", expected="HOST:PORT or local", got=repr(address), mend=_MEND)
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        got = error.strerror or str(error)
        raise UnavailableError("no Ray cluster", got=got, where=address, mend=_MEND) from None
    if os.environ.get("RAY_USE_TLS", "0") == "0":
        _require_head(address)


def _require_head(address: str) -> None:
    """Raise UnavailableError where something other than a Ray head listens."""
    import grpc

    refusals = {
        grpc.StatusCode.UNAVAILABLE: "something that does not speak gRPC",
        grpc.StatusCode.DEADLINE_EXCEEDED: f"no answer within {CONNECT_TIMEOUT_S:g} s",
        grpc.StatusCode.UNIMPLEMENTED: "another gRPC server",
    }
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary(_ALIVE)(b"", timeout=CONNECT_TIMEOUT_S)
        except grpc.RpcError as error:
            got = refusals.get(error.code())
            if got is not None:
                raise UnavailableError("no Ray cluster", got=got, where=address, mend=_MEND) from None


def one_line(error: BaseException) -> str:
    """Ray's messages run over pages, in colours; the first 300 characters say what is wrong."""
    text = " ".join(_COLOUR.sub("", str(error)).split())
    return text if len(text) <= 300 else text[:300] + "..."


def import_ray() -> Any:
    """The module, quiet; raises LookalikeError where it is not installed."""
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")  # or whatever runs on after the end makes a new cluster
    try:
        import ray
        import ray.data
        import ray.exceptions
        import ray.util.scheduling_strategies
    except ModuleNotFoundError as error:
        raise LookalikeError(
            f"the package {error.name!r} is not installed", mend="`pip install 'lookalike[ray]'` brings it"
        ) from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what fails is raised, and said in one line
    return ray
