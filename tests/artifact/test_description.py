"""The description reads a few kilobytes, however large the model; every file of format version 1 stays readable."""

import shutil
from pathlib import Path

import pytest

from artifact.errors import ArtifactError
from artifact.model.description import describe
from artifact.model.file import manifest_entry, read_manifest, verify_content
from artifact.model.golden import golden_images, read_golden
from artifact.model.manifest import Manifest, canonical_json, digest_of, parse_manifest
from artifact.model.parts import Content, Golden
from serving.check import check_artifact
from tests.shared.places import DATA, ROOT
from tests.shared.tiny_artifact import write_tiny_artifact

FORMAT_1 = DATA / "format_1.onnx"
FORMAT_1_DIGEST = "07b739dc9fb52399ac5c38e3a3bc31270525231b4e7f8bc1aea930a526de3284"
COUNTERS = Path("/proc/self/io")


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def bytes_read() -> int:
    """Bytes that this process has read by system calls so far."""
    return int(COUNTERS.read_text().split("rchar: ")[1].split()[0])


def write_large(path: Path, graph_bytes: int) -> None:
    """A ModelProto whose graph is a hole of that many bytes, and its manifest: laid out as a real file of that size."""
    manifest = write_tiny_artifact(path)
    head = b"\x08\x0a" + b"\x3a" + varint(graph_bytes)  # ir_version 10, graph
    tail = b"\x42\x04\x0a\x00\x10\x14"  # opset_import
    size = len(head) + graph_bytes + len(tail)
    with path.open("wb") as file:
        file.write(head)
        file.seek(graph_bytes, 1)
        file.write(tail)
        file.write(
            manifest_entry(manifest.model_copy(update={"content": Content(sha256="0" * 64, size=size)}).sealed())
        )


def test_description_of_two_gigabytes_reads_kilobytes(tmp_path: Path) -> None:
    """Counted by the kernel: the description of a 2 GB file reads its ends only, a page or two and the manifest."""
    if not COUNTERS.is_file():
        pytest.skip("this system does not count what a process reads")
    path = tmp_path / "large.onnx"
    write_large(path, 2_000_000_000)
    assert path.stat().st_size > 2_000_000_000
    describe(path)  # imports what it needs
    before = bytes_read()
    described = describe(path)
    spent = bytes_read() - before
    assert described["name"] == "tiny"
    assert described["content"]["size"] > 2_000_000_000
    assert spent < 100_000


def test_file_of_format_1_stays_readable(tmp_path: Path) -> None:
    """Written once by the first version of this format: described, verified and its golden vectors given, for ever."""
    manifest = read_manifest(FORMAT_1)
    assert (manifest.format_version, manifest.digest) == (1, FORMAT_1_DIGEST)
    result = check_artifact(FORMAT_1)
    assert result.num_golden == 4
    assert manifest.golden is not None
    images, vectors = read_golden(manifest.golden, manifest.embedding_dim)
    assert images == golden_images()
    assert abs(vectors).max() > 0.1
    shutil.copy(FORMAT_1, tmp_path / "copy.onnx")
    assert verify_content(tmp_path / "copy.onnx").to_bytes() in FORMAT_1.read_bytes()


def test_optional_fields_may_be_absent() -> None:
    """What an older writer did not know of takes its default, and the digest is that of the bytes as they stand."""
    fields = read_manifest(FORMAT_1).model_dump(mode="json")
    for optional in ("golden", "loss", "quantization"):
        fields.pop(optional, None)
    fields["digest"] = digest_of(fields)
    manifest = parse_manifest(canonical_json(fields), where="x")
    assert (manifest.golden, manifest.loss, manifest.digest) == (None, None, fields["digest"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "pair"}, "unknown word 'pair', expected one of siamese, triplet, quartet"),
        ({"streams": ["a", "b", "c"]}, "streams of a triplet: expected anchor, positive, negative"),
        ({"preprocessing": {"height": 8}}, "preprocessing: expected height and width in pixels"),
        ({"embedding_dim": 0}, "manifest field 'embedding_dim'"),
        ({"format_version": 0}, "format version 0: expected at least 1"),
        ({"content": {"sha256": "0"}}, "manifest field 'content.size'"),
    ],
)
def test_senseless_fields_are_named(change: dict, message: str) -> None:
    """Sealed by its digest, but not a manifest."""
    fields = read_manifest(FORMAT_1).model_dump(mode="json") | change
    fields["digest"] = digest_of(fields)
    with pytest.raises(ArtifactError, match=message):
        parse_manifest(canonical_json(fields), where="x")


@pytest.mark.parametrize("data", [b'{"a":NaN}', b'{"a":"\\ud800"}', b"[" * 100_000, b"[]", b"{}", b'{"a": 1}', b"\xff"])
def test_hostile_json_is_one_line(data: bytes) -> None:
    """What parses and cannot be written again, what is nested too deep, what is no object."""
    with pytest.raises(ArtifactError, match=r"^manifest "):
        parse_manifest(data, where="x")


def test_unknown_preprocessing_is_described_but_not_run(tmp_path: Path) -> None:
    """A resize method of the future: the manifest can be read, the pixels cannot be made."""
    manifest = read_manifest(FORMAT_1)
    future = manifest.model_copy(update={"preprocessing": manifest.preprocessing | {"resize": "lanczos/9"}})
    path = tmp_path / "future.onnx"
    path.write_bytes(FORMAT_1.read_bytes()[: manifest.content.size] + manifest_entry(future.sealed()))
    assert describe(path)["preprocessing"]["resize"] == "lanczos/9"
    with pytest.raises(ArtifactError, match=r"preprocessing: got resize: expected .*'lanczos/9'.*; upgrade lookalike"):
        check_artifact(path)


def test_reader_of_the_format_page_reads_every_artifact(tmp_path: Path) -> None:
    """The few lines of plain Python in docs/artifact-format.md give the manifest of any artifact."""
    page = (ROOT / "docs" / "artifact-format.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    names: dict = {}
    exec(code, names)
    write_tiny_artifact(tmp_path / "full.onnx", mode="full", kind="quartet")
    for path in (FORMAT_1, tmp_path / "full.onnx"):
        fields = names["read_manifest"](path)
        assert Manifest.model_validate(fields) == read_manifest(path)
        assert fields["digest"] == read_manifest(path).digest


def test_format_page_names_every_field() -> None:
    """A field that is added to the manifest is added to the page."""
    page = (ROOT / "docs" / "artifact-format.md").read_text()
    table = page.split("| field |")[1].split("A null and an absent")[0]
    for model, text in ((Manifest, table), (Content, table + page.split("### External")[1]), (Golden, page)):
        for field in model.model_fields:
            assert f"`{field}`" in text, field
