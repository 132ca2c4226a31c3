"""Base networks and the branch: shapes, sizes, weights, refusals, and the exported graph."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from artifact.errors import TrainingError, UsageError
from trainer.networks.base_networks import branch_of, build_base
from trainer.networks.branch import Branch

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8))


def _branch(name: str, *, normalize: bool = False, size: int = 32) -> Branch:
    torch.manual_seed(0)
    base = build_base(name, size=size)
    return branch_of(base, embedding_dim=5, normalize=normalize).eval()


@pytest.mark.parametrize("name", ["conv4", "resnet18", "mobilenetv3_small_100", "vit_tiny_patch16_224"])
def test_branch_gives_one_vector_per_image(name: str) -> None:
    """Raw uint8 images in, float32 [N, dim] out, different for different images, the same in any batch."""
    branch = _branch(name)
    with torch.no_grad():
        vectors = branch(IMAGES)
        alone = branch(IMAGES[1:])
    assert vectors.shape == (2, 5)
    assert vectors.dtype == torch.float32
    assert not torch.allclose(vectors[0], vectors[1])
    torch.testing.assert_close(vectors[1:], alone, atol=1e-5, rtol=1e-4)


def test_branch_normalises_pixels_by_the_mean_and_std_of_its_base_network() -> None:
    """The affine inside equals (x / 255 - mean) / std and the layout change, written out."""
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.3, 0.4)
    branch = Branch(nn.Flatten(), num_features=3 * 32 * 32, embedding_dim=4, mean=mean, std=std, normalize=False)
    planes = (IMAGES.double() / 255 - torch.tensor(mean).double()) / torch.tensor(std).double()
    features = planes.permute(0, 3, 1, 2).flatten(1)
    expected = features @ branch.embedding.weight.double().T + branch.embedding.bias.double()
    torch.testing.assert_close(branch(IMAGES).double(), expected, atol=1e-5, rtol=1e-5)


def test_normalised_branch_gives_unit_vectors() -> None:
    """The same direction as the plain branch, at length one."""
    plain, unit = _branch("conv4")(IMAGES), _branch("conv4", normalize=True)(IMAGES)
    torch.testing.assert_close(unit, plain / plain.norm(dim=1, keepdim=True))


def test_natural_sizes_and_statistics_come_from_the_network() -> None:
    """timm knows what its networks were made for; nothing is loaded, so there is no licence to carry."""
    resnet, vit = build_base("resnet18"), build_base("vit_tiny_patch16_224")
    assert (resnet.size, resnet.mean) == (224, (0.485, 0.456, 0.406))
    assert (vit.size, vit.mean, vit.num_features) == (224, (0.5, 0.5, 0.5), 192)
    assert resnet.to_dict()["weights"] == "random"
    assert resnet.to_dict()["pretrained"] is False
    assert resnet.licence is None


@pytest.mark.parametrize("size", [16, 28, 33, 80])
def test_conv4_takes_any_size(size: int) -> None:
    """Its last average leaves the same number of features."""
    base = build_base("conv4", size=size)
    assert base.module(torch.zeros(2, 3, size, size)).shape == (2, base.num_features)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "resnet19",
            "base network: expected conv4, pixels, deep_ranking or a name of timm, got 'resnet19' (--base); "
            "nearest: resnet18",
        ),
        (
            "conv5",
            "base network: expected conv4, pixels, deep_ranking or a name of timm, got 'conv5' (--base); "
            "nearest: conv4",
        ),
        (
            "resnet18.nonsense",
            "base network: expected conv4, pixels, deep_ranking or a name of timm, got 'resnet18.nonsense' (--base)",
        ),
        ("qqqq", "got 'qqqq' (--base); timm.list_models() lists them"),
    ],
)
def test_unknown_base_networks_are_answered_with_the_nearest(name: str, message: str) -> None:
    """A typing error names what was meant."""
    with pytest.raises(UsageError) as caught:
        build_base(name)
    assert message in str(caught.value)


def test_size_that_a_network_cannot_take_is_refused() -> None:
    """A transformer's patches of 16 px do not fit into 8."""
    with pytest.raises(UsageError) as caught:
        build_base("vit_tiny_patch16_224", size=8)
    assert str(caught.value).startswith("base network vit_tiny_patch16_224 at 8 px: expected a size it can take, got ")
    assert str(caught.value).endswith("; choose another --size")


def test_published_weights_that_cannot_be_fetched_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network timm's exception becomes a message with a way out; Conv4 has none to fetch."""
    import huggingface_hub.constants as constants
    import timm.models._hub as hub

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "has_hf_hub", lambda necessary=False: True)
    with pytest.raises(TrainingError) as caught:
        build_base("resnet10t", size=32, pretrained=True)
    assert str(caught.value).startswith("published weights of resnet10t could not be fetched: got ")
    assert str(caught.value).endswith("or give a local file with --weights FILE.safetensors")
    with pytest.raises(UsageError, match="published weights of conv4: expected none"):
        build_base("conv4", pretrained=True)


def test_without_a_network_published_weights_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's client would try six times in a minute; what was fetched earlier is still looked for."""
    import huggingface_hub.constants as constants

    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail(f"waited {seconds} s"))
    with pytest.raises(TrainingError) as caught:
        build_base("resnet10t", size=32, pretrained=True)
    assert str(caught.value) == (
        "published weights of resnet10t could not be fetched: got no connection, and no copy of an earlier one; "
        "check the network, or give a local file with --weights FILE.safetensors"
    )
    assert constants.HF_HUB_OFFLINE is False


def test_local_weights_are_loaded_from_safetensors_and_pt(tmp_path: Path) -> None:
    """A whole classifier's file fits: its output layer is left over; tensors arrive as they were."""
    torch.manual_seed(1)
    tensors = dict(build_base("conv4").module.state_dict()) | {"fc.weight": torch.zeros(3, 3)}
    save_file(tensors, tmp_path / "w.safetensors")
    torch.save({"state_dict": tensors}, tmp_path / "w.pt")
    for name in ("w.safetensors", "w.pt"):
        base = build_base("conv4", weights=tmp_path / name)
        assert all(torch.equal(value, tensors[key]) for key, value in base.module.state_dict().items())
        assert base.to_dict()["weights"] == f"file {name}"


@pytest.mark.parametrize("prefix", ["module.", "base."])
def test_local_weights_may_have_the_prefix_of_what_wrote_them(prefix: str, tmp_path: Path) -> None:
    """Data-parallel training and our own runs name the same tensors longer; DeiT's files hold them under `model`."""
    torch.manual_seed(1)
    tensors = build_base("conv4").module.state_dict()
    named = {prefix + key: value for key, value in tensors.items()} | {"embedding.weight": torch.zeros(4, 128)}
    torch.save({"model": named}, tmp_path / "w.pt")
    base = build_base("conv4", weights=tmp_path / "w.pt")
    assert all(torch.equal(value, tensors[key]) for key, value in base.module.state_dict().items())
    assert base.licence is None


def test_local_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """Missing file, damaged file, code in a pickle, another network, another shape."""
    good = dict(build_base("conv4").module.state_dict())
    (tmp_path / "broken.safetensors").write_bytes(b"no tensors here")
    torch.save({"x": Path("a")}, tmp_path / "code.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    save_file(good | {"blocks.0.weight": torch.zeros(7, 3, 3, 3)}, tmp_path / "shape.safetensors")
    for name, message in (
        ("gone.safetensors", "weights: expected a file, got nothing there"),
        ("broken.safetensors", "weights: expected .safetensors, or a .pt file of plain tensors, got "),
        ("code.pt", "weights: expected .safetensors, or a .pt file of plain tensors, got Weights only load failed"),
        ("list.pt", "weights: expected a mapping of names to tensors, got list"),
        (
            "other.safetensors",
            "weights for conv4: expected 24 tensors that fit, such as blocks.0.weight [32, 3, 3, 3], got 20",
        ),
        ("shape.safetensors", "got 0 missing and 1 of another shape"),
    ):
        with pytest.raises(UsageError) as caught:
            build_base("conv4", weights=tmp_path / name)
        assert message in str(caught.value)
        assert str(caught.value).endswith(f"({tmp_path / name})")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's exporter, about its own parts
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_branch_exports_with_a_free_batch_size() -> None:
    """The graph takes raw pixels and gives torch's vectors for batches of 1, 2 and 7."""
    branch = _branch("conv4", normalize=True)
    program = torch.onnx.export(
        branch, (IMAGES,), dynamo=True, dynamic_shapes={"images": {0: torch.export.Dim("N")}}, verbose=False
    )
    assert program is not None
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for count in (1, 2, 7):
        batch = np.random.default_rng(count).integers(0, 256, (count, 32, 32, 3), np.uint8)
        with torch.no_grad():
            expected = branch(torch.from_numpy(batch)).numpy()
        np.testing.assert_allclose(session.run(None, {name: batch})[0], expected, atol=1e-5)


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_guard_leaves_a_torchvision_with_its_operators_alone() -> None:
    """Where nms is defined, as a healthy torchvision does, the guard defines nothing."""
    code = """
        import torch
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        from trainer.networks.torchvision_guard import guard_torchvision
        print(guard_torchvision(), hasattr(torch.ops.torchvision, "qnms"))
    """
    assert _python(code) == "False False"


def test_importing_trainer_loads_no_torch() -> None:
    """The package's public names are lazy; the same probe does see torch once one of them is used."""
    code = """
        import sys, trainer
        before = "torch" in sys.modules
        trainer.load_run
        print(before, "torch" in sys.modules)
    """
    assert _python(code) == "False True"
