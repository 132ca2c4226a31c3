"""Attacks by HTTP: JSON, compressed bodies, chunks, headers and paths that are not what they should be."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shared.attacked_server import AttackedServer, attacked_server
from tests.shared.conformance.rest import exchange
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.waiting import WAIT_S

INFER = "/v2/models/tiny/infer"
MILLION = 1_000_000


def post(attacked: AttackedServer, body: bytes, path: str = INFER, **headers: str) -> tuple[int, str]:
    """Status and error of a request."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    status, _, answer = exchange(attacked.http_url, "POST", path, body, named)
    return status, json.loads(answer).get("error", "") if answer else ""


def raw(attacked: AttackedServer, data: bytes) -> bytes:
    """What comes back for bytes that no client would send: the first answer's head and some of its body."""
    host, _, port = attacked.http_url.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=WAIT_S) as connection:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):  # it has heard enough
            connection.sendall(data)
        try:
            return connection.recv(4096)
        except ConnectionResetError:
            return b""


def status_of(answer: bytes) -> int:
    return int(answer.split()[1]) if answer else 0


def one_input(**fields: object) -> bytes:
    tensor = {"name": "image", "datatype": "UINT8", "shape": [1, 8, 8, 3], "data": [0]} | fields
    return json.dumps({"inputs": [tensor]}).encode()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: b"[" * 4 * MILLION, "nested too deeply"),
        (lambda: b'{"a":' * 200_000, "nested too deeply"),
        (lambda: b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (lambda: one_input(data=json.loads("[" * 500 + "1" + "]" * 500)), "nested"),
        (lambda: b"[" + b"[]," * 10 * MILLION + b"[]]", "at most 4194304 lists, got 10000002"),
        (lambda: b"[" + b"{}," * MILLION + b"{}]", "at most 262144 objects, got 1000001"),
        (lambda: b"[" + b"1," * 20 * MILLION + b"1]", "at most 16777216 values, got 20000000"),
        (lambda: b'{"id":' + b"9" * MILLION + b"}", "Invalid value"),
        (lambda: b'{"id":1e' + b"9" * MILLION + b"}", "failed to parse"),
        (lambda: b'{"id":"' + b"\\u0000" * MILLION + b'"', "failed to parse"),
        (lambda: b"\xff\xfe" * MILLION, "failed to parse"),
    ],
    ids=[
        "lists",
        "objects",
        "closed",
        "data",
        "empty lists",
        "empty objects",
        "values",
        "digits",
        "exponent",
        "cut",
        "no",
    ],
)
def test_json_costs_no_more_than_its_bytes(attacked: AttackedServer, make: Callable[[], bytes], text: str) -> None:
    """Depth, digits and empty things without number (Triton 8172, 2.69): refused before they are built."""
    body = make()
    with attacked.growth(40 + 4 * len(body) / 1024**2):
        status, said = post(attacked, body)
    assert (status, text in said) == (400, True), said


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ([2**63] * 100_000, "at most 64 dimensions"),
        ([1] * 65, "at most 64 dimensions"),
        ([2**62] * 64, "causes total element count to exceed"),
        ([2**63], "invalid dimensions"),
        ([2**32, 2**31], "causes total element count to exceed"),
        ([-1, 8, 8, 3], "non-unsigned-integer"),
        ([1e3], "non-unsigned-integer"),
        ([2**40], "Shape does not match true shape"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_shapes_that_overflow_are_refused(attacked: AttackedServer, shape: list[int], text: str) -> None:
    """No product takes minutes, no length is believed before the data is there (CVE-2026-24173)."""
    with attacked.growth(40):
        status, said = post(attacked, one_input(shape=shape))
    assert (status, text in said) == (400, True), said


@pytest.mark.parametrize("of", ["inputs", "outputs", "parameters"])
def test_names_without_number_are_refused(attacked: AttackedServer, of: str) -> None:
    """As over gRPC."""
    asked = json.loads(one_input(data=[0] * 192))
    names = [{"name": str(index), "shape": [1], "datatype": "UINT8", "data": [1]} for index in range(50_000)]
    asked[of] = {one["name"]: 1 for one in names} if of == "parameters" else names
    with attacked.growth(150):
        assert post(attacked, json.dumps(asked).encode()) == (400, f"a request may have at most 4096 {of}, got 50000")


def test_binary_sizes_are_not_believed(attacked: AttackedServer) -> None:
    """The length of the JSON, and of the data behind it."""
    for size in (2**64 - 1, 2**63, 10**30, 193):
        body = one_input(parameters={"binary_data_size": size}).replace(b'"data": [0], ', b"")
        assert post(attacked, body)[0] == 400
    for length in ("-1", "9" * 30, "1e3", "٣", "0x10", "1,2", str(2**64)):
        headers = {"Inference-Header-Content-Length": length.encode().decode("latin-1")}
        assert exchange(attacked.http_url, "POST", INFER, one_input(), headers)[0] == 400


def test_packed_bodies_are_bounded_as_they_grow(tmp_path: Path) -> None:
    """A hundred kilobytes that unpack to a hundred megabytes end at the limit of a body (2.69: decompression)."""
    publish_tiny(tmp_path)
    with attacked_server(tmp_path, max_message_bytes=8 * MILLION) as attacked, attacked.growth(40):
        for encoding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
            status, said = post(attacked, pack(bytes(100 * MILLION)), Content_Encoding=encoding)
            assert (status, "larger than 8000000 bytes" in said) == (413, True)


def test_packed_files_in_a_row_take_no_longer_than_one(attacked: AttackedServer) -> None:
    """A hundred thousand empty ones in two megabytes, each read once; and cut off ones are refused."""
    body = gzip.compress(b"") * 100_000
    with attacked.growth(40):
        assert post(attacked, body, Content_Encoding="gzip")[0] == 400
        assert "cut off" in post(attacked, body[:-3], Content_Encoding="gzip")[1]
    for encoding in ("br", "gzip, gzip", "GZIP;", "x" * 1000):
        assert post(attacked, body, Content_Encoding=encoding)[0] in (400, 501)


def chunked(body: bytes, *, head: bytes = b"Host: localhost\r\n") -> bytes:
    return b"POST " + INFER.encode() + b" HTTP/1.1\r\n" + head + b"Transfer-Encoding: chunked\r\n\r\n" + body


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"1\r\n0\r\n" * MILLION, 400),
        (b"1;" + b"x" * 10 * MILLION + b"\r\n0\r\n", 431),
        (b"0\r\n" + b"a: bbbbb\r\n" * MILLION, 431),
        (b"ffffffffffffffff\r\n", 0),
        (b"1" + b"0" * 40 + b"\r\n", 400),
        (b"-1\r\n", 400),
    ],
    ids=["chunks", "extension", "trailers", "the largest chunk", "a larger one", "a negative one"],
)
def test_floods_of_chunks_end(attacked: AttackedServer, body: bytes, status: int) -> None:
    """Chunks, what stands beside their sizes, and what follows them (CVE-2025-23310, 2.69: 65,536 chunks)."""
    data = chunked(body)
    with attacked.growth(40):
        if status:
            assert status_of(raw(attacked, data)) == status
        else:  # it waits for the rest, and holds nothing for it
            host, _, port = attacked.http_url.rpartition(":")
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(data)
                attacked.require_well()


def test_headers_behind_a_body_are_none(attacked: AttackedServer) -> None:
    """They take the place of none in front: neither the host nor the token nor the page that is guarded by."""
    get = b"GET /v2 HTTP/1.1\r\nHost: %b\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: %b\r\n\r\n"
    assert status_of(raw(attacked, get % (b"evil.example", b"localhost"))) == 421
    assert status_of(raw(attacked, get % (b"localhost", b"evil.example"))) == 200


@pytest.mark.parametrize(
    "headers",
    [
        "Host: evil.example\r\nHost: localhost",
        "Host: localhost\r\nHost: evil.example",
        "Host: localhost\r\nOrigin: https://evil.example\r\nOrigin: null",
        "Host: localhost\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b",
        "Host: localhost\r\nContent-Length: 5\r\nContent-Length: 6",
        "Host: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        "Host: localhost\r\nTransfer-Encoding: chunked, identity",
        "Host: localhost\r\nContent-Length: -1",
        "Host: localhost\r\nContent-Length: +5",
        "Host: localhost\r\nContent-Length : 5",
        "Host: localhost\r\n folded: 1",
        "Host: localhost\r\nX: a\nHost: evil.example",
        "Host: localhost\r\nX: a\x00b",
    ],
)
def test_headers_that_two_could_read_differently_are_refused(attacked: AttackedServer, headers: str) -> None:
    """A proxy in front may have seen another request (smuggling)."""
    answer = raw(attacked, f"GET /v2 HTTP/1.1\r\n{headers}\r\n\r\n".encode("latin-1"))
    assert status_of(answer) == 400


def test_heads_are_bounded(attacked: AttackedServer) -> None:
    """One header of megabytes, many small ones, a path of megabytes."""
    for head in (
        b"GET /v2 HTTP/1.1\r\nX: " + b"a" * 5 * MILLION,
        b"GET /v2 HTTP/1.1\r\n" + b"a: b\r\n" * MILLION,
        b"GET /v2/models/" + b"a" * 5 * MILLION,
    ):
        with attacked.growth(40):
            assert status_of(raw(attacked, head)) in (400, 431)


@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/..%2f..%2foutside/ready",
        "/v2/models/%2e%2e/ready",
        "/v2/models/../models/tiny/ready",
        "/v2/models/tiny/../tiny/ready",
        "/v2/models/tiny%00/ready",
        "/v2/models/tiny%2f1/ready",
        "/v2/models/tiny%252fready/ready",
        "/v2/models/%c0%ae%c0%ae/ready",
        "/v2/models/tiny/versions/..%2f1/ready",
        "/v2/models/tiny/versions/1%00/ready",
        "/v2/models/tiny/versions/" + "9" * 5000 + "/ready",
        "//v2/models/tiny/ready",
        "/v2//models/tiny/ready",
        "/V2/models/tiny/ready",
        "/v2/models/tiny;a=b/ready",
        "/v2/models/tiny/ready/",
        "/v2/models/tiny%0d%0aSet-Cookie:%20a/ready",
    ],
)
def test_paths_are_one_name_and_no_other(attacked: AttackedServer, path: str) -> None:
    """Nothing is folded, decoded twice or cut off: what is not the model's name is no model (2.67, 2.74)."""
    status, headers, body = exchange(attacked.http_url, "GET", path)
    assert status in (400, 404)
    assert "set-cookie" not in headers
    assert json.loads(body)["error"].isprintable()


@pytest.mark.parametrize("name", ["..%2ftiny", "%2e%2e", "%2fetc", "tiny%00", "tiny%2f..%2f..%2foutside", "%0atiny"])
def test_paths_of_control_reach_no_file(attacked: AttackedServer, name: str) -> None:
    """Names to load are names in the repository; what is told of them is one printable line."""
    status, text = post(attacked, b"", f"/v2/repository/models/{name}/load")
    assert (status, "failed to poll from model repository" in text) == (500, True)
    assert text.isprintable()
    assert post(attacked, b"", f"/v2/repository/models/{name}/unload")[0] == 200
    attacked.require_well()


def test_load_brings_no_config_and_no_files(attacked: AttackedServer) -> None:
    """As over gRPC (CVE-2023-31036)."""
    for name in ("config", "file:1/model.onnx", "file:../../evil", "x"):
        body = json.dumps({"parameters": {name: "e30="}}).encode()
        assert post(attacked, body, "/v2/repository/models/tiny/load")[0] in (400, 501)
    attacked.require_well()


def test_shared_memory_logs_and_traces_are_out_of_reach(attacked: AttackedServer) -> None:
    """As over gRPC (CVE-2024-0087, 2024-0095, 2025-23319)."""
    for path in ("/v2/logging", "/v2/trace/setting", "/v2/models/tiny/trace/setting"):
        body = b'{"log_file":"/tmp/log","trace_file":"/tmp/trace"}'
        assert post(attacked, body, path)[0] == 501
    for kind in ("system", "cuda"):
        for action in ("region/a/register", "unregister", "region/a/unregister"):
            assert post(attacked, b'{"key":"/b","byte_size":9}', f"/v2/{kind}sharedmemory/{action}")[0] in (405, 501)


def test_headers_become_no_parameters(attacked: AttackedServer) -> None:
    """Not even those with reserved names (2.69)."""
    body = one_input(data=[0] * 192)
    headers = {"triton_enable_empty_final_response": "1", "priority": "-1", "timeout": "1", "X-Triton-Timeout": "1"}
    status, _, answer = exchange(attacked.http_url, "POST", INFER, body, headers)
    assert status == 200
    assert set(json.loads(answer)["parameters"]) == {"lookalike.digest"}
