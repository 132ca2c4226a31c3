"""Rows over REST: configs, statistics, the repository, and what is set over the network."""

from __future__ import annotations

from tests.shared.conformance.over_rest.answers import Empty, Holds, Refused
from tests.shared.conformance.over_rest.case import Table, differs, refused, same, wrong_json
from tests.shared.conformance.over_rest.documents import (
    ALL_STATISTICS,
    CONFIG,
    DECODE_CONFIG,
    ENCODED_CONFIG,
    INDEX,
    LOGGING,
    STATISTICS,
    TRACE,
)
from tests.shared.conformance.over_rest.requests import get, inference, post

CONTROL: Table = {
    "config": same(get("/v2/models/pets/config"), CONFIG),
    "config enc": same(get("/v2/models/pets_encoded/config"), ENCODED_CONFIG),
    "config decode": same(get("/v2/models/pets_decode/config"), DECODE_CONFIG),
    "config nope": refused(get("/v2/models/nope/config"), 404, "Request for unknown model: 'nope' is not found"),
    "config v9": refused(
        get("/v2/models/pets/versions/9/config"), 404, "Request for unknown model: 'pets' version 9 is not found"
    ),
    "config POST": refused(post(b"", "/v2/models/pets/config"), 405, "Method Not Allowed"),
    "stats": same(get("/v2/models/pets/stats"), STATISTICS),
    "stats all": same(get("/v2/models/stats"), ALL_STATISTICS),
    "stats nope": refused(get("/v2/models/nope/stats"), 400, "requested model 'nope' is not available"),
    "stats 1": same(get("/v2/models/pets/versions/1/stats"), STATISTICS),
    "stats 9": refused(
        get("/v2/models/pets/versions/9/stats"), 400, "requested model version is not available for model 'pets'"
    ),
    "stats POST": refused(post(b"", "/v2/models/stats"), 405, "Method Not Allowed"),
    "model other": refused(get("/v2/models/pets/foo"), 404, "Not Found"),
    "generate": differs(
        post(inference(), "/v2/models/pets/generate"),
        Refused(400, "parameter 'inputs' has invalid type. It should be either 'int', 'bool', or 'string'."),
        Refused(404, "Not Found"),
        "generate",
    ),
    "index": same(post(b"", "/v2/repository/index"), INDEX),
    "index ready": same(post(b'{"ready":true}', "/v2/repository/index"), INDEX),
    "index ready text": wrong_json(
        post(b'{"ready":"x"}', "/v2/repository/index"), "attempt to access JSON non-boolean as boolean"
    ),
    "index bad": wrong_json(
        post(b"x", "/v2/repository/index"), "failed to parse the request JSON buffer: Invalid value. at 0"
    ),
    "index list": same(post(b"[]", "/v2/repository/index"), INDEX),
    "index GET": refused(get("/v2/repository/index"), 405, "Method Not Allowed"),
    "index named": differs(
        post(b"", "/v2/repository/foo/index"),
        INDEX,
        Refused(501, "'repository_name' specification is not supported"),
        "repository",
    ),
    "load nope": refused(
        post(b"", "/v2/repository/models/nope/load"), 500, "failed to load 'nope', failed to poll from model repository"
    ),
    "load pets": same(post(b"", "/v2/repository/models/pets/load"), Empty()),
    "load empty json": same(post(b"{}", "/v2/repository/models/pets/load"), Empty()),
    "load bad": wrong_json(
        post(b"x", "/v2/repository/models/pets/load"), "failed to parse the request JSON buffer: Invalid value. at 0"
    ),
    "load GET": refused(get("/v2/repository/models/pets/load"), 405, "Method Not Allowed"),
    "load repo": refused(
        post(b"", "/v2/repository/foo/models/pets/load"), 501, "'repository_name' specification is not supported"
    ),
    "load foo": differs(
        post(b'{"parameters":{"foo":"x"}}', "/v2/repository/models/pets/load"),
        Refused(500, "unexpected error on creating Triton parameter"),
        Refused(400, "unrecognized load parameter 'foo'."),
        "control",
    ),
    "load number": differs(
        post(b'{"parameters":{"config":3}}', "/v2/repository/models/pets/load"),
        Refused(500, "attempt to access JSON non-string as string"),
        Refused(501, "a model's config and files come from the repository only: got 'config'"),
        "override",
    ),
    "load dots": differs(
        post(b"", "/v2/repository/models/..%2fpets/load"),
        Refused(500, "failed to load '..%2fpets', failed to poll from model repository"),
        Refused(500, "failed to load '../pets', failed to poll from model repository"),
        "percent",
    ),
    "unload nope": same(post(b"", "/v2/repository/models/nope/unload"), Empty()),
    "unload bad": differs(
        post(b"x", "/v2/repository/models/quartets/unload"),
        Empty(),
        Refused(400, "failed to parse the request JSON buffer: Invalid value. at 0"),
        "control",
    ),
    "unload dep text": differs(
        post(b'{"parameters":{"unload_dependents":"x"}}', "/v2/repository/models/quartets/unload"),
        Empty(),
        Refused(400, "Unable to parse 'unload_dependents': attempt to access JSON non-boolean as boolean"),
        "control",
    ),
    "shm status": same(get("/v2/systemsharedmemory/status"), Holds([])),
    "shm status region": refused(
        get("/v2/systemsharedmemory/region/r/status"), 404, "Unable to find system shared memory region: 'r'"
    ),
    "cuda status": same(get("/v2/cudasharedmemory/status"), Holds([])),
    "shm register": differs(
        post(b'{"key":"/x","offset":0,"byte_size":10}', "/v2/systemsharedmemory/region/r/register"),
        Refused(500, "Unable to open shared memory region: '/x'"),
        Refused(
            501,
            "Client shared memory is disabled. This server has no option to enable it: send the data in the request.",
        ),
        "memory",
    ),
    "shm unregister": differs(
        post(b"", "/v2/systemsharedmemory/unregister"),
        Empty(),
        Refused(
            501,
            "Client shared memory is disabled. This server has no option to enable it: send the data in the request.",
        ),
        "memory",
    ),
    "shm POST status": refused(post(b"", "/v2/systemsharedmemory/status"), 405, "Method Not Allowed"),
    "trace": differs(get("/v2/trace/setting"), TRACE, Refused(501, "tracing is not supported"), "settings"),
    "trace POST": differs(
        post(b"{}", "/v2/trace/setting"), TRACE, Refused(501, "tracing is not supported"), "settings"
    ),
    "logging": differs(
        get("/v2/logging"), LOGGING, Refused(501, "log settings cannot be read or changed over the network"), "settings"
    ),
    "logging POST": differs(
        post(b'{"log_verbose_level":0}', "/v2/logging"),
        LOGGING,
        Refused(501, "log settings cannot be read or changed over the network"),
        "settings",
    ),
    "model trace": differs(
        get("/v2/models/pets/trace/setting"), TRACE, Refused(501, "tracing is not supported"), "settings"
    ),
}
