"""Problems of a repository, each with advice; real Triton agrees which of them stop it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from artifact.errors import RepositoryError
from artifact.repository.layout import find_problems
from artifact.repository.publishing import publish
from lookalike.cli import main
from serving.check import check_repository
from tests.shared.tiny_artifact import write_tiny_artifact
from tests.shared.triton_server import TritonServer, unavailable


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def foreign_network(root: Path) -> None:
    (root / "other" / "1").mkdir(parents=True)
    shutil.copy(root / "tiny" / "1" / "model.onnx", root / "other" / "1")


LATEST, SEVEN = "latest {\n    num_versions: 1\n  }", "specific {\n    versions: 7\n  }"
STOPPERS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "empty folder": (lambda root: (root / "stray").mkdir(), "stray", "no config.pbtxt; move it out"),
    "git": (lambda root: (root / ".git" / "refs").mkdir(parents=True), ".git", "no config.pbtxt; move it out"),
    "dead link": (lambda root: (root / "link").symlink_to("nowhere"), "link", "a link to nothing; remove it"),
    "absent version": (
        lambda root: replace(root / "tiny" / "config.pbtxt", LATEST, SEVEN),
        "tiny",
        "its version_policy names absent version 7; `lookalike rollback tiny --to VERSION` serves one of 1",
    ),
    "no version": (
        lambda root: shutil.rmtree(root / "tiny" / "1"),
        "tiny",
        "no version folder; publish the model again",
    ),
    "empty version": (lambda root: (root / "tiny" / "2").mkdir(), "tiny/2", "no model.onnx; remove the folder"),
    "renamed": (lambda root: (root / "tiny").rename(root / "tony"), "tony", "its config names 'tiny'; give the folder"),
    "no decode": (
        lambda root: shutil.rmtree(root / "tiny_decode"),
        "tiny_encoded",
        "its step 'tiny_decode' is not there; publish the model again",
    ),
    "broken config": (
        lambda root: (root / "tiny_encoded" / "config.pbtxt").write_text("x {"),
        "tiny_encoded",
        "config.pbtxt does not parse: ",
    ),
    "changed code": (
        lambda root: replace(root / "tiny_decode" / "1" / "preprocessing.py", "8", "9"),
        "tiny_decode/1/preprocessing.py",
        "is not the file that was published; publish the model again",
    ),
}
HARMLESS: dict[str, Callable[[Path], object]] = {
    "as published": lambda root: None,
    "plain files": lambda root: (root / "README.md").touch(),
    "foreign network": foreign_network,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_tiny_artifact(tmp_path / "tiny.onnx")
    publish(tmp_path / "tiny.onnx", tmp_path / "models")
    return tmp_path / "models"


@pytest.mark.parametrize("name", STOPPERS)
def test_what_stops_triton_is_found_with_advice(root: Path, name: str) -> None:
    """Each is named with its place and what to do; without it there is no problem."""
    assert find_problems(root) == []
    spoil, where, text = STOPPERS[name]
    spoil(root)
    found = [problem for problem in find_problems(root) if problem.where == root / where and problem.stops_triton]
    assert any(text in str(problem) for problem in found), find_problems(root)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*STOPPERS, *HARMLESS])
def test_real_triton_agrees(root: Path, name: str) -> None:
    """tritonserver refuses to start over what stops it by our word, and starts over the rest."""
    if reason := unavailable():
        pytest.skip(f"real Triton cannot run here: {reason}")
    (STOPPERS[name][0] if name in STOPPERS else HARMLESS[name])(root)
    assert any(problem.stops_triton for problem in find_problems(root)) == (name in STOPPERS)
    if name in STOPPERS:
        with pytest.raises(RuntimeError, match="tritonserver did not start: it ended"), TritonServer(root):
            pass
    else:
        with TritonServer(root):
            pass


@pytest.mark.parametrize("name", ["empty folder", "git", "dead link"])
def test_publishing_into_a_repository_with_strays_is_refused(root: Path, tmp_path: Path, name: str) -> None:
    """Better now than when Triton is started again; nothing is written."""
    STOPPERS[name][0](root)
    before = sorted(root.rglob("*"))
    write_tiny_artifact(tmp_path / "next.onnx", seed=1)
    with pytest.raises(RepositoryError, match=f"{STOPPERS[name][1]!r} in the repository stops Triton: got .*; "):
        publish(tmp_path / "next.onnx", root)
    assert sorted(root.rglob("*")) == before


def spec_with(root: Path, key: str, value: object) -> None:
    path = root / "tiny_decode" / "1" / "spec.json"
    spec = json.loads(path.read_bytes())
    spec["preprocessing"][key] = value
    path.write_text(json.dumps(spec))


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda root: spec_with(root, "height", 9), "height=9, the network needs 8; publish the model again"),
        (lambda root: spec_with(root, "fit", "pad"), "fit=pad, the network needs stretch"),
        (lambda root: shutil.rmtree(root / "tiny_encoded"), "the companion is missing; publish 'tiny' again"),
        (lambda root: shutil.copytree(root / "tiny" / "1", root / "tiny" / "2"), "that config.pbtxt does not know"),
        (lambda root: (root.parent / ".models.staging-x").mkdir(), "left by a command that was killed"),
        (lambda root: shutil.copy(root.parent / "next.onnx", root / "tiny" / "1" / "model.onnx"), "its digest is "),
        (lambda root: (root / "tiny" / "1" / "model.onnx").write_bytes(b"x"), "not an ONNX file, or cut off"),
    ],
)
def test_what_is_not_as_published_is_found(root: Path, spoil: Callable[[Path], object], text: str) -> None:
    """Companions of another version, versions and files from elsewhere, leftovers."""
    write_tiny_artifact(root.parent / "next.onnx", seed=1)
    spoil(root)
    problems = find_problems(root)
    assert any(text in str(problem) for problem in problems), problems


def test_check_of_a_repository_runs_every_version(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A flipped byte in an older version is found too; the command line fails with the number of problems."""
    write_tiny_artifact(root.parent / "next.onnx", seed=1)
    publish(root.parent / "next.onnx", root)
    assert check_repository(root).num_artifacts == 2
    assert main(["check", "--repository", str(root)]) == 0
    assert "sound" in capsys.readouterr().out
    path = root / "tiny" / "1" / "model.onnx"
    data = path.read_bytes()
    path.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    assert [problem.where for problem in check_repository(root).problems] == [path]
    assert main(["check", "--repository", str(root), "--json"]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["problems"][0]["what"] == "content does not match its hash: a byte changed"
    assert printed.err.startswith("lookalike: the repository has 1 problem (")
    assert main(["check"]) == 2
    assert "expected FILE, NAME or --repository DIR" in capsys.readouterr().err
