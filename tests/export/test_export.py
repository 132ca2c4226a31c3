"""Export: parity with torch, one branch for every stream, the same bytes twice, nothing left behind on failure."""

import dataclasses
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import export.graph as graph_module
from artifact.errors import ArtifactError, ParityError, UsageError
from artifact.images.preprocessing import Preprocessing
from artifact.kinds import KINDS
from artifact.model.file import read_manifest
from artifact.modes import MODES, Widths
from artifact.repository.reading import open_repository
from export.build import Built, build, deploy, publish_built
from export.deployment import default_name
from export.graph import export_branch
from export.join import join_streams
from export.parity import check_parity, reference_outputs
from tests.shared.shapes_run import small_run
from trainer.networks.base_networks import build_base
from trainer.networks.branch import Branch
from trainer.run.saved_run import Run

SIZE = 32
SPEC = Preprocessing(height=SIZE, width=SIZE)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_run(tmp_path_factory.mktemp("run") / "shapes")


@pytest.fixture(scope="module")
def built(run: Run) -> dict[str, Built]:
    return {mode: build(run, mode) for mode in ("branch", "full")}


def make_branch(base_name: str, *, normalize: bool) -> Branch:
    torch.manual_seed(0)
    base = build_base(base_name, size=SIZE)
    features, mean, std = base.num_features, base.mean, base.std
    branch = Branch(base.module, num_features=features, embedding_dim=6, mean=mean, std=std, normalize=normalize)
    for module in branch.modules():  # statistics as after training, so that folding them wrongly would show
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2.0)
    return branch.eval()


def graph_of(branch: nn.Module, *, kind: str, mode: str, distance: str) -> onnx.ModelProto:
    """The graph of a branch, or the full one around it."""
    graph = export_branch(branch, preprocessing=SPEC)
    return graph if mode == "branch" else join_streams(graph, kind=kind, distance=distance, embedding_dim=6)


@pytest.mark.parametrize(
    ("base_name", "mode"),
    [
        ("conv4", "branch"),
        ("resnet18", "full"),
        pytest.param("mobilenetv3_small_100", "branch", marks=pytest.mark.slow),
        pytest.param("vit_tiny_patch16_224", "full", marks=pytest.mark.slow),
    ],
)
def test_graph_of_every_base_network_keeps_parity(base_name: str, mode: str) -> None:
    """Each family exports with a dynamic batch and gives torch's vectors; BatchNorm is folded away."""
    branch = make_branch(base_name, normalize=mode == "branch")
    signature = {"kind": "triplet", "mode": mode, "distance": "euclidean"}
    model = graph_of(branch, **signature)
    parity = check_parity(branch, model.SerializeToString(), preprocessing=SPEC, **signature)
    assert parity.max_abs <= parity.limit
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    assert next(entry.version for entry in model.opset_import if entry.domain == "") >= 20


class Linear(nn.Module):
    """The smallest branch: quick to export where the network is not what is tested."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Linear(3 * SIZE, 6)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = self.embedding(images.float().mean(dim=1).flatten(1) / 255)
        return vectors


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("distance", ["euclidean", "squared_euclidean", "cosine"])
def test_full_graph_gives_every_vector_and_distance(kind: str, distance: str) -> None:
    """Outputs have the names, order and values of the reference, for distinct images in each stream."""
    branch = Linear()
    model = graph_of(branch, kind=kind, mode="full", distance=distance)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    random = np.random.default_rng(1)
    feeds = {stream: random.integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8) for stream in KINDS[kind].streams}
    expected = reference_outputs(branch, feeds, kind=kind, mode="full", distance=distance)
    promised = [each.name for each in MODES["full"].outputs(Widths(kind=kind, embedding_dim=6))]
    assert [node.name for node in session.get_outputs()] == promised == list(expected)
    for name, got in zip(expected, session.run(None, feeds), strict=True):
        np.testing.assert_allclose(got, expected[name], atol=2e-5, err_msg=name)


def test_full_graph_runs_the_branch_once_and_stores_it_once() -> None:
    """A quartet's graph has the branch's convolutions and weights once, not four times."""
    branch = make_branch("conv4", normalize=False)
    models = [graph_of(branch, kind="quartet", mode=mode, distance="euclidean") for mode in ("branch", "full")]
    convolutions = [sum(node.op_type == "Conv" for node in model.graph.node) for model in models]
    assert convolutions[0] == convolutions[1] == 4
    assert models[1].ByteSize() < 1.05 * models[0].ByteSize()


def test_parity_catches_a_graph_of_other_weights() -> None:
    """A difference over the limit is an error that gives both numbers."""
    branch = Linear()
    signature = {"kind": "siamese", "mode": "branch", "distance": "euclidean"}
    model = export_branch(branch, preprocessing=SPEC).SerializeToString()
    with torch.no_grad():
        branch.embedding.bias[0] += 0.01
    with pytest.raises(ParityError, match=r"differ in 'embedding' on a batch of 1: expected max \|difference\| <= "):
        check_parity(branch, model, preprocessing=SPEC, **signature)


def test_parity_catches_a_fixed_batch_size() -> None:
    """A graph that only runs on batches of 2 is refused."""
    branch = Linear()
    signature = {"kind": "siamese", "mode": "branch", "distance": "euclidean"}
    model = export_branch(branch, preprocessing=SPEC)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    with pytest.raises(ParityError, match="does not run on a batch of 1"):
        check_parity(branch, model.SerializeToString(), preprocessing=SPEC, **signature)


class Unexportable(nn.Module):
    """Control flow on values, which no graph can hold."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        rows = images.float().mean(dim=(1, 2))
        return rows if rows.sum() > 0 else -rows


def test_network_that_cannot_be_exported_says_why() -> None:
    """The exporter's reason arrives in one line."""
    with pytest.raises(ArtifactError, match="the network cannot be exported to ONNX: got") as caught:
        export_branch(Unexportable(), preprocessing=SPEC)
    assert len(str(caught.value).splitlines()) == 1


def test_artifact_tells_what_the_run_knows(run: Run, built: dict[str, Built], tmp_path: Path) -> None:
    """Kind, streams, distance, preprocessing, threshold, base network and training facts are the run's."""
    manifest = built["branch"].write(tmp_path / "a.onnx")
    read = read_manifest(tmp_path / "a.onnx")
    assert read == manifest
    assert (read.name, read.kind, read.mode, read.embedding_dim) == ("shapes", "triplet", "branch", 8)
    assert read.pixels == run.preprocessing
    assert read.threshold == run.threshold
    assert read.threshold is not None
    assert read.base["name"] == "conv4"
    assert read.training["data_sha256"] == run.facts["data_sha256"]
    assert read.training["metrics"] == run.facts["metrics"]


def test_names_of_left_out_files_stay_with_the_run(run: Run) -> None:
    """An artifact goes to others: what was passed over and left out is not in it, and its bytes do not follow."""
    told = {"passed_over": {".dng": 1}, "left_out": {"images": 1}, "warnings": ["1 image was left out: me/secret.png"]}
    one, other = (
        build(dataclasses.replace(run, facts=run.facts | facts), "branch").manifest
        for facts in (told, {"warnings": []})
    )
    assert not {*told} & {*one.training}
    assert one == other


def test_branch_and_full_are_of_one_space_and_two_digests(built: dict[str, Built]) -> None:
    """They give the same vectors, so they share the space; another run does not."""
    branch, full = built["branch"].manifest, built["full"].manifest
    assert branch.space == full.space
    assert branch.sealed().digest != full.sealed().digest
    assert full.name == "shapes_full"


def test_no_path_of_the_exporting_machine_is_inside(built: dict[str, Built]) -> None:
    """Stack traces and module paths of the exporter are stripped."""
    for mode in ("branch", "full"):
        model = built[mode].model
        for secret in (str(Path(graph_module.__file__).parent), "site-packages", "pkg.torch", "stack_trace", ".py"):
            assert secret.encode() not in model
        assert not onnx.load_from_string(model).metadata_props


EXPORT = """
import sys
from pathlib import Path
from export.build import build
from trainer.run.saved_run import load_run
build(load_run(Path(sys.argv[1])), "full").write(Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(run: Run, built: dict[str, Built], tmp_path: Path) -> None:
    """Export is deterministic: the same run, the same digest."""
    built["full"].write(tmp_path / "here.onnx")
    subprocess.run([sys.executable, "-c", EXPORT, str(run.path), str(tmp_path / "there.onnx")], check=True, timeout=120)
    here, there = ((tmp_path / name).read_bytes() for name in ("here.onnx", "there.onnx"))
    assert hashlib.sha256(here).hexdigest() == hashlib.sha256(there).hexdigest()


def test_deploy_publishes_both_modes(run: Run, tmp_path: Path) -> None:
    """Train-then-deploy leaves NAME and NAME_full, each with its companions."""
    deploy(run, tmp_path / "repository", name="mine")
    repository = open_repository(tmp_path / "repository")
    assert repository.names() == ["mine", "mine_full"]
    assert [repository.model(name).manifest(1).mode for name in repository.names()] == ["branch", "full"]
    assert repository.foreign() == {}


def test_deploy_exports_the_network_once(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The full graph is joined around the branch's own nodes: the same weights, and the same bytes as built alone."""
    exported = []

    def counting(branch: nn.Module, *, preprocessing: Preprocessing) -> onnx.ModelProto:
        exported.append(export_branch(branch, preprocessing=preprocessing))
        return exported[-1]

    monkeypatch.setattr("export.build.export_branch", counting)
    made = {each.manifest.mode: each for each, _ in deploy(run, tmp_path / "repository", name="mine")}
    assert len(exported) == 1
    branch, full = (onnx.load_from_string(made[mode].model) for mode in ("branch", "full"))
    weights = {f"branch_{tensor.name}": tensor.raw_data for tensor in branch.graph.initializer}
    assert weights.items() <= {tensor.name: tensor.raw_data for tensor in full.graph.initializer}.items()
    assert made["full"].model == build(run, "full", name="mine_full").model


@pytest.mark.parametrize("name", ["no name", "a" * 97])
def test_deploy_refuses_both_names_before_the_export(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A name that only the full model's suffix makes too long is known before the network is exported."""
    monkeypatch.setattr("export.build.export_branch", lambda *_, **__: pytest.fail("exported"))
    with pytest.raises(UsageError, match="model name"):
        deploy(run, tmp_path / "repository", name=name)


def test_failed_parity_leaves_nothing_behind(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the second of two modes fails, the first is not published either."""
    real = check_parity

    def fail_in_full_mode(*args: object, **kwargs: object) -> object:
        if kwargs["mode"] == "full":
            raise ParityError("torch and onnxruntime differ")
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr("export.build.check_parity", fail_in_full_mode)
    with pytest.raises(ParityError):
        deploy(run, tmp_path / "repository")
    assert list(tmp_path.iterdir()) == []


def test_names_come_from_the_run_folder(run: Run, tmp_path: Path) -> None:
    """What Triton would not take becomes an underscore; a name that is given is checked before anything is done."""
    assert default_name(Path("runs/my model (2)"), "branch") == "my_model_2_"
    assert default_name(Path("runs/.hidden"), "full") == "hidden_full"
    assert default_name(Path("runs") / ("a" * 200), "full") == "a" * 95 + "_full"
    assert default_name(Path("runs") / ("a" * 200), "branch") == "a" * 95
    assert len(default_name(Path("runs") / ("a" * 200), "full", "int8")) == 100
    with pytest.raises(UsageError, match="model name 'x_encoded'"):
        build(run, "branch", name="x_encoded")
    built = build(run, "branch", name="other")
    assert publish_built(built, tmp_path / "r").name == "other"
