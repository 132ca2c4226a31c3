"""Paths of the protocol and what they ask for."""

from __future__ import annotations

import pytest

from serving.embedded.over_http.paths import Action, Target, target_of


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/v2", Target(Action.SERVER)),
        ("/v2/health/live", Target(Action.LIVE)),
        ("/v2/health/ready", Target(Action.READY)),
        ("/v2/models/pets", Target(Action.METADATA, "pets")),
        ("/v2/models/pets/versions/12", Target(Action.METADATA, "pets", "12")),
        ("/v2/models/pets/infer", Target(Action.INFER, "pets")),
        ("/v2/models/pets/versions/1/infer", Target(Action.INFER, "pets", "1")),
        ("/v2/models/pets/ready", Target(Action.MODEL_READY, "pets")),
        ("/v2/models/pets/config", Target(Action.CONFIG, "pets")),
        ("/v2/models/pets/stats", Target(Action.STATISTICS, "pets")),
        ("/v2/models/stats", Target(Action.STATISTICS)),
        ("/v2/models/infer", Target(Action.METADATA, "infer")),
        ("/v2/models/pets/trace/setting", Target(Action.TRACE, "pets")),
        ("/v2/repository/index", Target(Action.INDEX)),
        ("/v2/repository/mine/index", Target(Action.INDEX, repository="mine")),
        ("/v2/repository/models/pets/load", Target(Action.LOAD, "pets")),
        ("/v2/repository/mine/models/pets/unload", Target(Action.UNLOAD, "pets", "", "mine")),
        ("/v2/systemsharedmemory/status", Target(Action.REGIONS, kind="system")),
        ("/v2/systemsharedmemory/region/a%2Fb/status", Target(Action.REGIONS, region="a/b", kind="system")),
        ("/v2/cudasharedmemory/region/r/register", Target(Action.REGISTER, region="r", kind="cuda")),
        ("/v2/models/a%20b", Target(Action.METADATA, "a b")),
        ("/v2/models/a%2F..%2Fb/infer", Target(Action.INFER, "a/../b")),
    ],
)
def test_path_says_what_it_asks_for(path: str, target: Target) -> None:
    """Percent signs are read after the path was taken apart: a slash in a name stays in the name."""
    assert target_of(path) == target


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/v1", "/v2/", "//v2", "/V2", "/v2/models", "/v2/models/", "/v2/models/pets/", "/v2/models/a/b"),
        *("/v2/models/pets/versions/abc", "/v2/models/pets/versions/-1", "/v2/models/pets/versions/\u0661"),
        *("/v2/models/../v2", "/v2/health", "/v2/health/live/", "/v2/repository/index/", "/v2/repository/models//load"),
    ],
)
def test_other_paths_ask_for_nothing(path: str) -> None:
    """Nothing is normalised: what is not exactly a path of the protocol is none."""
    assert target_of(path) is None
