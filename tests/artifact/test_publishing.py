"""Publishing: versions, signatures, rollback, removal; a kill at any moment leaves the old or the new state."""

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from artifact.errors import ArtifactError, ModelNotFoundError, RepositoryError, UsageError
from artifact.model.file import append_manifest, read_manifest, verify_content
from artifact.repository.layout import find_problems
from artifact.repository.publishing import publish, remove, rollback
from artifact.repository.reading import open_repository
from artifact.repository.triton_config import read_config
from serving.check import check_artifact
from tests.shared.tiny_artifact import write_tiny_artifact


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three artifacts of one signature and different weights."""
    paths = [tmp_path / f"{seed}.onnx" for seed in range(3)]
    for seed, path in enumerate(paths):
        write_tiny_artifact(path, seed=seed)
    return paths


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "repository"


def folders(root: Path) -> set[str]:
    return {path.name for path in root.iterdir() if path.is_dir()}


def test_publish_makes_the_three_models(files: list[Path], root: Path) -> None:
    """NAME, NAME_decode and NAME_encoded stand there, nothing else that Triton would take for a model."""
    model = publish(files[0], root)
    assert folders(root) == {"tiny", "tiny_decode", "tiny_encoded"}
    assert {path.name for path in root.parent.iterdir()} == {"repository", "0.onnx", "1.onnx", "2.onnx"}
    assert (model.served, list(model.manifests)) == ([1], [1])
    assert model.artifact(1).read_bytes() == files[0].read_bytes()
    config = read_config(root / "tiny" / "config.pbtxt")
    assert config.parameters["lookalike.digest.1"].string_value == verify_content(files[0]).digest
    assert "golden" not in config.parameters["lookalike.manifest.1"].string_value
    assert [
        step.model_name for step in read_config(root / "tiny_encoded" / "config.pbtxt").ensemble_scheduling.step
    ] == [
        "tiny_decode",
        "tiny",
    ]


def test_versions_grow_and_roll_back(files: list[Path], root: Path) -> None:
    """Each new artifact is the next version and served; rollback serves an earlier one, publishing the newest."""
    for number, file in enumerate(files[:2], start=1):
        assert publish(file, root).served == [number]
    assert publish(files[1], root).manifests.keys() == {1, 2}, "the newest artifact again changes nothing"
    assert rollback(root, "tiny").served == [1]
    with pytest.raises(RepositoryError, match="has no version before 1"):
        rollback(root, "tiny")
    assert publish(files[1], root).served == [2], "publishing what is there already serves it again"
    assert rollback(root, "tiny", 1).served == [1]
    assert publish(files[2], root).served == [3]
    assert rollback(root, "tiny", 3).served == [3]
    with pytest.raises(ModelNotFoundError, match="has no version 9: expected one of 1, 2, 3"):
        rollback(root, "tiny", 9)


def test_remove_takes_what_is_not_served(files: list[Path], root: Path) -> None:
    """A served version stays; others go; a model goes with its companions; version numbers are not used again."""
    for file in files[:2]:
        publish(file, root)
    with pytest.raises(RepositoryError, match="version 2 of 'tiny' is served"):
        remove(root, "tiny", 2)
    remove(root, "tiny", 1)
    assert publish(files[2], root).manifests.keys() == {2, 3}
    remove(root, "tiny")
    assert folders(root) == set()
    with pytest.raises(ModelNotFoundError, match="no model 'tiny'"):
        remove(root, "tiny")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "siamese"}, "expected kind=triplet as in version 1, got kind=siamese"),
        ({"mode": "full"}, "expected mode=branch as in version 1, got mode=full"),
        ({"dim": 5}, "expected embedding_dim=4 as in version 1, got embedding_dim=5"),
        ({"size": 9}, "expected height=8 as in version 1, width=8 as in version 1, got height=9, width=9"),
        ({"fit": "pad"}, "expected fit=stretch as in version 1, got fit=pad"),
    ],
)
def test_another_signature_needs_another_name(
    files: list[Path], root: Path, tmp_path: Path, change: dict, message: str
) -> None:
    """One config serves all versions, so they must agree in everything it says."""
    publish(files[0], root)
    write_tiny_artifact(tmp_path / "other.onnx", **change)
    with pytest.raises(RepositoryError) as caught:
        publish(tmp_path / "other.onnx", root)
    assert message in str(caught.value)
    assert "publish it under another name" in str(caught.value)
    assert open_repository(root).model("tiny").manifests.keys() == {1}


@pytest.mark.parametrize(
    "name", ["../up", "a/b", ".hidden", "x_decode", "x_encoded", "stats", "white space", "ä", "a" * 101]
)
def test_names_that_triton_would_not_take(files: list[Path], root: Path, name: str) -> None:
    """Refused before anything is written, path traversal included."""
    with pytest.raises(UsageError, match="choose another with --name"):
        publish(files[0], root, name=name)
    assert not root.exists()


def test_foreign_folders_are_left_alone(files: list[Path], root: Path) -> None:
    """A model of the same name that is not ours stops publishing; others are listed with a reason."""
    (root / "tiny").mkdir(parents=True)
    (root / "tiny" / "config.pbtxt").write_text('name: "tiny" backend: "python"')
    (root / "broken").mkdir()
    (root / "broken" / "config.pbtxt").write_text("this is not a config {")
    with pytest.raises(RepositoryError, match="a folder 'tiny' is already there and is not Lookalike's"):
        publish(files[0], root)
    publish(files[0], root, name="mine")
    (root / "stray").mkdir()
    foreign = open_repository(root).foreign()
    assert set(foreign) == {"tiny", "stray", "broken"}
    assert foreign["stray"] == "no config.pbtxt"
    assert "does not parse" in foreign["broken"]
    assert open_repository(root).names() == ["mine"]


def test_damaged_artifact_is_not_published(files: list[Path], root: Path) -> None:
    """Publishing verifies every byte first."""
    data = bytearray(files[0].read_bytes())
    data[len(data) // 2] ^= 1
    files[0].write_bytes(data)
    with pytest.raises(ArtifactError):
        publish(files[0], root)
    assert not root.exists()


def test_missing_repository_and_model_have_their_message(files: list[Path], root: Path) -> None:
    """A repository that is not there, and a name that is nearly right."""
    with pytest.raises(RepositoryError, match="no model repository: expected a folder, got nothing there"):
        open_repository(root)
    publish(files[0], root)
    with pytest.raises(ModelNotFoundError, match="no model 'tinny': expected one of tiny"):
        open_repository(root).model("tinny")
    with pytest.raises(ModelNotFoundError):
        open_repository(root).model("../repository/tiny")


def _publish_many(file: Path, root: Path, times: int) -> None:
    for seed in range(times):
        own = file.with_name(f"{os.getpid()}-{seed}.onnx")
        write_tiny_artifact(own, seed=os.getpid() * 100 + seed)
        publish(own, root)


def test_two_publishers_at_once_both_publish(files: list[Path], root: Path) -> None:
    """The lock makes one wait for the other: every artifact becomes a version, each whole."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_publish_many, args=(files[0], root, 4)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    model = open_repository(root).model("tiny")
    assert list(model.manifests) == list(range(1, 9))
    for version, manifest in model.manifests.items():
        assert verify_content(model.artifact(version)).digest == manifest.digest


KILLED = """
import sys
from pathlib import Path
from artifact.repository.publishing import publish
print("ready", flush=True)
sys.stdin.read(1)
publish(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("new_model", [True, False])
def test_kill_at_any_moment_leaves_the_old_or_the_new_state(files: list[Path], root: Path, new_model: bool) -> None:
    """Publishers killed at random moments: what is there is whole, and the next publisher finishes and cleans up."""
    draw = random.Random(int(new_model))
    for attempt in range(10):
        if new_model:
            shutil.rmtree(root, ignore_errors=True)
        else:
            publish(files[attempt % 2], root)
        before = list(open_repository(root).model("tiny").manifests) if not new_model else []
        command = [sys.executable, "-c", KILLED, str(files[2]), str(root)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        process.stdin.write(b"x")
        process.stdin.flush()
        time.sleep(draw.uniform(0, 0.02))  # the moment is what is tested, nothing waits for it
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if root.is_dir() and "tiny" in open_repository(root).names():
            model = open_repository(root).model("tiny")
            assert list(model.manifests)[: len(before)] == before
            for version in model.manifests:
                verify_content(model.artifact(version))
            assert model.served
        published = publish(files[2], root)
        assert verify_content(published.artifact(published.newest_served())).digest == verify_content(files[2]).digest
        assert folders(root) == {"tiny", "tiny_decode", "tiny_encoded"}
        assert not list(root.parent.glob(".repository.staging-*"))


def write_padded(path: Path, mean: tuple[float, float, float], *, seed: int) -> None:
    """A tiny artifact of fit="pad" with another mean: another colour around every picture."""
    manifest = write_tiny_artifact(path, fit="pad", seed=seed)
    changed = manifest.model_copy(update={"preprocessing": manifest.preprocessing | {"mean": list(mean)}})
    append_manifest(path, path.read_bytes()[: manifest.content.size], changed)


def test_padding_colour_is_part_of_the_signature(root: Path, tmp_path: Path) -> None:
    """NAME_decode has one spec for all versions: one that pads with another is refused, the same level is not."""
    write_padded(tmp_path / "grey.onnx", (0.5, 0.5, 0.5), seed=0)
    write_padded(tmp_path / "same.onnx", (0.5004, 0.5, 0.5), seed=1)
    write_padded(tmp_path / "red.onnx", (0.6, 0.5, 0.5), seed=2)
    publish(tmp_path / "grey.onnx", root)
    with pytest.raises(RepositoryError) as caught:
        publish(tmp_path / "red.onnx", root)
    assert "expected padding=[128, 128, 128] as in version 1, got padding=[153, 128, 128]" in str(caught.value)
    assert publish(tmp_path / "same.onnx", root).served == [2]


def test_mean_of_another_fit_is_a_versions_own(files: list[Path], root: Path, tmp_path: Path) -> None:
    """Without padding the mean lives inside the graph, so versions may differ in it, and rolling back is sound."""
    manifest = publish(files[0], root).manifest(1)
    changed = read_manifest(files[1]).model_copy(
        update={"preprocessing": manifest.preprocessing | {"mean": [0.1, 0.2, 0.3]}}
    )
    size = read_manifest(files[1]).content.size
    append_manifest(tmp_path / "mean.onnx", files[1].read_bytes()[:size], changed)
    assert publish(tmp_path / "mean.onnx", root).served == [2]
    assert rollback(root, "tiny").served == [1]
    assert find_problems(root) == []


def test_number_of_a_removed_version_is_not_used_again(files: list[Path], root: Path) -> None:
    """Also if it was the highest: a client may still hold answers of it."""
    for file in files[:2]:
        publish(file, root)
    rollback(root, "tiny")
    remove(root, "tiny", 2)
    assert publish(files[2], root).served == [3]


def test_refused_rename_is_undone(files: list[Path], root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk refuses the last rename of a publication: the old state, byte for byte, and the reason in a line."""
    publish(files[0], root)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    rename, done = os.rename, []

    def refuse(source: Path, target: Path) -> None:
        if Path(target) == root.resolve() / "tiny" / "2" and not done:
            done.append(target)
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(RepositoryError, match=r"cannot change the repository: got .*No space left on device"):
        publish(files[1], root)
    assert done
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    assert publish(files[1], root).served == [2]


def test_paths_may_be_text(files: list[Path], tmp_path: Path) -> None:
    """The public functions take what `open` takes, as Scorer and Index do."""
    root = str(tmp_path / "repository")
    model = publish(str(files[0]), root, name="m")
    assert read_manifest(str(files[0])).digest == model.manifest(1).digest
    assert check_artifact(str(files[0])).manifest.digest == model.manifest(1).digest
    publish(str(files[1]), root, name="m")
    assert rollback(root, "m").newest_served() == 1
    remove(root, "m")
