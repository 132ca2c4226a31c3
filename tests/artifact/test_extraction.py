"""Extract and diff: a version back to a file, and what changed between two artifacts."""

import json
import multiprocessing
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from artifact.errors import ArtifactError, ModelNotFoundError, OutputError
from artifact.images.preprocessing import load_pixels
from artifact.model.file import append_manifest, read_manifest
from artifact.model.golden import golden_images
from artifact.repository.extraction import extract
from artifact.repository.publishing import publish, rollback
from serving.difference import ABSENT, compare_artifacts
from tests.shared.command_line import Cli
from tests.shared.tiny_artifact import linear_vectors, write_tiny_artifact


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with two versions of `tiny`, 1.onnx and 2.onnx beside it."""
    for version in (1, 2):
        write_tiny_artifact(tmp_path / f"{version}.onnx", seed=version)
        publish(tmp_path / f"{version}.onnx", tmp_path / "models")
    return tmp_path / "models"


def test_extract_gives_the_file_back(root: Path, tmp_path: Path) -> None:
    """The version served, or the one asked for, byte for byte, nothing else beside it; the repository is only read."""
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    extract(root, "tiny", tmp_path / "out" / "served.onnx")
    extract(root, "tiny", tmp_path / "out" / "first.onnx", version=1)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert (tmp_path / "out" / "served.onnx").read_bytes() == (tmp_path / "2.onnx").read_bytes()
    assert (tmp_path / "out" / "first.onnx").read_bytes() == (tmp_path / "1.onnx").read_bytes()
    rollback(root, "tiny")
    extract(root, "tiny", tmp_path / "out" / "served.onnx")
    assert (tmp_path / "out" / "served.onnx").read_bytes() == (tmp_path / "1.onnx").read_bytes()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"served.onnx", "first.onnx"}


def test_extract_of_a_damaged_or_swapped_version_writes_nothing(root: Path, tmp_path: Path) -> None:
    """A flipped byte, another artifact under the version, a version that is not there, a target that is a folder."""
    file, target = root / "tiny" / "2" / "model.onnx", tmp_path / "out.onnx"
    sound = file.read_bytes()
    file.write_bytes(sound[:100] + bytes([sound[100] ^ 1]) + sound[101:])
    with pytest.raises(ArtifactError):
        extract(root, "tiny", target)
    file.write_bytes((tmp_path / "1.onnx").read_bytes())
    with pytest.raises(ArtifactError, match="the file is not the artifact of its config: expected digest"):
        extract(root, "tiny", target)
    with pytest.raises(ModelNotFoundError, match="has no version 9"):
        extract(root, "tiny", target, version=9)
    file.write_bytes(sound)
    assert not list(tmp_path.glob("*out*"))
    target.mkdir()
    with pytest.raises(OutputError, match=r"cannot write the file: got .*directory"):
        extract(root, "tiny", target)
    assert not list(tmp_path.glob(".out*"))


def _extract(root: Path, file: Path, version: int, times: int) -> None:
    for _ in range(times):
        extract(root, "tiny", file, version=version)


def test_two_extractions_to_one_file_leave_one_of_them_whole(root: Path, tmp_path: Path) -> None:
    """Neither takes the other's staging folder for that of a killed one."""
    context, target = multiprocessing.get_context("spawn"), tmp_path / "out.onnx"
    workers = [context.Process(target=_extract, args=(root, target, version, 30)) for version in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert target.read_bytes() in [(tmp_path / f"{version}.onnx").read_bytes() for version in (1, 2)]
    assert not list(tmp_path.glob(".out*"))


def test_staging_folder_removed_before_its_lock_is_made_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another extraction may take the new folder for a killed one's in the moment before it is locked."""
    make, made = tempfile.mkdtemp, []

    def removed_at_once(**where: Any) -> str:
        made.append(make(**where))
        if len(made) == 1:
            os.rmdir(made[0])
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", removed_at_once)
    extract(root, "tiny", tmp_path / "out.onnx", version=1)
    assert (tmp_path / "out.onnx").read_bytes() == (tmp_path / "1.onnx").read_bytes()
    assert len(made) == 2
    assert not list(tmp_path.glob(".out*"))


def test_difference_names_every_changed_field(tmp_path: Path) -> None:
    """Nested fields by their dotted names, absent ones as such; equal ones are not named."""
    a = write_tiny_artifact(tmp_path / "a.onnx")
    changed = a.model_copy(
        update={
            "margin": 0.7,
            "threshold": {**(a.threshold or {}), "value": 2.0},
            "training": {**a.training, "metrics": {"recall@1": 0.5}},
        }
    )
    append_manifest(tmp_path / "b.onnx", (tmp_path / "a.onnx").read_bytes()[: a.content.size], changed)
    difference = compare_artifacts(tmp_path / "a.onnx", tmp_path / "b.onnx")
    assert difference.fields == [
        ("digest", a.digest, difference.b.digest),
        ("margin", 0.2, 0.7),
        ("threshold.value", 1.0, 2.0),
        ("training.metrics", ABSENT, {"recall@1": 0.5}),
    ]
    assert difference.same_space
    assert difference.movement is not None
    assert difference.movement.within_tolerance
    assert difference.movement.max_distance < 1e-5


@pytest.mark.parametrize("mode", ["branch", "full"])
def test_movement_is_that_of_the_golden_vectors(tmp_path: Path, mode: str) -> None:
    """Distances and cosines by hand: A's images through B's weights, whichever of B's outputs gives vectors."""
    a = write_tiny_artifact(tmp_path / "a.onnx", seed=1)
    write_tiny_artifact(tmp_path / "b.onnx", seed=2, mode=mode)
    difference = compare_artifacts(tmp_path / "a.onnx", tmp_path / "b.onnx")
    pixels = np.stack([load_pixels(image, a.pixels) for image in golden_images()])
    old, new = (linear_vectors(pixels, seed=seed).astype(np.float64) for seed in (1, 2))
    distances = [
        np.sqrt(sum((p - q) ** 2 for p, q in zip(one, two, strict=True))) for one, two in zip(old, new, strict=True)
    ]
    cosines = [one @ two / np.sqrt((one @ one) * (two @ two)) for one, two in zip(old, new, strict=True)]
    movement = difference.movement
    assert movement is not None
    assert (movement.num_images, movement.distance) == (4, "euclidean")
    assert movement.max_distance == pytest.approx(max(distances), rel=1e-5)
    assert movement.mean_distance == pytest.approx(sum(distances) / 4, rel=1e-5)
    assert movement.min_cosine == pytest.approx(min(cosines), abs=1e-5)
    assert movement.mean_cosine == pytest.approx(sum(cosines) / 4, abs=1e-5)
    assert not movement.within_tolerance
    assert not difference.same_space


def test_vectors_of_other_width_are_not_compared(tmp_path: Path) -> None:
    """The fields are, and the reason is given; a branch and a full artifact of one space are compared."""
    write_tiny_artifact(tmp_path / "a.onnx")
    write_tiny_artifact(tmp_path / "wide.onnx", dim=5)
    difference = compare_artifacts(tmp_path / "a.onnx", tmp_path / "wide.onnx")
    assert difference.movement is None
    assert difference.reason == "vectors of 4 and of 5 numbers cannot be compared"
    assert ("embedding_dim", 4, 5) in difference.fields
    write_tiny_artifact(tmp_path / "full.onnx", mode="full")
    assert compare_artifacts(tmp_path / "full.onnx", tmp_path / "a.onnx").same_space


def test_extract_and_diff_on_the_command_line(cli: Cli, root: Path, tmp_path: Path) -> None:
    """NAME@VERSION and FILE may be mixed; each mistake is one line."""
    code, out, _ = cli("extract", "tiny", "--repository", "models", "--file", "one.onnx", "--version", 1, "--json")
    assert code == 0
    assert json.loads(out)["digest"] == read_manifest(tmp_path / "1.onnx").digest
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "1.onnx").read_bytes()
    code, out, _ = cli("diff", "tiny@1", "tiny", "--repository", "models", "--json")
    told = json.loads(out)
    assert (code, told["a"]["version"], told["b"]["version"], told["same_space"]) == (0, 1, 2, False)
    assert told["fields"]["training.seed"] == [1, 2]
    assert told["vectors"]["max_distance"] > told["vectors"]["mean_distance"] > 0
    code, out, _ = cli("diff", "one.onnx", "tiny@1", "--repository", "models")
    assert code == 0
    assert "no difference" in out
    code, out, _ = cli("diff", "one.onnx", "2.onnx")
    assert code == 0
    assert "training.seed" in out
    for arguments, words in (
        (["diff", "tiny@9", "tiny", "--repository", "models"], ["no version 9", "1, 2"]),
        (["diff", "tiny@x", "tiny", "--repository", "models"], ["tiny@x", "NAME@VERSION"]),
        (["diff", "nothing.onnx", "one.onnx"], ["nothing.onnx"]),
        (["extract", "tinny", "--repository", "models", "--file", "x.onnx"], ["no model 'tinny'", "tiny"]),
        (["extract", "tiny", "--repository", "none", "--file", "x.onnx"], ["no model repository", "none"]),
    ):
        code, _, err = cli(*arguments)
        assert code in (1, 2), arguments
        for word in words:
            assert word in err, arguments
        assert err.count("\n") == 1
    assert not (tmp_path / "x.onnx").exists()


def test_describe_is_the_view_of_an_artifact_that_its_users_know(cli: Cli, root: Path, tmp_path: Path) -> None:
    """Key, engine, time, and every variable as onnxruntime itself sees it, with name, shape, type and label."""
    write_tiny_artifact(tmp_path / "full.onnx", mode="full", kind="siamese")
    told = json.loads(cli("describe", "full.onnx", "--json")[1])
    assert told["digest"] == read_manifest(tmp_path / "full.onnx").digest
    assert (told["engine"], told["created"]) == ("onnx", "2026-01-01T00:00:00Z")
    session = onnxruntime.InferenceSession(str(tmp_path / "full.onnx"), providers=["CPUExecutionProvider"])
    types = {"tensor(uint8)": "UINT8", "tensor(float)": "FP32"}
    for told_nodes, nodes in ((told["inputs"], session.get_inputs()), (told["outputs"], session.get_outputs())):
        assert [(node["name"], node["shape"], node["type"]) for node in told_nodes] == [
            (node.name, f"[{', '.join(map(str, node.shape))}]", types[node.type]) for node in nodes
        ]
        assert all(node["label"] for node in told_nodes)
    text = cli("describe", "full.onnx")[1]
    for word in (
        told["digest"],
        "onnx, opset 20, fp32",
        "2026-01-01T00:00:00Z",
        "distance_left_right",
        "euclidean distance",
    ):
        assert word in text
