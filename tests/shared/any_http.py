"""Any request over HTTP, for hypothesis: bytes that are no HTTP, odd paths and headers, JSON of the wrong form."""

from __future__ import annotations

import gzip
import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.shared.any_messages import changed_bytes
from tests.shared.conformance.over_rest.requests import INFER, RAW, RestRequest, binary, image, inference, sized

_SEGMENTS = st.one_of(
    st.sampled_from(
        [
            "v2",
            "models",
            "pets",
            "pets_encoded",
            "moving",
            "versions",
            "1",
            "2",
            "0",
            "-1",
            "abc",
            "infer",
            "ready",
            "config",
            "stats",
            "health",
            "live",
            "repository",
            "index",
            "load",
            "unload",
            "systemsharedmemory",
            "cudasharedmemory",
            "region",
            "status",
            "register",
            "trace",
            "setting",
            "logging",
            "generate",
            "metrics",
            "%70ets",
            "%2e%2e",
            "..",
            "%00",
            "%ff",
            "%C3%A9",
            "%2F",
            "a%20b",
        ]
    ),
    st.text("abc%/.?#~", max_size=4),
)
_METHODS = st.sampled_from(["GET", "POST", "GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "TRACE"])
_LATIN = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=10)
_HEADERS: SearchStrategy[dict[str, str]] = st.dictionaries(
    st.sampled_from(
        [
            "Inference-Header-Content-Length",
            "Content-Encoding",
            "Accept-Encoding",
            "Accept",
            "Content-Type",
            "Expect",
            "Range",
            "X-Any",
        ]
    ),
    st.one_of(
        st.sampled_from(["0", "1", "10", "-1", "99999999999999999999", "gzip", "deflate", "br", "*", "100-continue"]),
        _LATIN,
    ),
    max_size=3,
)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(),
    st.sampled_from(["image", "UINT8", "BYTES", "FP32", "embedding"]),
    st.text(max_size=5),
)
_PARTS = st.sampled_from(
    ["id", "name", "inputs", "outputs", "datatype", "shape", "data", "parameters", "binary_data_size"]
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_PARTS, inner, max_size=4)),
    max_leaves=12,
)


@st.composite
def _json_bodies(draw: DrawFn) -> bytes:
    """The JSON of an inference with fields replaced or added."""
    whole: dict[str, Any] = json.loads(inference())
    where = draw(st.sampled_from(["request", "input", "input", "output"]))
    target = whole if where == "request" else whole["inputs"][0]
    if where == "output":
        target = {"name": "embedding"}
        whole["outputs"] = [target]
    for name, value in draw(st.dictionaries(_PARTS, _VALUES, min_size=1, max_size=3)).items():
        target[name] = value
    return json.dumps(whole).encode("utf-8", "surrogatepass")


_BODIES = st.one_of(
    _json_bodies(),
    st.builds(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"), _VALUES),
    changed_bytes(st.sampled_from([inference(), inference(image(), image()), binary(sized(192), RAW).body])),
    st.just(RAW),
    st.binary(max_size=40),
    st.builds(gzip.compress, st.just(inference())),
)


@st.composite
def http_requests(draw: DrawFn) -> RestRequest:
    """A request that is HTTP: half of them inferences of `pets`."""
    is_inference = draw(st.booleans())
    path = INFER if is_inference else "/" + "/".join(draw(st.lists(_SEGMENTS, max_size=6)))
    method = "POST" if is_inference else draw(_METHODS)
    body = draw(_BODIES) if method in ("POST", "PUT", "PATCH") else b""
    headers = draw(_HEADERS)
    if is_inference and draw(st.booleans()):
        headers["Inference-Header-Content-Length"] = str(draw(st.integers(-1, len(body) + 1)))
    return RestRequest(method, path, headers, body)


RIGHT_REQUEST = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s" % (
    INFER.encode(),
    len(inference()),
    inference(),
)
HTTP_BYTES = st.one_of(
    changed_bytes(st.just(RIGHT_REQUEST)),
    changed_bytes(
        st.sampled_from(
            [
                b"GET /v2 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                b"POST /v2/repository/index HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"2\r\n{}\r\n0\r\n\r\n",
                b"GET /v2/health/live HTTP/1.0\r\n\r\n",
            ]
        )
    ),
    st.binary(max_size=80),
)
"""What a socket may send."""
