"""Attacks by who may write a model's folder, but not run the server: links, libraries, other files, depth, names."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.embedded.server import Server
from tests.shared.conformance.rest import exchange
from tests.shared.pictures import noise
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.triton_client import client_of, index_of, infer, refusal

SECRET = "root-of-all-secrets"


def link_instead(path: Path, outside: Path) -> None:
    shutil.move(path, outside)
    path.symlink_to(outside)


def link_to_secret(root: Path, outside: Path) -> None:
    outside.write_text(SECRET)
    (root / "evil").mkdir()
    (root / "evil" / "config.pbtxt").symlink_to(outside)


@pytest.mark.parametrize(
    ("prepare", "model", "link"),
    [
        (lambda root, outside: link_instead(root / "tiny", outside), "tiny", "tiny"),
        (lambda root, outside: link_instead(root / "tiny/1", outside), "tiny", "1"),
        (lambda root, outside: link_instead(root / "tiny/1/model.onnx", outside), "tiny", "model.onnx"),
        (lambda root, outside: link_instead(root / "tiny/config.pbtxt", outside), "tiny", "config.pbtxt"),
        (lambda root, outside: link_instead(root / "tiny_decode/1/spec.json", outside), "tiny", "spec.json"),
        (lambda root, outside: link_instead(root / "tiny_encoded/config.pbtxt", outside), "tiny", "config.pbtxt"),
        (lambda root, _: (root / "tiny/1/more").symlink_to("../../../outside"), "tiny", "more"),
        (lambda root, _: (root / "tiny/1/more").symlink_to("more"), "tiny", "more"),
        (lambda root, _: (root / "tiny/1/more").symlink_to("/proc/self/environ"), "tiny", "more"),
        (link_to_secret, "evil", "config.pbtxt"),
    ],
    ids=["model", "version", "file", "config", "spec", "ensemble", "dangling", "circle", "proc", "secret"],
)
def test_links_out_of_the_repository_are_refused(
    tmp_path: Path, prepare: Callable[[Path, Path], None], model: str, link: str
) -> None:
    """The model is UNAVAILABLE and says which link; nothing of what it leads to is told."""
    root, reports = tmp_path / "repository", []
    publish_tiny(root)
    publish_tiny(root, name="other")
    prepare(root, tmp_path / "elsewhere")
    with Server(root, grpc_port=0, report=reports.append) as server, client_of(server) as client:
        state, reason = index_of(client)[model, ""]
        assert state == "UNAVAILABLE"
        assert reason.startswith(("a link that leads out of the repository", "a path of the repository cannot be"))
        assert f"{link})" in reason
        assert not client.is_model_ready(model)
        assert client.is_model_ready("other")
        assert SECRET not in " ".join([*reports, reason])


def test_links_that_stay_in_the_repository_are_followed(tmp_path: Path) -> None:
    """Whatever stands there may be read; the repository itself may be a link too."""
    root = tmp_path / "repository"
    publish_tiny(root)
    link_instead(root / "tiny/1", root / "tiny/kept")
    (tmp_path / "link").symlink_to(root)
    with Server(tmp_path / "link", grpc_port=0) as server, client_of(server) as client:
        assert client.is_model_ready("tiny")


def test_link_made_while_the_server_runs_is_refused_at_the_next_load(tmp_path: Path) -> None:
    """What was served goes on."""
    root = tmp_path / "repository"
    publish_tiny(root)
    with Server(root, grpc_port=0) as server, client_of(server) as client:
        link_instead(root / "tiny/1/model.onnx", tmp_path / "elsewhere")
        status, _ = refusal(lambda: client.load_model("tiny"))
        assert status == "INTERNAL"
        assert infer(client, "tiny", {"image": noise(1)}).as_numpy("embedding").shape == (1, 4)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('model_operations { op_library_filename: "/tmp/evil.so" }', "op_library_filename '/tmp/evil.so'"),
        ('parameters { key: "EXECUTION_ENV_PATH" value { string_value: "x" } }', "parameter 'EXECUTION_ENV_PATH'"),
        ('parameters { key: "OP_Library_Filename" value { string_value: "x" } }', "parameter 'OP_Library_Filename'"),
        (
            'parameters { key: "TRITON_BATCH_STRATEGY_PATH" value { string_value: "x" } }',
            "parameter 'TRITON_BATCH_STRATEGY_PATH'",
        ),
        ('model_repository_agents { agents { name: "a" } }', "model_repository_agents"),
        ('runtime: "../../evil.so"', "runtime '../../evil.so'"),
        ('default_model_filename: "../../../evil.onnx"', "default_model_filename '../../../evil.onnx'"),
        ('cc_model_filenames { key: "8.0" value: "evil.onnx" }', "cc_model_filenames 'evil.onnx'"),
    ],
)
def test_code_and_files_named_by_a_config_are_refused(tmp_path: Path, text: str, what: str) -> None:
    """Triton would load them: libraries, environments, another file in the place of the model."""
    publish_tiny(tmp_path)
    config = tmp_path / "tiny" / "config.pbtxt"
    config.write_text(f"{config.read_text()}\n{text}\n")
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:
        state, reason = index_of(client)["tiny", ""]
        assert (state, f"got {what} " in reason) == ("UNAVAILABLE", True), reason


@pytest.mark.parametrize("value", ["[" * 100_000, "9" * 100_000, '{"a":' * 50_000, "\\377\\376", "1e999999"])
def test_manifests_that_are_none_stop_only_themselves(tmp_path: Path, value: str) -> None:
    """Lists without end and numbers without end: the server starts and serves the others."""
    publish_tiny(tmp_path)
    (tmp_path / "evil").mkdir()
    text = value.replace('"', '\\"')
    (tmp_path / "evil" / "config.pbtxt").write_text(
        f'backend: "onnxruntime" parameters {{ key: "lookalike.manifest.1" value {{ string_value: "{text}" }} }}'
    )
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:
        assert index_of(client)["evil", ""][0] == "UNAVAILABLE"
        assert client.is_model_ready("tiny")


@pytest.mark.parametrize("name", ["spec.json", "tuning"])
def test_depth_in_other_files_stops_only_itself(tmp_path: Path, name: str) -> None:
    """The decoder's facts, and the record of a tuning."""
    publish_tiny(tmp_path)
    publish_tiny(tmp_path, name="other")
    if name == "tuning":
        config = tmp_path / "tiny" / "config.pbtxt"
        parameter = f'key: "lookalike.tuning.cpu" value {{ string_value: "{"[" * 100_000}" }}'
        config.write_text(f"{config.read_text()}\nparameters {{ {parameter} }}\n")
    else:
        (tmp_path / "tiny_decode" / "1" / name).write_text("[" * 100_000)
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:
        assert client.is_model_ready("other")


def test_names_in_a_repository_forge_no_line(tmp_path: Path) -> None:
    """Newlines, terminal escapes and marks of direction of a folder's name, in reports and in what clients are told."""
    publish_tiny(tmp_path)
    for name in ("evil", "a\nmodel 'b' is ready\x1b[2J\u202e"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.pbtxt").write_text("x\x1b]0;title\x07 {")
    reports: list[str] = []
    with Server(tmp_path, grpc_port=0, http_port=0, report=reports.append) as server, client_of(server) as client:
        reasons = [reason for _, reason in index_of(client).values()]
        body = exchange(str(server.http_url), "POST", "/v2/repository/index")[2]
        assert any("evil" in reason or "config.pbtxt" in reason for reason in reasons)
    assert all(line.isprintable() for line in [*reports, *reasons])
    assert b"\x1b" not in body
    assert b"\n" not in body


def test_names_in_requests_forge_no_line(tmp_path: Path) -> None:
    """What a request says is written nowhere, and told back in printable text."""
    publish_tiny(tmp_path)
    reports: list[str] = []
    name = "x\r\nforged: 1\x1b[31m\u2028\u202e"
    with Server(tmp_path, grpc_port=0, http_port=0, report=reports.append) as server, client_of(server) as client:
        before = list(reports)
        for call in (
            lambda: client.get_model_metadata(name),
            lambda: client.load_model(name),
            lambda: infer(client, name, {"image": noise(1)}),
            lambda: infer(client, "tiny", {name: noise(1)}),
            lambda: infer(client, "tiny", {"image": noise(1)[:, :4]}, request_id=name),
            lambda: client.infer("tiny", [], model_version=name),
        ):
            _, text = refusal(call)
            assert text.isprintable(), text
        assert all(line.isprintable() for line in reports[len(before) :])
