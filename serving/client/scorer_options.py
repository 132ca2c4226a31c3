"""The options of a Scorer, and which of them make sense."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict

from artifact.errors import UsageError

SENDS = ("auto", "pixels", "encoded")


class ScorerOptions(TypedDict, total=False):
    """The keyword arguments of Scorer, which says what they mean."""

    url: str | Sequence[str] | None
    repository: str | Path | None
    version: int | None
    send: str
    batch_size: int | None
    threads: int | None
    timeout_s: float
    retry_s: float
    tls: bool | str | Path
    tls_certificate: str | Path | None
    tls_key: str | Path | None
    token: str | None
    device: str
    report: Callable[[str], None] | None


def check_options(options: ScorerOptions) -> None:
    """Raise UsageError for an option that makes no sense, alone or with the others."""
    if options["send"] not in SENDS:
        raise UsageError(f"send {options['send']!r}", expected=f"one of {', '.join(SENDS)}")
    whole = {name: options[name] for name in ("batch_size", "threads", "version")}
    for name, value in whole.items():
        if value is not None and value < 1:
            raise UsageError(name, expected="at least 1", got=str(value))
    if not options["timeout_s"] > 0:
        raise UsageError("timeout_s", expected="more than 0 seconds", got=f"{options['timeout_s']:g}")
    if not options["retry_s"] >= 0:
        raise UsageError("retry_s", expected="0 seconds or more", got=f"{options['retry_s']:g}")
    url, repository = options["url"], options["repository"]
    if (url is None) == (repository is None):
        raise UsageError("where to score", expected="either a url or a repository", got="both" if url else "none")
    for_servers = ("tls", "tls_certificate", "tls_key", "token")
    given = [name for name in for_servers if options[name]]  # type: ignore[literal-required]
    if given and url is None:
        raise UsageError(given[0], expected="a url to use it with", got="a repository")
