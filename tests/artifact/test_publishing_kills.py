"""kill -9 before any write of every verb: the old or the new state, and the next command clears up.

A helper process forks a child for each kill; the child counts its own writes (audit events) and kills itself before the
one that it was given: all of them, or fifty drawn from more. Nothing is flushed to disk here: a killed process loses
nothing that it has written, only a power cut does.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from artifact.model.file import read_manifest, verify_content
from artifact.repository.extraction import extract
from artifact.repository.layout import find_problems
from artifact.repository.publishing import publish, rollback
from artifact.repository.reading import open_repository
from tests.shared.tiny_artifact import write_tiny_artifact

pytestmark = pytest.mark.slow

HELPER = """
import json, os, signal, sys
from pathlib import Path
from artifact.repository.extraction import extract
from artifact.model.file import verify_artifact
from artifact.repository.publishing import publish, remove, rollback

os.fsync = lambda handle: None
verify_artifact(Path(sys.argv[1]))  # imports everything, so that a child only works
VERBS = {"publish": publish, "rollback": rollback, "remove": remove, "extract": extract}
WRITES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.truncate"}
WRITING = os.O_WRONLY | os.O_RDWR

def run(verb, arguments, kill_at):
    count = 0
    def hook(event, details):
        nonlocal count
        if event in WRITES or event == "open" and isinstance(details[2], int) and details[2] & WRITING:
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    VERBS[verb](*[Path(a["path"]) if isinstance(a, dict) else a for a in arguments])
    return count

for line in sys.stdin:
    verb, arguments, kill_at = json.loads(line)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, str(run(verb, arguments, kill_at)).encode())
        os._exit(0)
    os.close(writer)
    status = os.waitpid(child, 0)[1]
    told = os.read(reader, 100).decode()
    os.close(reader)
    print(json.dumps([os.WTERMSIG(status) if os.WIFSIGNALED(status) else None, told and int(told)]), flush=True)
"""


class Helper:
    """Runs verbs in children of its own; `run` gives the signal that ended it and how many writes it made."""

    def __init__(self, artifact: Path) -> None:
        command = [sys.executable, "-c", HELPER, str(artifact)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, verb: str, *arguments: Any, kill_at: int = 0) -> tuple[int | None, int]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        told = [{"path": str(argument)} if isinstance(argument, Path) else argument for argument in arguments]
        self.process.stdin.write(json.dumps([verb, told, kill_at]) + "\n")
        self.process.stdin.flush()
        signal, count = json.loads(self.process.stdout.readline())
        return signal, count


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Three artifacts of `tiny`, and one of `other`."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    paths = [tmp_path / f"{seed}.onnx" for seed in range(3)]
    for seed, path in enumerate(paths):
        write_tiny_artifact(path, seed=seed)
    write_tiny_artifact(tmp_path / "other.onnx", name="other")
    return paths


@pytest.fixture
def helper(files: list[Path]) -> Iterator[Helper]:
    helper = Helper(files[0])
    yield helper
    helper.process.communicate()


def tree(root: Path) -> dict[str, str]:
    """{relative path: hash} of everything but the lock and the model `other`; hidden files and empty folders count."""
    found = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if name != ".lookalike.lock" and not name.startswith("other"):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
    return found


def served(root: Path) -> list[str]:
    """Digests that a server would serve now, each verified."""
    if not root.is_dir() or "tiny" not in open_repository(root).names():
        return []
    model = open_repository(root).model("tiny")
    assert model.served
    for version in model.manifests:
        verify_content(model.artifact(version))
    return [model.manifests[version].digest for version in model.served]


@pytest.mark.parametrize(
    ("case", "verb", "arguments"),
    [
        ("new", "publish", ["2.onnx"]),
        ("two versions", "publish", ["2.onnx"]),
        ("rolled back", "publish", ["2.onnx"]),
        ("rolled back", "publish", ["1.onnx"]),
        ("two versions", "rollback", ["tiny", 1]),
        ("rolled back", "remove", ["tiny", 2]),
        ("two versions", "remove", ["tiny"]),
    ],
)
def test_kill_before_any_write(
    files: list[Path], tmp_path: Path, helper: Helper, case: str, verb: str, arguments: list[Any]
) -> None:
    """What a server sees is the old or the new state at once, the whole tree is one of them after the next command."""
    template, root = tmp_path / "template", tmp_path / "place" / "repository"
    publish(tmp_path / "other.onnx", template)
    if case != "new":
        for file in files[:2]:
            publish(file, template)
    if case == "rolled back":
        rollback(template, "tiny", 1)

    def fresh() -> None:
        shutil.rmtree(root.parent, ignore_errors=True)
        shutil.copytree(template, root)

    arguments = [tmp_path / arguments[0], root] if verb == "publish" else [root, *arguments]
    fresh()
    old = tree(root), served(root)
    signal, num_writes = helper.run(verb, *arguments)
    new = tree(root), served(root)
    assert signal is None
    assert old != new
    assert num_writes >= 5
    seen = set()
    moments = range(1, num_writes + 1)
    for moment in random.Random(0).sample(moments, min(50, num_writes)):
        fresh()
        assert helper.run(verb, *arguments, kill_at=moment) == (9, "")
        assert served(root) in (old[1], new[1]), moment
        rollback(root, "other", 1)  # the next command, about another model
        now = tree(root)
        assert now in (old[0], new[0]), moment
        seen.add(now == new[0])
        assert find_problems(root) == []
        assert {path.name for path in root.parent.iterdir()} == {"repository"}, "no staging folder is left"
    assert seen == {True, False}, "some kills came before the change, some after"


def test_kill_of_an_extraction(files: list[Path], tmp_path: Path, helper: Helper) -> None:
    """The old file or the new one; what is left beside it goes with the next extraction."""
    publish(files[0], tmp_path / "models")
    target = tmp_path / "place" / "out.onnx"
    target.parent.mkdir()
    for old in (None, files[1].read_bytes()):
        target.unlink(missing_ok=True)
        signal, num_writes = helper.run("extract", tmp_path / "models", "tiny", target)
        assert (signal, target.read_bytes()) == (None, files[0].read_bytes())
        assert num_writes >= 5
        for moment in range(1, num_writes + 1):
            target.unlink(missing_ok=True)
            if old is not None:
                target.write_bytes(old)
            assert helper.run("extract", tmp_path / "models", "tiny", target, kill_at=moment)[0] == 9
            got = target.read_bytes() if target.exists() else None
            assert got in (old, files[0].read_bytes()), moment
            extract(tmp_path / "models", "tiny", target)
            assert read_manifest(target).digest == read_manifest(files[0]).digest
            assert [path.name for path in target.parent.iterdir()] == ["out.onnx"], moment
