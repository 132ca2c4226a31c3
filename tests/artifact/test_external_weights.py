"""Weights beside the model, and graphs that point elsewhere: read, hashed, copied, refused before onnxruntime looks."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from artifact.errors import ArtifactError, OutputError
from artifact.model.file import _entry, append_manifest, content_hash, read_manifest, verify_artifact, verify_content
from artifact.model.manifest import Manifest, canonical_json, digest_of
from artifact.model.parts import Content
from artifact.repository.extraction import extract
from artifact.repository.publishing import publish
from serving.check import check_artifact
from serving.client.scorer import Scorer
from serving.engine import Engine
from tests.shared.tiny_artifact import tiny_model, write_tiny_artifact

DATA = "weights.data"


def write_external(path: Path, *, seed: int = 0, change: Callable[[onnx.ModelProto], None] | None = None) -> Manifest:
    """A tiny artifact whose weights lie in `weights.data` beside it; `change` spoils the graph before it is sealed."""
    manifest = write_tiny_artifact(path, seed=seed)
    model = tiny_model(kind="triplet", mode="branch", size=8, dim=4, seed=seed)
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == "weights")
    data = b"\0" * 64 + weights.raw_data
    (path.parent / DATA).write_bytes(data)
    point_to(weights, DATA, offset=64, length=len(weights.raw_data))
    weights.ClearField("raw_data")
    if change:
        change(model)
    return seal(path, model, manifest, {DATA: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}})


def seal(path: Path, model: onnx.ModelProto, manifest: Manifest, external: dict[str, dict[str, object]]) -> Manifest:
    data = model.SerializeToString(deterministic=True)
    content = Content.model_validate({"sha256": content_hash(data), "size": len(data), "external": external})
    return append_manifest(path, data, manifest.model_copy(update={"content": content}))


def point_to(tensor: onnx.TensorProto, location: str, **places: int) -> None:
    tensor.data_location = TensorProto.EXTERNAL
    del tensor.external_data[:]
    for key, value in {"location": location, **places}.items():
        tensor.external_data.add(key=key, value=str(value))


def weights_of(model: onnx.ModelProto) -> onnx.TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name == "weights")


def test_external_weights_travel_with_the_artifact(tmp_path: Path) -> None:
    """Checked, published, scored, extracted: the golden vectors hold at every station, so the weights were found."""
    (tmp_path / "made").mkdir()
    manifest = write_external(tmp_path / "made" / "a.onnx")
    assert check_artifact(tmp_path / "made" / "a.onnx").num_golden == 4
    model = publish(tmp_path / "made" / "a.onnx", tmp_path / "models")
    assert (model.folder / "1" / DATA).read_bytes() == (tmp_path / "made" / DATA).read_bytes()
    with Scorer(model="tiny", repository=tmp_path / "models") as scorer:
        assert scorer.digest == manifest.digest
    extract(tmp_path / "models", "tiny", tmp_path / "out" / "b.onnx")
    assert check_artifact(tmp_path / "out" / "b.onnx").manifest.digest == manifest.digest


def test_external_weights_of_another_artifact_are_not_overwritten(tmp_path: Path) -> None:
    """The name of the file stands in the graph, so a second artifact with the same needs a folder of its own."""
    for seed in (1, 2):
        (tmp_path / str(seed)).mkdir()
        write_external(tmp_path / str(seed) / "a.onnx", seed=seed)
        publish(tmp_path / str(seed) / "a.onnx", tmp_path / "models")
    extract(tmp_path / "models", "tiny", tmp_path / "out" / "1.onnx", version=1)
    with pytest.raises(OutputError, match=r"other external data of this name lies there \(.*weights.data\)"):
        extract(tmp_path / "models", "tiny", tmp_path / "out" / "2.onnx", version=2)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"1.onnx", DATA}
    check_artifact(tmp_path / "out" / "1.onnx")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data.write_bytes(data.read_bytes()[:-1]), "size of external data: expected 3136 bytes, got 3135"),
        (lambda data: data.write_bytes(b"x" + data.read_bytes()[1:]), "content does not match its hash"),
        (lambda data: data.unlink(), "external data is missing: got No such file"),
        (lambda data: (data.rename(data.with_name("w")), data.symlink_to("w")), "external data is a symbolic link"),
        (lambda data: (data.unlink(), data.mkdir()), "external data is not a regular file"),
    ],
)
def test_spoiled_external_data_has_its_message(tmp_path: Path, spoil: Callable[[Path], object], message: str) -> None:
    """Cut off, changed, missing, a link, a folder."""
    write_external(tmp_path / "a.onnx")
    verify_content(tmp_path / "a.onnx")
    spoil(tmp_path / DATA)
    with pytest.raises(ArtifactError, match=message):
        verify_content(tmp_path / "a.onnx")


@pytest.mark.parametrize(
    "location",
    ["/etc/hostname", "../secret", "sub/../../secret", "./weights.data", "", ".", "..", "C:\\secret", "a\\b", "a\x00b"],
)
def test_locations_outside_the_folder_are_refused(tmp_path: Path, location: str) -> None:
    """CVE-2022-25882 and CVE-2024-27318: the manifest is right, the graph points elsewhere; refused before it loads."""
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_bytes(bytes(10_000))
    path = tmp_path / "in" / "a.onnx"
    write_external(path, change=lambda model: point_to(weights_of(model), location))
    verify_content(path)
    for refuse in (verify_artifact, Engine, check_artifact, lambda file: publish(file, tmp_path / "models")):
        with pytest.raises(ArtifactError, match="external data outside the artifact's folder"):
            refuse(path)
    assert not (tmp_path / "models").exists()


def hidden_in_attribute(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=tensor))


def hidden_in_subgraph(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    inner = helper.make_graph(
        [helper.make_node("Identity", ["hidden"], ["inner"])],
        "inner",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, [1])],
        [tensor],
    )
    condition = helper.make_node("Constant", [], ["yes"], value=helper.make_tensor("c", TensorProto.BOOL, [], [True]))
    model.graph.node.extend([condition, helper.make_node("If", ["yes"], ["u"], then_branch=inner, else_branch=inner)])


def hidden_in_function(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    node = helper.make_node("Constant", [], ["out"], value=tensor)
    model.functions.append(helper.make_function("own", "F", [], ["out"], [node], [helper.make_opsetid("", 20)]))


def hidden_in_sparse(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(tensor, indices, [1]))


@pytest.mark.parametrize("hide", [hidden_in_attribute, hidden_in_subgraph, hidden_in_function, hidden_in_sparse])
def test_hidden_tensors_are_looked_at_too(tmp_path: Path, hide: Callable[..., None]) -> None:
    """Initialisers are not the only tensors of a graph."""
    tensor = helper.make_tensor("hidden", TensorProto.FLOAT, [1], [0.0])
    point_to(tensor, "../secret")
    path = tmp_path / "a.onnx"
    write_external(path, change=lambda model: hide(model, tensor))
    with pytest.raises(ArtifactError, match=r"outside the artifact's folder: .* got '\.\./secret' .*'hidden'"):
        verify_artifact(path)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"location": "stranger.data"}, "external data 'stranger.data' is not in the manifest"),
        ({"location": DATA, "offset": 3000, "length": 3072}, "shorter than the tensor's place .* at least 6072 bytes"),
        ({"location": DATA, "offset": -1}, "offset of external data: expected a whole number, got '-1'"),
        ({"location": DATA, "length": "9" * 30}, "length of external data: expected a whole number"),
    ],
)
def test_places_that_the_manifest_does_not_vouch_for(tmp_path: Path, places: dict, message: str) -> None:
    """A file beside it that was never hashed, and places outside the one that was."""
    (tmp_path / "stranger.data").write_bytes(bytes(4000))
    path = tmp_path / "a.onnx"
    write_external(path, change=lambda model: point_to(weights_of(model), **places))
    with pytest.raises(ArtifactError, match=message):
        verify_artifact(path)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a/b", "model.onnx", "..", ""])
def test_manifests_that_name_files_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    """Publishing copies what a manifest names, so the name alone must be harmless: refused when read."""
    path = tmp_path / "a.onnx"
    manifest = write_tiny_artifact(path)
    fields = manifest.model_dump(mode="json")
    fields["content"]["external"] = {name: {"sha256": "0" * 64, "size": 1}}
    entry = _entry(canonical_json(fields | {"digest": digest_of(fields)}))
    data = path.read_bytes()[: manifest.content.size] + entry
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match=r"manifest field 'content(.external)?': got .*expected a plain file name"):
        read_manifest(path)


def test_an_artifact_is_not_its_own_external_data(tmp_path: Path) -> None:
    """Its own hash could not stand in it."""
    path = tmp_path / "a.onnx"
    manifest = write_tiny_artifact(path)
    size = path.stat().st_size
    data = path.read_bytes()[: manifest.content.size]
    content = {"sha256": content_hash(data), "size": len(data), "external": {"a.onnx": {"sha256": "0", "size": size}}}
    append_manifest(path, data, manifest.model_copy(update={"content": Content.model_validate(content)}))
    with pytest.raises(ArtifactError, match="names itself as its external data"):
        verify_content(path)


def test_structure_and_opset_have_their_messages(tmp_path: Path) -> None:
    """A sealed file that is no valid graph; another opset than the manifest says; one from the future."""
    path = tmp_path / "a.onnx"
    manifest = write_tiny_artifact(path)
    model = tiny_model(kind="triplet", mode="branch", size=8, dim=4, seed=0)
    broken = onnx.ModelProto()
    broken.CopyFrom(model)
    broken.graph.node[0].op_type = "Consort"
    seal(path, broken, manifest, {})
    with pytest.raises(ArtifactError, match=r"not a valid ONNX graph: got .*Consort"):
        Engine(path)
    seal(path, model, manifest.model_copy(update={"opset": 21}), {})
    with pytest.raises(ArtifactError, match="the graph's opset is not its manifest's: expected 21, got 20"):
        Engine(path)
    model.opset_import[0].version = 999
    seal(path, model, manifest.model_copy(update={"opset": 999}), {})
    with pytest.raises(ArtifactError, match="opset 999 is newer than this machine's onnx: expected at most"):
        Engine(path)


def test_model_behind_a_link_is_fine(tmp_path: Path) -> None:
    """Only external data may not be a link: caches and mounted volumes link whole models."""
    write_tiny_artifact(tmp_path / "real.onnx")
    os.symlink(tmp_path / "real.onnx", tmp_path / "link.onnx")
    assert np.isfinite(check_artifact(tmp_path / "link.onnx").golden_max_abs)
