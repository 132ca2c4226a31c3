"""Artifacts of a run with two towers: one space, the network's vectors, the same bytes again, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from artifact.distances import DISTANCES
from artifact.errors import ParityError, RepositoryError, RunError, UsageError
from artifact.model.file import read_manifest
from artifact.repository.layout import find_problems
from artifact.repository.reading import open_repository
from export.build import Built, build, deploy
from export.deployment import default_name, require_deployable
from export.graph import export_tower
from export.parity import check_parity
from serving.check import check_artifact
from serving.engine import Engine
from tests.shared.attribute_run import fit_towers, write_squares
from tests.shared.shapes_run import small_run
from trainer.run.saved_run import Run, attributes_in, load_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Trained once for all tests here."""
    folder = tmp_path_factory.mktemp("towers")
    return fit_towers(write_squares(folder / "squares"), folder / "run")


@pytest.fixture(scope="module")
def built(run: Run) -> dict[str, Built]:
    """In each mode, by what it is asked for as."""
    return {mode: build(run, mode) for mode in ("branch", "attributes", "full")}


def test_all_artifacts_of_a_run_are_of_one_space(run: Run, built: dict[str, Built]) -> None:
    """They carry the same attributes, and say which of the two towers they are."""
    manifests = {mode: each.manifest for mode, each in built.items()}
    assert len({each.space for each in manifests.values()}) == 1
    assert {mode: each.mode for mode, each in manifests.items()} == {
        "branch": "branch",
        "attributes": "attributes",
        "full": "towers",
    }
    assert {mode: each.name for mode, each in manifests.items()} == {
        "branch": "run",
        "attributes": "run_attributes",
        "full": "run_full",
    }
    assert all(each.attribute_set == run.attributes for each in manifests.values())
    assert manifests["attributes"].preprocessing == {}
    assert all("attributes" not in each.training for each in manifests.values())


def test_attribute_artifact_gives_the_tower_s_vectors(run: Run, built: dict[str, Built], tmp_path: Path) -> None:
    """Of rows encoded by its own manifest, missing values included; unit length, as the images' are."""
    built["attributes"].write(tmp_path / "a.onnx")
    attributes = read_manifest(tmp_path / "a.onnx").attribute_set
    assert attributes is not None
    columns = {"color": ["red", "blue", None], "framed": [1, None, 0], "size": [3, 4.5, None]}
    rows, bad = attributes.encode(columns, 3)
    assert bad == []
    found = Engine(tmp_path / "a.onnx").run({"attributes": rows})["embedding"]
    with torch.no_grad():
        expected = run.branch.towers["attributes"](torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_full_artifact_gives_what_the_two_others_give(built: dict[str, Built], tmp_path: Path) -> None:
    """Both vectors, and their distance as numpy computes it."""
    engines = {}
    for mode, each in built.items():
        each.write(tmp_path / f"{mode}.onnx")
        assert check_artifact(tmp_path / f"{mode}.onnx").num_golden == 4
        engines[mode] = Engine(tmp_path / f"{mode}.onnx")
    random = np.random.default_rng(1)
    pixels = random.integers(0, 256, (5, 16, 16, 3), np.uint8)
    rows = random.standard_normal((5, 6)).astype(np.float32)
    found = engines["full"].run({"image": pixels, "attributes": rows})
    image = engines["branch"].run({"image": pixels})["embedding"]
    attributes = engines["attributes"].run({"attributes": rows})["embedding"]
    np.testing.assert_allclose(found["embedding_image"], image, atol=1e-5)
    np.testing.assert_allclose(found["embedding_attributes"], attributes, atol=1e-5)
    expected = DISTANCES["euclidean"](image, attributes)[:, None]
    np.testing.assert_allclose(found["distance_image_attributes"], expected, atol=1e-5)


def test_export_gives_the_same_bytes_again(run: Run, built: dict[str, Built]) -> None:
    """Of the run read anew; the branch's graph holds nothing of the other tower."""
    again = load_run(run.path)
    for mode, each in built.items():
        assert build(again, mode).model == each.model, mode
        assert build(again, mode).manifest.sealed().digest == each.manifest.sealed().digest, mode
    assert len(built["branch"].model) < len(built["full"].model)
    assert b"towers" not in built["branch"].model


def test_deploy_publishes_all_three(run: Run, tmp_path: Path) -> None:
    """NAME with its companions, NAME_attributes and NAME_full without; the repository is as Triton takes it."""
    deploy(run, tmp_path / "repository", name="mine")
    repository = open_repository(tmp_path / "repository")
    assert repository.names() == ["mine", "mine_attributes", "mine_full"]
    assert find_problems(tmp_path / "repository") == []
    folders = sorted(path.name for path in (tmp_path / "repository").iterdir() if path.is_dir())
    assert folders == ["mine", "mine_attributes", "mine_decode", "mine_encoded", "mine_full"]
    deploy(run, tmp_path / "repository", name="mine")
    assert sorted(repository.model("mine_attributes").manifests) == [1]


def test_deploy_publishes_nothing_where_the_attributes_are_others(run: Run, tmp_path: Path) -> None:
    """Else NAME would be of the new run and NAME_attributes of the one before, in another space."""
    repository = tmp_path / "repository"
    deploy(run, repository, name="mine")
    other = fit_towers(write_squares(tmp_path / "s"), tmp_path / "other", attributes=["size", "color", "framed"])
    with pytest.raises(RepositoryError, match="'mine_attributes' has another signature: expected attributes="):
        deploy(other, repository, name="mine")
    assert sorted(open_repository(repository).model("mine").manifests) == [1]
    with pytest.raises(RepositoryError, match="'mine_attributes' has another signature"):
        require_deployable(other.config, other.path, repository, "mine", attributes=other.attributes)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
@pytest.mark.parametrize("mode", ["attributes", "full"])
def test_attribute_tower_is_refused_other_precisions(run: Run, mode: str, precision: str) -> None:
    """In one line, before anything is exported; the images alone take them, in a space of their own."""
    with pytest.raises(UsageError) as caught:
        build(run, mode, precision=precision)
    assert str(caught.value) == (
        f"precision of an attribute tower: expected fp32, got {precision} (--precision); "
        "the branch alone takes another, in a space of its own"
    )


def test_branch_of_another_precision_is_of_another_space(run: Run, built: dict[str, Built]) -> None:
    """So nobody searches it with rows of attributes by accident."""
    half = build(run, "branch", precision="fp16")
    assert half.manifest.space != built["attributes"].manifest.space


def test_run_of_images_alone_has_no_attributes_to_export(tmp_path: Path) -> None:
    """It says what to train."""
    with pytest.raises(
        UsageError, match=r"expected a run with an attribute tower, got images alone .*--attributes a,b,c"
    ):
        build(small_run(tmp_path / "run", epochs=1), "attributes")


def test_space_tells_means_and_scales_apart(run: Run, built: dict[str, Built]) -> None:
    """The same weights with another mean give the same row another vector."""
    facts = dict(run.facts)
    fields = [dict(each) for each in facts["attributes"]]
    fields[2]["mean"] += 1
    other = Run(**{**vars(run), "facts": facts | {"attributes": fields}})
    assert build(other, "attributes").manifest.space != built["attributes"].manifest.space


def test_parity_refuses_another_tower(run: Run, built: dict[str, Built]) -> None:
    """The check compares with torch, and not with itself."""
    fresh = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Softmax(dim=1)).eval()
    signature = {"kind": "triplet", "mode": "attributes", "distance": "euclidean", "preprocessing": run.preprocessing}
    model = built["attributes"].model
    with pytest.raises(ParityError, match="torch and onnxruntime differ in 'embedding'"):
        check_parity(run.branch, model, tower=fresh, num_columns=6, **signature)  # type: ignore[arg-type]
    own = export_tower(fresh, num_columns=6).SerializeToString()
    assert check_parity(run.branch, own, tower=fresh, num_columns=6, **signature).max_abs < 1e-5  # type: ignore[arg-type]


def test_default_names_leave_room_for_every_suffix() -> None:
    """Those of a run of images alone are cut as ever."""
    long = Path("runs") / ("a" * 200)
    names = [default_name(long, mode, has_towers=True) for mode in ("branch", "attributes", "towers")]
    assert names == ["a" * 89, "a" * 89 + "_attributes", "a" * 89 + "_full"]
    assert default_name(long, "branch") == "a" * 95


def test_damaged_facts_of_a_run_are_one_line(tmp_path: Path) -> None:
    """Attributes that are none."""
    with pytest.raises(RunError, match=r"attributes in facts\.json"):
        attributes_in({"attributes": [{"name": "a"}]}, where=tmp_path)
    with pytest.raises(RunError, match="attributes"):
        attributes_in({"attributes": 3}, where=tmp_path)
