"""A user's own base network, by `module:function`: what works, and the line for everything that does not."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from artifact.errors import UsageError
from trainer.networks.base_networks import build_base
from trainer.user_code import load_user_object

NETS = """
import torch
from torch import nn

class Tall(nn.Module):
    mean, std, size = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 24
    def __init__(self):
        super().__init__()
        self.low, self.high, self.out = nn.Conv2d(3, 4, 3, 2), nn.Conv2d(4, 8, 3, 2), nn.Linear(8, 5)
    def stages(self):
        return [self.low, self.high]
    def forward(self, images):
        return self.out(self.high(self.low(images)).mean((2, 3)))

class Skipping(Tall):
    def forward(self, images):
        return self.out(self.high(self.low(images).relu()).mean((2, 3)))

class Plain(Tall):
    stages = None

def sized(size=32, width=6):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.Flatten(), nn.Linear(width * (size - 2) ** 2, 7))

def mapping(**options):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 9, 3, 2))

def needy(size):
    return sized(size)

def raising(size=8):
    raise ValueError("no such\\nwidth")

def number():
    return 3

def kind():
    return Tall

def half():
    return Tall().half()

def three():
    return nn.Sequential(nn.Flatten(2))

def mute():
    net = Plain()
    net.size = "large"
    return net

def flat_mean():
    net = Tall()
    net.mean = 0.5
    return net

def zero_std():
    net = Tall()
    net.std = (1, 1, 0)
    return net

def stranger():
    net = Tall()
    net.stages = lambda: [nn.ReLU()]
    return net

value = 4
"""


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the user's modules, which no test leaves behind."""
    (tmp_path / "own_nets.py").write_text(NETS)
    (tmp_path / "own_broken.py").write_text("def make(:\n")
    (tmp_path / "own_needy.py").write_text("import no_such_package_at_all\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    for name in ("own_nets", "own_broken", "own_needy"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def test_users_network_says_what_it_was_made_for() -> None:
    """Size, mean and std are its attributes; a class is a function too; the source is its name."""
    base = build_base("own_nets:Tall")
    assert (base.size, base.mean, base.std, base.num_features) == (24, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 5)
    assert base.to_dict() == {
        "name": "own_nets:Tall",
        "source": "own_nets:Tall",
        "weights": "random",
        "pretrained": False,
        "licence": None,
    }
    assert base.stages.names == ("low", "high")
    assert [base.stages.of_parameter(name) for name in ("low.weight", "high.bias", "out.weight")] == [0, 1, 1]
    assert build_base("own_nets:Tall", size=40).size == 40


@pytest.mark.parametrize(("size", "expected"), [(None, 32), (12, 12)])
def test_functions_that_take_a_size_are_given_it(size: int | None, expected: int) -> None:
    """Without --size the function's own default is the size."""
    base = build_base("own_nets:sized", size=size)
    assert base.size == expected
    assert base.module(torch.zeros(2, 3, expected, expected)).shape == (2, 7)
    assert (base.mean, base.std) == ((0.5,) * 3, (0.5,) * 3)


def test_maps_of_a_users_network_are_averaged_or_pooled_as_asked() -> None:
    """[N, C, H, W] out of the function becomes [N, C], or what --pooling makes of it."""
    images = torch.randn(2, 3, 16, 16)
    for pooling, width in ((None, 9), ("avg", 9), ("flatten", 9 * 6 * 6)):
        torch.manual_seed(0)
        base = build_base("own_nets:mapping", size=16, pooling=pooling)
        torch.manual_seed(0)
        maps = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 9, 3, 2)).eval()(images)
        assert base.num_features == width
        expected = maps.flatten(1) if pooling == "flatten" else maps.mean((2, 3))
        torch.testing.assert_close(base.module.eval()(images), expected)


def test_users_networks_are_cut_where_they_say_how() -> None:
    """The layers of a Sequential, or stages(); the rest is gone."""
    images = torch.randn(2, 3, 24, 24)
    torch.manual_seed(0)
    layers = build_base("own_nets:sized", size=24, cut=1)
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 6, 3)
    torch.testing.assert_close(layers.module(images), conv(images).mean((2, 3)))
    base = build_base("own_nets:Tall", cut=1)
    assert [tuple(p.shape) for p in base.module.parameters()] == [(4, 3, 3, 3), (4,)]
    assert build_base("own_nets:sized", size=24, cut=4).num_features == 7


def test_seed_decides_a_users_network() -> None:
    """The same weights whatever else was drawn while it was looked at."""
    networks = []
    for _ in range(2):
        torch.manual_seed(5)
        networks.append(build_base("own_nets:Tall", cut=2).module.state_dict())
    assert all(torch.equal(value, networks[1][key]) for key, value in networks[0].items())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("own_nets:", {}, "base network: expected module:function, got 'own_nets:' (--base)"),
        (
            "/a/b.py:make",
            {},
            "base network: expected module:function, got '/a/b.py:make' (--base); write the function f of a/b.py as "
            "a.b:f",
        ),
        (
            "own_netz:make",
            {},
            "base network own_netz:make: expected a module that can be imported, got no module own_netz in {folder} "
            "(--base); run this where own_netz.py lies, or name its folder in PYTHONPATH",
        ),
        (
            "own_nets.deep:make",
            {},
            "base network own_nets.deep:make: expected a module that can be imported, got no module own_nets.deep in "
            "{folder} (--base); run this where own_nets.py lies, or name its folder in PYTHONPATH",
        ),
        (
            "own_needy:make",
            {},
            "base network own_needy:make: expected a module that can be imported, got ModuleNotFoundError: No module "
            "named 'no_such_package_at_all' at own_needy.py:1 (--base)",
        ),
        (
            "own_broken:make",
            {},
            "base network own_broken:make: expected a module that can be imported, got SyntaxError: invalid syntax "
            "(own_broken.py, line 1) (--base)",
        ),
        (
            "own_nets:siced",
            {},
            "base network own_nets:siced: expected a function, got no siced in {folder}/own_nets.py (--base); "
            "did you mean own_nets:sized?",
        ),
        ("own_nets:value", {}, "base network own_nets:value: expected a function, got a value of type int (--base)"),
        ("own_nets:number", {}, "what own_nets:number gives: expected a torch.nn.Module, got int (--base)"),
        ("own_nets:kind", {}, "what own_nets:kind gives: expected a torch.nn.Module, got the class Tall (--base)"),
        (
            "own_nets:raising",
            {"size": 9},
            "base network own_nets:raising at 9 px: expected a network, got ValueError: no such width at "
            "own_nets.py:{raising} (--base)",
        ),
        (
            "own_nets:needy",
            {},
            "base network own_nets:needy at any size: expected a size, its function takes one, got none (--size)",
        ),
        (
            "own_nets:mapping",
            {},
            "size of base network own_nets:mapping: expected its attribute `size`, or --size, got none (--base)",
        ),
        (
            "own_nets:mute",
            {},
            "size of base network own_nets:mute: expected its attribute `size`, or --size, got 'large' (--base)",
        ),
        ("own_nets:flat_mean", {}, "mean of base network own_nets:flat_mean: expected three numbers, got 0.5 (--base)"),
        (
            "own_nets:zero_std",
            {},
            "std of base network own_nets:zero_std: expected three numbers above 0, got (1, 1, 0) (--base)",
        ),
        (
            "own_nets:three",
            {"size": 8},
            "output of base network own_nets:three: expected float32 [N, features] or [N, C, H, W], got float32 "
            "[2, 3, 64] for 2 images (--base)",
        ),
        (
            "own_nets:stranger",
            {},
            "stages() of base network own_nets:stranger: expected modules of the network, got [ReLU()] (--base)",
        ),
        (
            "own_nets:Tall",
            {"pretrained": True},
            "published weights of own_nets:Tall: expected none, they are not known here, got --pretrained; load them "
            "in the function, or with --weights FILE.safetensors",
        ),
        (
            "own_nets:Tall",
            {"cut": 3},
            "cut of own_nets:Tall: expected 1..2 stages (low, high), got 3 (--cut)",
        ),
        (
            "own_nets:Plain",
            {"cut": 1},
            "base network own_nets:Plain cannot be cut: got neither an nn.Sequential nor stages() (--cut); "
            "leave --cut away",
        ),
        (
            "own_nets:Skipping",
            {"cut": 2},
            "base network own_nets:Skipping cannot be cut: got its stages when chained give something else than within "
            "the network (--cut); leave --cut away",
        ),
        (
            "own_nets:Tall",
            {"pooling": "max"},
            "base network own_nets:Tall has no map to pool: got one vector per image already (--pooling); "
            "leave --pooling away",
        ),
    ],
)
def test_what_is_wrong_with_a_users_network_is_one_line(
    name: str, options: dict[str, object], message: str, working_folder: Path
) -> None:
    """Form, import, name, call, output, attributes, cut and pooling."""
    line = 1 + NETS[: NETS.index("raise ValueError")].count("\n")
    with pytest.raises(UsageError) as caught:
        build_base(name, **options)  # type: ignore[arg-type]
    assert str(caught.value) == message.replace("{folder}", str(working_folder)).replace("{raising}", str(line))


def test_forward_that_fails_is_told_with_the_images_and_the_place() -> None:
    """A network made for another size."""
    with pytest.raises(UsageError) as caught:
        build_base("own_nets:half", size=24)
    text = str(caught.value)
    assert text.startswith("base network own_nets:half with images [2, 3, 24, 24]: expected float32 [N, features] or ")
    assert "got RuntimeError: " in text
    assert text.endswith("(--base); mend its forward, or choose another --size")
    assert "\n" not in text


def test_working_folder_never_takes_the_place_of_an_installed_package(working_folder: Path) -> None:
    """A folder called `json` there stays where it is, and our own modules are found whatever lies there."""
    (working_folder / "trainer.py").write_text("raise SystemExit('imported the wrong one')")
    (working_folder / "plistlib.py").write_text("raise SystemExit('imported the wrong one')")
    sys.modules.pop("plistlib", None)
    assert load_user_object("plistlib:loads", what="function", where="--loss").__module__ == "plistlib"
    assert load_user_object("own_nets:sized", what="function", where="--loss")
    assert sys.path[-1] == str(working_folder)
    assert (
        load_user_object("trainer.sampling.batches:batches", what="function", where="--loss").__module__
        == "trainer.sampling.batches"
    )
