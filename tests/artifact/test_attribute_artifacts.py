"""Artifacts of an attribute tower: described, published alone, checked, and nothing new in artifacts without one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from artifact.attributes import Attribute, Attributes
from artifact.errors import ArtifactError, RepositoryError
from artifact.model.description import describe
from artifact.model.file import append_manifest, read_manifest
from artifact.model.golden import golden_attribute_rows, read_golden_rows, with_golden_rows
from artifact.model.manifest import Manifest, manifest_from_fields
from artifact.repository.extraction import extract
from artifact.repository.layout import find_problems
from artifact.repository.publishing import publish, remove, require_publishable, rollback
from artifact.repository.reading import open_repository
from serving.check import check_artifact, check_repository
from serving.difference import compare_artifacts
from tests.shared.tiny_artifact import write_tiny_artifact
from tests.shared.tiny_attribute_tower import TINY_ATTRIBUTES, publish_attributes, write_attribute_artifact


def test_describe_names_what_it_takes_and_gives(tmp_path: Path) -> None:
    """Rows of attributes to vectors; no size of pixels anywhere."""
    write_attribute_artifact(tmp_path / "a.onnx")
    said = describe(tmp_path / "a.onnx")
    assert [(each["name"], each["shape"], each["type"]) for each in said["inputs"]] == [
        ("attributes", "[N, 6]", "FP32")
    ]
    assert [(each["name"], each["shape"]) for each in said["outputs"]] == [("embedding", "[N, 4]")]
    assert said["preprocessing"] == {}
    assert Attributes.from_dict(said["attributes"]) == TINY_ATTRIBUTES


def test_describe_of_both_towers_names_their_streams(tmp_path: Path) -> None:
    """One image and one row of attributes in, their vectors and their distance out."""
    write_attribute_artifact(tmp_path / "a.onnx", mode="towers")
    said = describe(tmp_path / "a.onnx")
    assert [(each["name"], each["shape"], each["type"]) for each in said["inputs"]] == [
        ("image", "[N, 8, 8, 3]", "UINT8"),
        ("attributes", "[N, 6]", "FP32"),
    ]
    outputs = ["embedding_image", "embedding_attributes", "distance_image_attributes"]
    assert [each["name"] for each in said["outputs"]] == outputs


@pytest.mark.parametrize("mode", ["attributes", "towers"])
def test_check_runs_the_golden_rows(tmp_path: Path, mode: str) -> None:
    """Four of them; one whose weights moved does not give its vectors."""
    manifest = write_attribute_artifact(tmp_path / "a.onnx", mode=mode)
    result = check_artifact(tmp_path / "a.onnx")
    assert result.num_golden == 4
    assert result.golden_max_abs < 1e-5
    assert manifest.golden is not None
    moved = write_attribute_artifact(tmp_path / "b.onnx", mode=mode, seed=1)
    other = moved.model_copy(update={"golden": manifest.golden})
    content = (tmp_path / "b.onnx").read_bytes()[: moved.content.size]
    append_manifest(tmp_path / "c.onnx", content, other)
    with pytest.raises(ArtifactError, match="do not give their golden vectors"):
        check_artifact(tmp_path / "c.onnx")


def test_golden_rows_are_rows_that_attributes_encode() -> None:
    """Every value that a column may have, one of each category at most, and missing ones in the last."""
    rows = golden_attribute_rows(TINY_ATTRIBUTES)
    assert rows.shape == (4, 6)
    assert len({row.tobytes() for row in rows}) == 4
    assert rows[:, :3].sum(axis=1).tolist() == [1, 1, 1, 1]
    assert rows[:, 3].tolist() == [1, -1, 1, 0]
    assert rows[:, 5].tolist() == [1, 1, 1, 1]


def test_publish_makes_no_companions_and_all_commands_work(tmp_path: Path) -> None:
    """Versions, rollback, extraction and removal; check finds nothing wrong."""
    root = tmp_path / "repository"
    first = publish_attributes(root)
    publish_attributes(root, seed=1)
    assert sorted(path.name for path in root.iterdir() if path.is_dir()) == ["tiny_attributes"]
    model = open_repository(root).model("tiny_attributes")
    assert (sorted(model.manifests), model.served) == ([1, 2], [2])
    assert rollback(root, "tiny_attributes").served == [1]
    assert extract(root, "tiny_attributes", tmp_path / "out.onnx").digest == first.digest
    assert (tmp_path / "out.onnx").read_bytes() == (root / "tiny_attributes" / "1" / "model.onnx").read_bytes()
    assert find_problems(root) == []
    assert check_repository(root).num_artifacts == 2
    assert check_repository(root).problems == []
    remove(root, "tiny_attributes")
    assert not (root / "tiny_attributes").exists()


def test_publish_refuses_other_attributes_under_the_same_name(tmp_path: Path) -> None:
    """A client encodes rows by what stands in the manifest; another mean is another version."""
    root = tmp_path / "repository"
    publish_attributes(root)
    color, striped, size = TINY_ATTRIBUTES.attributes
    moved = Attribute(name="size", type="number", mean=4.0, scale=1.0)
    publish_attributes(root, attributes=Attributes((color, striped, moved)))
    with pytest.raises(RepositoryError, match="has another signature"):
        publish_attributes(root, attributes=Attributes((striped, color, size)))
    write_tiny_artifact(tmp_path / "image.onnx", name="tiny_attributes")
    with pytest.raises(RepositoryError, match="has another signature"):
        publish(tmp_path / "image.onnx", root)
    with pytest.raises(RepositoryError, match="has another signature"):
        require_publishable(root, "tiny_attributes", {"kind": "triplet", "mode": "attributes", "embedding_dim": 5})


def test_difference_of_both_towers_sees_either_move(tmp_path: Path) -> None:
    """Other vectors of the golden rows alone, the images' as they were: not what the first artifact gives."""
    first = write_attribute_artifact(tmp_path / "a.onnx", mode="towers")
    same = compare_artifacts(tmp_path / "a.onnx", tmp_path / "a.onnx").movement
    assert same is not None
    assert same.within_tolerance
    assert first.golden is not None
    rows, vectors = read_golden_rows(first.golden, TINY_ATTRIBUTES.width, 4)
    other = first.model_copy(update={"golden": with_golden_rows(first.golden, rows, vectors + 1)})
    append_manifest(tmp_path / "b.onnx", (tmp_path / "a.onnx").read_bytes()[: first.content.size], other)
    moved = compare_artifacts(tmp_path / "b.onnx", tmp_path / "a.onnx").movement
    assert moved is not None
    assert moved.max_distance > 0.1
    assert not moved.within_tolerance


def test_difference_moves_golden_rows_where_both_take_them(tmp_path: Path) -> None:
    """Of an image network and an attribute tower it says why there is nothing to move."""
    write_attribute_artifact(tmp_path / "a.onnx")
    write_attribute_artifact(tmp_path / "b.onnx", seed=1)
    write_tiny_artifact(tmp_path / "c.onnx")
    moved = compare_artifacts(tmp_path / "a.onnx", tmp_path / "b.onnx").movement
    assert moved is not None
    assert (moved.num_images, moved.within_tolerance) == (4, False)
    same = compare_artifacts(tmp_path / "a.onnx", tmp_path / "a.onnx").movement
    assert same is not None
    assert same.within_tolerance
    for pair in (("a.onnx", "c.onnx"), ("c.onnx", "a.onnx")):
        found = compare_artifacts(tmp_path / pair[0], tmp_path / pair[1])
        assert found.movement is None
        assert found.reason is not None
        assert found.reason.startswith("the two do not take the same")
        assert found.same_space


def test_a_manifest_without_attributes_is_as_it_was(tmp_path: Path) -> None:
    """The fields of an older one stay what they were, byte for byte."""
    manifest = write_tiny_artifact(tmp_path / "a.onnx")
    fields = json.loads(manifest.to_bytes())
    assert "attributes" not in fields
    assert sorted(fields["golden"]) == ["images", "tolerance", "vectors"]
    old = read_manifest(Path(__file__).parents[1] / "data" / "format_1.onnx")
    assert old.sealed().digest == old.digest
    assert old.attribute_set is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"attributes": []}, "expected at least one in mode attributes"),
        ({"attributes": [{"name": "a"}]}, "attributes: KeyError"),
        ({"attributes": [{"name": "a", "type": "colour"}]}, "expected a type of flag, number, category"),
        ({"mode": "towers"}, "expected height and width in pixels"),
    ],
)
def test_a_manifest_whose_rows_nobody_could_encode_is_refused(
    tmp_path: Path, changed: dict[str, object], reason: str
) -> None:
    """In one line that names the field."""
    fields = json.loads(write_attribute_artifact(tmp_path / "a.onnx").to_bytes())
    with pytest.raises(ArtifactError, match=reason):
        manifest_from_fields(fields | changed, where="a.onnx")


def test_pixels_of_an_attribute_tower_are_refused_with_the_reason(tmp_path: Path) -> None:
    """It takes no images."""
    manifest: Manifest = write_attribute_artifact(tmp_path / "a.onnx")
    with pytest.raises(ArtifactError, match="its rows are encoded by the attributes in its manifest"):
        assert manifest.pixels
    assert manifest.image_inputs == ()
    np.testing.assert_array_equal([len(manifest.inputs), manifest.inputs[0].row_shape[0]], [1, 6])
