"""Tokens and their rights: the file, the decision, and what both fronts answer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc as services

from artifact.errors import UsageError
from serving.embedded.access.decisions import Verdict, verdict
from serving.embedded.access.tokens import Right, Tokens, read_tokens
from serving.embedded.over_grpc.authorization import right_of
from serving.embedded.server import Server
from tests.shared.conformance.rest import exchange
from tests.shared.places import ROOT
from tests.shared.secure_server import hash_of
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.waiting import WAIT_S, eventually

SCORE, CONTROL, BOTH = "s-c0re", "c0ntrol", "b0th"


def write_tokens(path: Path) -> Path:
    lines = [f"score {hash_of(SCORE)} the web shop", "# a remark", "", f"control {hash_of(CONTROL)}"]
    path.touch(mode=0o600)
    path.write_text("\n".join([*lines, f"score,control {hash_of(BOTH).upper()}"]))
    return path


def test_file_gives_rights_to_hashes(tmp_path: Path) -> None:
    """One line a token; remarks, empty lines and capital letters change nothing."""
    tokens = Tokens(write_tokens(tmp_path / "tokens"), print)
    assert tokens.rights(SCORE) == {Right.SCORE}
    assert tokens.rights(CONTROL) == {Right.CONTROL}
    assert tokens.rights(BOTH) == {Right.SCORE, Right.CONTROL}
    for unknown in ("", "x", SCORE + "x", hash_of(SCORE), "é", "\ud800"):
        assert tokens.rights(unknown) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing",
        "score",
        f"score {SCORE}",
        f"write {hash_of(SCORE)}",
        f"score, {hash_of(SCORE)}",
        f"{hash_of('x')} score",
    ],
)
def test_wrong_files_are_refused_without_showing_a_token(tmp_path: Path, text: str) -> None:
    """What stands there may be one."""
    (tmp_path / "tokens").write_text(text)
    with pytest.raises(UsageError) as refused:
        read_tokens(tmp_path / "tokens")
    assert SCORE not in str(refused.value)
    assert hash_of(SCORE) not in str(refused.value)


@pytest.mark.parametrize(("mode", "is_told"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_file_that_everybody_may_read_is_told_of(tmp_path: Path, mode: int, is_told: bool) -> None:
    """Its hashes are no tokens, but short ones can be guessed from them."""
    lines: list[str] = []
    path = write_tokens(tmp_path / "tokens")
    path.chmod(mode)
    Tokens(path, lines.append)
    assert lines == ([f"tokens {path} may be read by everybody on this machine; chmod o= {path}"] if is_told else [])


def test_file_is_read_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token taken out is unknown from then on; a broken file leaves what there was."""
    monkeypatch.setattr("serving.embedded.access.changing_file._LOOK_EVERY_S", 0.0)
    lines: list[str] = []
    path = write_tokens(tmp_path / "tokens")
    tokens = Tokens(path, lines.append)
    path.write_text(f"control {hash_of(CONTROL)}")
    assert tokens.rights(SCORE) is None
    assert tokens.rights(CONTROL) == {Right.CONTROL}
    path.write_text("nonsense")
    assert tokens.rights(CONTROL) == {Right.CONTROL}
    path.unlink()
    assert tokens.rights(CONTROL) == {Right.CONTROL}
    assert len(lines) == 3
    assert "read again" in lines[0]
    assert "what was read before stays" in lines[1]


@pytest.mark.parametrize(
    ("right", "header", "expected"),
    [
        (None, None, None),
        (Right.SCORE, None, Verdict.UNAUTHENTICATED),
        (Right.SCORE, "", Verdict.UNAUTHENTICATED),
        (Right.SCORE, "Bearer", Verdict.UNAUTHENTICATED),
        (Right.SCORE, f"Basic {SCORE}", Verdict.UNAUTHENTICATED),
        (Right.SCORE, SCORE, Verdict.UNAUTHENTICATED),
        (Right.SCORE, "Bearer x", Verdict.UNKNOWN),
        (Right.SCORE, f"Bearer {SCORE}", None),
        (Right.SCORE, f"bearer  {SCORE} ", None),
        (Right.CONTROL, f"Bearer {SCORE}", Verdict.PERMISSION_DENIED),
        (Right.CONTROL, f"Bearer {BOTH}", None),
        (Right.METRICS, f"Bearer {BOTH}", Verdict.PERMISSION_DENIED),
    ],
)
def test_verdicts(tmp_path: Path, right: Right | None, header: str | None, expected: Verdict | None) -> None:
    """No token, an unknown one, one without the right; and a server without tokens asks for none."""
    assert verdict(Tokens(write_tokens(tmp_path / "tokens"), print), right, header) == expected
    assert verdict(None, right, header) is None


@pytest.fixture
def server(tmp_path: Path) -> Any:
    publish_tiny(tmp_path / "repository")
    tokens = write_tokens(tmp_path / "tokens")
    with Server(tmp_path / "repository", grpc_port=0, http_port=0, tokens=str(tokens)) as running:
        yield running


def status(call: Any, request: Any, token: str | None) -> str:
    """The status of a call with a token, `OK` for an answer."""
    metadata = [("authorization", f"Bearer {token}")] if token else []
    try:
        call(request, metadata=metadata, timeout=WAIT_S)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def test_grpc_asks_for_the_right_of_each_method(server: Server) -> None:
    """Health is everybody's; scoring and control are rights of their own; streams are refused as calls are."""
    with grpc.insecure_channel(server.url) as channel:
        stub = services.GRPCInferenceServiceStub(channel)
        live, ready = messages.ServerLiveRequest(), messages.ModelReadyRequest(name="tiny")
        index, load = messages.RepositoryIndexRequest(), messages.RepositoryModelLoadRequest(model_name="tiny")
        assert status(stub.ServerLive, live, None) == "OK"
        for call, request in (
            (stub.ModelReady, ready),
            (stub.RepositoryIndex, index),
            (stub.RepositoryModelLoad, load),
        ):
            assert status(call, request, None) == "UNAUTHENTICATED"
            assert status(call, request, "x") == "UNAUTHENTICATED"
            assert status(call, request, BOTH) == "OK"
        assert status(stub.ModelReady, ready, SCORE) == "OK"
        assert status(stub.ModelReady, ready, CONTROL) == "PERMISSION_DENIED"
        assert status(stub.RepositoryIndex, index, SCORE) == "PERMISSION_DENIED"
        assert status(stub.RepositoryIndex, index, CONTROL) == "OK"
        with pytest.raises(grpc.RpcError) as refused:
            list(stub.ModelStreamInfer(iter([messages.ModelInferRequest(model_name="tiny")]), timeout=WAIT_S))
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_http_asks_for_the_right_of_each_path(server: Server) -> None:
    """401 with the scheme, 403, and the same rights as over gRPC; an unknown path says nothing of tokens."""
    url = str(server.http_url)

    def get(path: str, token: str | None = None, method: str = "GET") -> int:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return exchange(url, method, path, headers=headers)[0]

    assert get("/v2/health/live") == get("/v2/health/ready") == 200
    assert get("/v2/models/tiny") == get("/v2/models/tiny", "x") == 401
    assert exchange(url, "GET", "/v2")[1]["www-authenticate"] == "Bearer"
    assert get("/v2/models/tiny", SCORE) == 200
    assert get("/v2/models/tiny", CONTROL) == 403
    assert get("/v2/models/tiny/config", SCORE) == get("/v2/models/stats", SCORE) == 403
    assert get("/v2/repository/index", CONTROL, "POST") == 200
    assert get("/v2/repository/models/tiny/load", SCORE, "POST") == 403
    assert get("/nope") == 404


def test_token_that_is_taken_out_is_refused_while_the_server_runs(server: Server, tmp_path: Path) -> None:
    """Within a second or so."""
    url, path = str(server.http_url), tmp_path / "tokens"
    headers = {"Authorization": f"Bearer {SCORE}"}
    assert exchange(url, "GET", "/v2", headers=headers)[0] == 200
    path.write_text(f"control {hash_of(CONTROL)}")
    os.utime(path)
    eventually(lambda: exchange(url, "GET", "/v2", headers=headers)[0] == 401, "the token is refused")


def test_every_method_has_a_right_that_was_chosen() -> None:
    """What scores is listed, what tells that the server lives is open, and all else, known or not, is control."""
    service = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    by_right: dict[Right | None, set[str]] = {}
    for method in service.methods:
        by_right.setdefault(right_of(f"/{service.full_name}/{method.name}"), set()).add(method.name)
    assert by_right[None] == {"ServerLive", "ServerReady"}
    assert by_right[Right.SCORE] == {"ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer", "ModelStreamInfer"}
    assert len(by_right[Right.CONTROL]) == len(service.methods) - 7
    for method in ("", "/", "/inference.GRPCInferenceService/", "/x.Y/ServerLive", "ServerLive", "/a/ModelInfer"):
        assert right_of(method) is Right.CONTROL


def test_no_writing_of_a_path_goes_round_its_right(server: Server) -> None:
    """Whatever stands for the path of a control method is refused, or is no path (CVE-2026-24207)."""
    url = str(server.http_url)
    for path in (
        "/v2/repository/index",
        "/v2/repository/models/tiny/load",
        "/v2/repository/models/tiny/unload",
        "/v2/repository/a/models/tiny/unload",
    ):
        writings = [path, path + "/", "/" + path, path.upper(), path + "?a=b", path + "#a", path + ";a", path + "%00"]
        writings += [
            path.replace("/v2", "/v2/."),
            path.replace("/v2", "/v2/health/live/../.."),
            path.replace("/", "//"),
        ]
        writings += [path.replace("repository", "%72epository"), path.replace("/models", "%2fmodels"), "." + path]
        for writing in writings:
            for method in ("POST", "GET", "PUT", "HEAD", "OPTIONS", "post"):
                status = exchange(url, method, writing, headers={"Authorization": f"Bearer {SCORE}"})[0]
                assert status in (400, 403, 404, 405), (method, writing)
    assert exchange(url, "GET", "/v2/models/tiny/ready", headers={"Authorization": f"Bearer {SCORE}"})[0] == 200


def test_file_of_the_documentation_is_one(tmp_path: Path) -> None:
    """The example of docs/serving/security.md gives the rights that it says."""
    page = (ROOT / "docs" / "serving" / "security.md").read_text()
    example = page.partition("    # tokens\n")[2].partition("\n\n")[0]
    (tmp_path / "tokens").write_text(example)
    rights = [rights for _, rights in read_tokens(tmp_path / "tokens")]
    assert rights == [{Right.SCORE}, {Right.SCORE, Right.CONTROL}, {Right.METRICS}]
