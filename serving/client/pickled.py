"""Scorers handed to other processes (spawn, forkserver, a queue): the model, the options, the artifact travel.

Threads, channels and sessions belong to a process, so they are made anew where the Scorer arrives. A Scorer that would
then find another artifact is refused, as one in a forked process is.
"""

from __future__ import annotations

import pickle
from dataclasses import fields
from typing import Any

from artifact.errors import ServerError, UsageError
from serving.client.connection import Connection
from serving.client.options import ScorerOptions


def travelling_options(options: ScorerOptions) -> dict[str, Any]:
    """The options that are not at their defaults; raises UsageError where one belongs to this process."""
    given = {each.name: getattr(options, each.name) for each in fields(options)}
    given = {each.name: given[each.name] for each in fields(options) if given[each.name] != each.default}
    if options.connection is not None:
        raise _stays_here("a connection of the caller's")
    try:
        pickle.dumps(options.report)
    except (pickle.PicklingError, AttributeError, TypeError):  # by Python's version and what it is
        raise _stays_here("a `report` that cannot be pickled") from None
    return given


def require_same(connection: Connection, version: int, digest: str) -> None:
    """Raise ServerError unless that artifact answers."""
    if (connection.version, connection.digest) != (version, digest):
        raise ServerError(
            f"model {connection.model!r} is another since the scorer was handed over",
            expected=f"version {version} with digest {digest[:12]}",
            got=f"version {connection.version} with digest {connection.digest[:12]}",
            mend="make another Scorer",
        )


def _stays_here(got: str) -> UsageError:
    return UsageError(
        "the scorer cannot be handed to another process",
        expected="one that can connect anew there",
        got=got,
        mend="make the Scorer in the process that uses it",
    )
