"""The address that a server listens on: this machine alone, or it is said how others are kept out."""

from __future__ import annotations

from pathlib import Path

import pytest

from artifact.errors import UsageError
from serving.embedded.access.listening import is_this_machine, require_safe
from serving.embedded.server import Server


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "localhost", "::1", "[::1]", "::ffff:127.0.0.1"])
def test_loopback_is_this_machine(host: str) -> None:
    """In every writing; nothing else is asked for."""
    assert is_this_machine(host)
    require_safe(host, has_tls=False, insecure=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "[::]", "10.1.2.3", "::ffff:10.0.0.1", "192.0.2.1"])
def test_addresses_of_others_want_tls_or_a_word(host: str) -> None:
    """In one line that names both ways."""
    with pytest.raises(UsageError) as refused:
        require_safe(host, has_tls=False, insecure=False)
    text = str(refused.value)
    assert repr(host) in text
    assert "--tls-cert FILE --tls-key FILE, or --insecure" in text
    assert "\n" not in text
    require_safe(host, has_tls=True, insecure=False)
    require_safe(host, has_tls=False, insecure=True)


def test_name_of_nothing_is_left_to_the_listener() -> None:
    """Which says that it cannot listen there."""
    assert not is_this_machine("no-such-host.invalid")
    require_safe("no-such-host.invalid", has_tls=False, insecure=False)


def test_server_refuses_before_it_loads_anything(tmp_path: Path) -> None:
    """Also for a program that makes one."""
    with pytest.raises(UsageError, match="which others reach, in the clear"):
        Server(tmp_path, host="0.0.0.0")
