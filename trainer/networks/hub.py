"""The hub that timm's weights come from: whether it answers, and its client confined to what it fetched earlier."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit
from urllib.request import getproxies


def hub_answers(timeout_s: float = 5) -> bool:
    """Whether the weights' server takes a connection; a proxy is believed. The hub's own client tries for a minute."""
    from huggingface_hub import constants

    address = urlsplit(constants.ENDPOINT)
    if getproxies().get(address.scheme):
        return True
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname or "", port), timeout_s).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def cache_alone() -> Iterator[None]:
    """The hub's client looks at what it fetched earlier, and nowhere else."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
