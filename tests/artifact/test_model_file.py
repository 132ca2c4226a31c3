"""The one file: its manifest proves itself, and no changed or missing byte goes unnoticed."""

import json
import random
from pathlib import Path

import numpy as np
import onnx
import pytest

from artifact.errors import ArtifactError
from artifact.model.file import MANIFEST_KEY, append_manifest, read_manifest, verify_content
from artifact.model.golden import golden_images, make_golden, read_golden
from artifact.model.manifest import Manifest, canonical_json, digest_of, parse_manifest
from serving.check import check_artifact
from tests.shared.tiny_artifact import write_tiny_artifact


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    write_tiny_artifact(tmp_path / "tiny.onnx")
    return tmp_path / "tiny.onnx"


def test_any_onnx_reader_sees_the_manifest_as_the_last_entry(artifact: Path) -> None:
    """onnx itself reads the file and finds the manifest in metadata_props; the rest hashes to its content hash."""
    import hashlib

    model = onnx.load(artifact)
    assert [entry.key for entry in model.metadata_props] == [MANIFEST_KEY]
    text = model.metadata_props[0].value
    manifest = read_manifest(artifact)
    assert json.loads(text)["digest"] == manifest.digest
    assert (
        manifest.digest
        == hashlib.sha256(
            canonical_json({key: value for key, value in json.loads(text).items() if key != "digest"})
        ).hexdigest()
    )
    del model.metadata_props[:]
    assert model.SerializeToString(deterministic=True) == artifact.read_bytes()[: manifest.content.size]
    assert hashlib.sha256(artifact.read_bytes()[: manifest.content.size]).hexdigest() == manifest.content.sha256


def test_description_reads_no_weights(artifact: Path) -> None:
    """With the graph's bytes replaced by zeros of the same length the description is the same: it was skipped."""
    whole = read_manifest(artifact)
    data = bytearray(artifact.read_bytes())
    graph = onnx.load(artifact).graph.SerializeToString()
    start = bytes(data).index(graph)
    data[start : start + len(graph)] = bytes(len(graph))
    artifact.write_bytes(data)
    assert read_manifest(artifact) == whole
    with pytest.raises(ArtifactError, match="content does not match its hash"):
        verify_content(artifact)


def test_any_flipped_byte_is_caught(artifact: Path) -> None:
    """500 single flips over the whole file, manifest included: check refuses each."""
    data = artifact.read_bytes()
    draw = random.Random(0)
    for _ in range(500):
        place, bit = draw.randrange(len(data)), 1 << draw.randrange(8)
        artifact.write_bytes(data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])
        with pytest.raises(ArtifactError):
            verify_content(artifact)


def test_any_truncation_is_caught(artifact: Path) -> None:
    """100 cuts, and the empty file: each is refused by the description already."""
    data = artifact.read_bytes()
    draw = random.Random(1)
    for length in [0, len(data) // 2, len(data) - 1, *(draw.randrange(len(data)) for _ in range(100))]:
        artifact.write_bytes(data[:length])
        with pytest.raises(ArtifactError):
            read_manifest(artifact)


def test_half_an_artifact_says_that_it_is_cut_off(artifact: Path) -> None:
    """The message gives both sizes and the way to mend it."""
    data = artifact.read_bytes()
    artifact.write_bytes(data[: len(data) // 2])
    with pytest.raises(ArtifactError) as caught:
        check_artifact(artifact)
    assert str(caught.value).startswith("file is cut off: expected at least ")
    assert f"got {len(data) // 2} ({artifact}); export or copy it again" in str(caught.value)


def test_foreign_files_are_named_as_such(tmp_path: Path, artifact: Path) -> None:
    """A plain ONNX file, a text file and a missing one each have a message of their own."""
    plain = onnx.load(artifact)
    del plain.metadata_props[:]
    (tmp_path / "plain.onnx").write_bytes(plain.SerializeToString())
    (tmp_path / "text.onnx").write_text("hello, this is not a model at all")
    for name, message in (
        ("plain.onnx", "not an artifact: no lookalike.manifest at its end"),
        ("text.onnx", "not an ONNX file, or cut off|file is cut off"),
        ("missing.onnx", "no such artifact file"),
    ):
        with pytest.raises(ArtifactError, match=message):
            read_manifest(tmp_path / name)


def test_wrong_golden_vectors_fail_the_check_only(tmp_path: Path, artifact: Path) -> None:
    """A file whose hashes are right but whose vectors are not what its manifest promises is refused by check."""
    manifest = read_manifest(artifact)
    images, vectors = read_golden(manifest.golden, manifest.embedding_dim)
    lying = manifest.model_copy(update={"golden": make_golden(images, vectors + np.float32(0.1))})
    append_manifest(tmp_path / "lying.onnx", artifact.read_bytes()[: manifest.content.size], lying)
    verify_content(tmp_path / "lying.onnx")
    with pytest.raises(ArtifactError, match="golden images do not give their golden vectors"):
        check_artifact(tmp_path / "lying.onnx")


@pytest.mark.parametrize("kind", ["siamese", "triplet", "quartet"])
@pytest.mark.parametrize("mode", ["branch", "full"])
def test_check_runs_the_golden_images(tmp_path: Path, kind: str, mode: str) -> None:
    """Golden images give their vectors, and in full mode the distances of every pair, on this machine."""
    write_tiny_artifact(tmp_path / "a.onnx", kind=kind, mode=mode)
    result = check_artifact(tmp_path / "a.onnx")
    assert result.num_golden == len(golden_images())
    assert result.golden_max_abs < 1e-5


def test_signature_of_another_graph_is_refused(tmp_path: Path) -> None:
    """A full graph under a branch manifest does not load."""
    write_tiny_artifact(tmp_path / "full.onnx", mode="full")
    branch = write_tiny_artifact(tmp_path / "branch.onnx", mode="branch")
    full = read_manifest(tmp_path / "full.onnx")
    graph = (tmp_path / "full.onnx").read_bytes()[: full.content.size]
    append_manifest(tmp_path / "mixed.onnx", graph, branch.model_copy(update={"content": full.content}))
    with pytest.raises(ArtifactError, match="does not have the signature of its manifest"):
        check_artifact(tmp_path / "mixed.onnx")


def test_fields_of_the_future_are_kept_and_hashed(artifact: Path, tmp_path: Path) -> None:
    """An unknown field survives reading and writing and counts in the digest; a newer format is refused by name."""
    manifest = read_manifest(artifact)
    future = Manifest.model_validate(manifest.model_dump(mode="json") | {"colour_space": "P3"})
    model = artifact.read_bytes()[: manifest.content.size]
    written = append_manifest(tmp_path / "future.onnx", model, future)
    read = read_manifest(tmp_path / "future.onnx")
    assert read.model_extra == {"colour_space": "P3"}
    assert read.digest == written.digest != manifest.digest
    fields = manifest.model_dump(mode="json") | {"format_version": 99}
    with pytest.raises(ArtifactError, match="format version 99 is newer than 1"):
        parse_manifest(canonical_json(fields | {"digest": digest_of(fields)}), where="x")


def test_same_content_same_bytes(tmp_path: Path) -> None:
    """Two files of one content are equal byte for byte."""
    for name in ("a", "b"):
        write_tiny_artifact(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
