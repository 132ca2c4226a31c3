"""Parts of the protocol that this server does not have, and what it says of each, whatever the transport.

Shared memory is refused as newer Tritons refuse it, where it is off unless they are told otherwise.
"""

from __future__ import annotations

from artifact.errors import ModelNotFoundError

SHARED_MEMORY = (
    "Client shared memory is disabled. This server has no option to enable it: send the data in the request."
)
TRACING = "tracing is not supported"
LOG_SETTINGS = "log settings cannot be read or changed over the network"


def require_no_region(kind: str, name: str) -> None:
    """Raise ModelNotFoundError where the status of one region is asked for; of all regions there is none.

    Args:
        kind: `system` or `cuda`.
        name: empty for all.
    """
    if name:
        raise ModelNotFoundError(f"Unable to find {kind} shared memory region: '{name}'")
