"""The end of the connections to a port, so that what comes too late is told UNAVAILABLE.

gRPC's own end of a server cancels the calls that reach it while it stops: their clients see CANCELLED, which none of
them tries again (seen with grpcio 1.76 to 1.85). A connection that ends under a call says UNAVAILABLE, and nothing of
the call was run. gRPC has no call for that, so it is done to the sockets: what was written is sent before they end.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat

_TCP = (socket.AF_INET, socket.AF_INET6)
_FOLDERS = ("/proc/self/fd", "/dev/fd")


def end_connections(port: int) -> None:
    """End every TCP connection of this process that came to one of its ports.

    Where gRPC is told to be silent (GRPC_VERBOSITY=NONE, as `lookalike serve` has it) the port takes no more either;
    else it would write a line about that. Without it, a client that is back within the blink of an eye may be told
    CANCELLED after all.
    """
    is_silent = os.environ.get("GRPC_VERBOSITY", "").upper() == "NONE"
    for number in _open_files():
        with contextlib.suppress(OSError):  # closed meanwhile, or not connected
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                with socket.socket(fileno=os.dup(number)) as one:
                    if one.family in _TCP and one.getsockname()[1] == port and (is_silent or one.getpeername()):
                        one.shutdown(socket.SHUT_RDWR)


def _open_files() -> list[int]:
    for folder in _FOLDERS:
        with contextlib.suppress(OSError):
            return [int(name) for name in os.listdir(folder)]
    return []
