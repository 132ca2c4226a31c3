"""Paths of the protocol, taken apart as Triton takes them: what is asked, of which model and version."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple
from urllib.parse import unquote


class Action(Enum):
    """What a path asks for; the value is the one method that it takes."""

    LIVE = ("live", "GET")
    READY = ("ready", "GET")
    SERVER = ("server", "GET")
    MODEL_READY = ("model ready", "GET")
    METADATA = ("metadata", "GET")
    CONFIG = ("config", "GET")
    STATISTICS = ("statistics", "GET")
    INFER = ("infer", "POST")
    INDEX = ("index", "POST")
    LOAD = ("load", "POST")
    UNLOAD = ("unload", "POST")
    REGIONS = ("regions", "GET")
    REGISTER = ("register", "POST")
    TRACE = ("trace", "")
    LOGGING = ("logging", "")

    @property
    def method(self) -> str:
        """GET or POST; empty where both are taken."""
        return self.value[1]


class Target(NamedTuple):
    """What a path names.

    Attributes:
        repository: the part that Triton's own paths may have and no server takes.
        region: of shared memory; `kind` is `system` or `cuda`.
    """

    action: Action
    model: str = ""
    version: str = ""
    repository: str = ""
    region: str = ""
    kind: str = ""


_FIXED = {
    "/v2": Target(Action.SERVER),
    "/v2/health/live": Target(Action.LIVE),
    "/v2/health/ready": Target(Action.READY),
    "/v2/models/stats": Target(Action.STATISTICS),
    "/v2/trace/setting": Target(Action.TRACE),
    "/v2/logging": Target(Action.LOGGING),
}
_OF_MODEL = re.compile(
    r"/v2/models/([^/]+)(?:/versions/([0-9]+))?(?:/(infer|ready|config|stats|trace/setting))?", re.ASCII
)
_MODEL_ACTIONS = {
    "infer": Action.INFER,
    "ready": Action.MODEL_READY,
    "config": Action.CONFIG,
    "stats": Action.STATISTICS,
    "trace/setting": Action.TRACE,
    None: Action.METADATA,
}
_OF_REPOSITORY = re.compile(r"/v2/repository(?:/([^/]+))?/(?:(index)|models/([^/]+)/(load|unload))")
_OF_REGIONS = re.compile(r"/v2/(system|cuda)sharedmemory(?:/region/([^/]+))?/(status|register|unregister)")


def target_of(path: str) -> Target | None:
    """What a path asks for; None for one that the protocol does not have.

    Args:
        path: as it was sent, percent signs and all: a name is read back after the path was taken apart, so that no
            slash in it is one of the path's.
    """
    if found := _FIXED.get(path):
        return found
    if match := _OF_MODEL.fullmatch(path):
        return Target(_MODEL_ACTIONS[match[3]], unquote(match[1]), match[2] or "")
    if match := _OF_REPOSITORY.fullmatch(path):
        action = Action.INDEX if match[2] else Action[match[4].upper()]
        return Target(action, unquote(match[3] or ""), "", unquote(match[1] or ""))
    if match := _OF_REGIONS.fullmatch(path):
        action = Action.REGIONS if match[3] == "status" else Action.REGISTER
        return Target(action, region=unquote(match[2] or ""), kind=match[1])
    return None
