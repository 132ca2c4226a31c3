"""examples/: each client as it stands, in a process of its own, against the embedded server."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as messages

from artifact.repository.publishing import publish
from lookalike.demo.emoji_packages import npm_reason
from serving.embedded.server import Server
from tests.shared.pictures import pictures
from tests.shared.places import ROOT
from tests.shared.scored_images import BAD, DIM, expected_vectors, publish_models, write_images
from tests.shared.tiny_artifact import write_tiny_artifact

EXAMPLES = ROOT / "examples"
NODE, PYTHON, CURL = EXAMPLES / "node", EXAMPLES / "python", EXAMPLES / "curl"
PROGRAMS = ("adopted_detector", "objects", "two_towers", "why", "without_training")
"""Programs of the library in the folder of the clients."""
TIMEOUT_S = 60
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    models = ["triplet_branch", "triplet_full", "siamese_full"]
    with Server(publish_models(folder / "models", folder / "files", models=models), grpc_port=0, http_port=0) as server:
        yield server


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """More than one request holds."""
    return write_images(tmp_path_factory.mktemp("images"), 40)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """How to start the Node example, installed in a copy."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        pytest.skip("no node and npm on the PATH")
    folder = shutil.copytree(
        NODE, tmp_path_factory.mktemp("node") / "node", ignore=shutil.ignore_patterns("node_modules")
    )
    quick = ["--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"]
    try:
        done = subprocess.run(
            [npm, "ci", *quick], cwd=folder, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm ci took more than {TIMEOUT_S} s")
    if done.returncode:
        pytest.skip(f"npm ci: {npm_reason(done.stderr)}")
    return [program, str(folder / "embed.mjs")]


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, words)), capture_output=True, text=True, check=False, timeout=TIMEOUT_S, cwd=EXAMPLES
    )


def check_embeds(command: list[str], url: str | None, images: list[Path]) -> None:
    """A line for each image, in order, with its vector."""
    done = run(*command, url, "triplet_branch", *images)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["image"] for line in lines] == list(map(str, images))
    vectors = np.array([line["embedding"] for line in lines])
    assert vectors.shape == (len(images), DIM)
    np.testing.assert_allclose(vectors, expected_vectors(images), atol=TOLERANCE)


def check_refuses(command: list[str], url: str | None, images: list[Path], folder: Path) -> None:
    """A bad image, named in one line, and a model that is not there."""
    bad = folder / "bad.png"
    bad.write_bytes(BAD)
    done = run(*command, url, "triplet_branch", images[0], images[1], bad)
    assert (done.returncode, done.stdout) == (1, "")
    assert "row 2" in done.stderr
    assert "not an image in any of JPEG, PNG" in done.stderr
    done = run(*command, url, "nothing", images[0])
    assert done.returncode == 1
    assert "nothing_encoded" in done.stderr


def test_the_python_client_embeds_many_images(server: Server, images: list[Path], tmp_path: Path) -> None:
    """With tritonclient alone."""
    command = [sys.executable, str(PYTHON / "embed.py")]
    check_embeds(command, server.url, images)
    check_refuses(command, server.url, images, tmp_path)


def test_the_python_client_over_http_embeds_many_images(server: Server, images: list[Path], tmp_path: Path) -> None:
    """With the standard library alone."""
    command = [sys.executable, str(PYTHON / "embed_http.py")]
    check_embeds(command, server.http_url, images)
    check_refuses(command, server.http_url, images, tmp_path)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on the PATH")
def test_curl_scores_image_files_as_they_are(server: Server, images: list[Path], tmp_path: Path) -> None:
    """A JPEG and a PNG: the server's answer in JSON, with the vector and the artifact's digest; then refusals."""
    jpeg = tmp_path / "a.jpg"
    jpeg.write_bytes(pictures()["jpeg"])
    files = [jpeg, *images[:2]]
    command = ["sh", CURL / "embed.sh"]
    done = run(*command, server.http_url, "triplet_branch", *files)
    assert (done.returncode, done.stderr) == (0, "")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    vectors = np.array([answer["outputs"][0]["data"] for answer in answers])
    np.testing.assert_allclose(vectors, expected_vectors(files), atol=TOLERANCE)
    assert {len(answer["parameters"]["lookalike.digest"]) for answer in answers} == {64}
    bad = tmp_path / "bad.png"
    bad.write_bytes(BAD)
    done = run(*command, server.http_url, "triplet_branch", images[0], bad, images[1])
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 1)
    assert "bad.png: " in done.stderr
    assert "not an image in any of JPEG, PNG" in done.stderr
    done = run(*command, server.http_url, "nothing", images[0])
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing_encoded" in done.stderr


def test_the_node_client_embeds_many_images(
    node: list[str], server: Server, images: list[Path], tmp_path: Path
) -> None:
    """With grpc-js and a few lines of the protocol."""
    check_embeds(node, server.url, images)
    check_refuses(node, server.url, images, tmp_path)


@pytest.mark.parametrize(
    ("model", "pairs"),
    [
        ("triplet_full", {"distance_anchor_positive": (0, 1), "distance_anchor_negative": (0, 2)}),
        ("siamese_full", {"distance_left_right": (0, 1)}),
    ],
)
def test_the_python_client_compares_tuples(
    server: Server, images: list[Path], model: str, pairs: dict[str, tuple[int, int]]
) -> None:
    """Streams by the names that the server tells; two tuples in one request."""
    streams = max(place for pair in pairs.values() for place in pair) + 1
    files = images[: 2 * streams]
    done = run(sys.executable, PYTHON / "compare.py", server.url, model, *files)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    vectors = expected_vectors(files).reshape(2, streams, DIM)
    assert [line["images"] for line in lines] == [list(map(str, files[:streams])), list(map(str, files[streams:]))]
    for line, row in zip(lines, vectors, strict=True):
        assert set(line) == {"images", *pairs}
        for name, (a, b) in pairs.items():
            assert line[name] == pytest.approx(np.linalg.norm(row[a] - row[b]), abs=TOLERANCE)


def test_the_commands_of_the_readme_work_as_printed(node: list[str], tmp_path: Path) -> None:
    """Pasted into a shell after the journey; tiny models and images have the places of the demo's here."""
    text, _, _ = (EXAMPLES / "README.md").read_text().partition("# Programs of the library")
    commands = re.findall(r"^    ((?:python|node|sh|curl) .*)$", text, re.MULTILINE)
    assert len(commands) == 6
    for name, mode in (("digits", "branch"), ("digits_full", "full")):
        write_tiny_artifact(tmp_path / f"{name}.onnx", name=name, mode=mode)
        publish(tmp_path / f"{name}.onnx", tmp_path / "models")
    for number, path in enumerate(("7/7-000.png", "7/7-001.png", "1/1-000.png")):
        target = tmp_path / "demo-output" / "images" / "held_out" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        write_images(tmp_path / "noise", 1, seed=number)[0].rename(target)
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "python").symlink_to(PYTHON)
    (tmp_path / "examples" / "curl").symlink_to(CURL)
    (tmp_path / "examples" / "node").symlink_to(Path(node[1]).parent)
    with Server(tmp_path / "models", grpc_port=0, http_port=0) as server:
        for command in commands:
            words = command.replace("127.0.0.1:8001", server.url).replace("127.0.0.1:8000", str(server.http_url))
            words = words.replace("curl ", "curl -sS ", 1).removeprefix("python ")
            shell = f"{shlex.quote(sys.executable)} {words}" if command.startswith("python") else words
            done = subprocess.run(
                ["bash", "-c", shell], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
            )
            assert (done.returncode, done.stderr) == (0, ""), command
            assert len(done.stdout.splitlines()) == (1 if "compare" in command or "curl --" in command else 2)


def test_the_python_clients_import_tritonclient_alone() -> None:
    """An application needs nothing of Lookalike, and over HTTP nothing at all."""
    standard = {"http", "json", "pathlib", "struct", "sys"}
    for file in sorted({*PYTHON.glob("*.py")} - {PYTHON / f"{name}.py" for name in PROGRAMS}):
        tree = ast.walk(ast.parse(file.read_text()))
        names = {alias.name for node in tree if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)}
        packages = {name.split(".")[0] for name in names if name is not None} - standard
        assert packages == (set() if file.stem == "embed_http" else {"numpy", "tritonclient"}), file


def test_the_proto_file_is_part_of_the_protocol() -> None:
    """Names, numbers and types of every field are those of NVIDIA's client."""
    text = re.sub(r"//.*", "", (NODE / "inference.proto").read_text())
    pool = messages.DESCRIPTOR.pool
    service = re.search(r"service (\w+) \{\s*rpc (\w+)\((\w+)\) returns \((\w+)\)", text)
    assert service is not None
    method = pool.FindServiceByName(f"inference.{service[1]}").methods_by_name[service[2]]
    assert (method.input_type.name, method.output_type.name) == (service[3], service[4])
    assert "package inference;" in text
    path: list[str] = []
    num_fields = 0
    for word in re.findall(r"message \w+ \{|\}|(?:repeated )?\w+ \w+ = \d+;", text[service.end() + 3 :]):
        if word.startswith("message"):
            path.append(word.split()[1])
        elif word == "}":
            path = path[:-1]
        else:
            *repeated, kind, name, _, number = word.rstrip(";").split()
            field = pool.FindMessageTypeByName(".".join(["inference", *path])).fields_by_name[name]
            types = {field.TYPE_STRING: "string", field.TYPE_INT64: "int64", field.TYPE_BYTES: "bytes"}
            theirs = types[field.type] if field.message_type is None else field.message_type.name
            assert (field.number, field.is_repeated, theirs) == (int(number), bool(repeated), kind), word
            num_fields += 1
    assert (path, num_fields) == ([], 14)


@pytest.mark.slow
def test_two_towers_finds_combinations_that_were_never_trained_on(tmp_path: Path) -> None:
    """Eight pictures of each lie in the gallery of 192; most of the eight nearest are these."""
    command = [sys.executable, str(PYTHON / "two_towers.py"), str(tmp_path / "made")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["asked"] for line in lines] == [
        "shape=circle,color=red,striped=1",
        "shape=square,color=green,striped=0",
        "shape=triangle,color=yellow,striped=1",
    ]
    assert sum(line["right"] for line in lines) >= 18
