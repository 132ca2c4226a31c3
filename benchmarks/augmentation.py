"""Changes of a batch beside one training step of it, and beside torchvision's transforms of one image after the other.

CPU time of one thread, so that neighbours on the machine disturb least; all of a size is measured in interleaved
rounds. `light` is what training does by default, `strong` all that torchvision has an equal of, `everything` has bends
and stroke thickness on top. A `round_trip` is what pixels cost by being uint8 between augmentation and branch.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from trainer.augment.augmentation import augment
from trainer.config.settings import AugmentConfig
from trainer.networks.base_networks import build_base
from trainer.networks.branch import Branch
from trainer.networks.torchvision_guard import guard_torchvision

ROUNDS, WARM_UP, STEPS_EVERY = 24, 2, 4
BATCHES = {28: 100, 64: 64, 112: 32}
"""Side in pixels to images a batch."""

ALONE = 16
"""Images of a batch that go through torchvision, one after the other."""

SETTINGS: dict[str, dict[str, Any]] = {
    "moves": {
        "rotate_deg": 20,
        "translate": 0.1,
        "scale": 0.3,
        "aspect": 0.2,
        "shear_deg": 10,
        "crop": 0.5,
        "flip": True,
    },
    "colours": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.05, "grayscale": 0.2},
    "blur": {"blur": 0.5},
    "erase": {"erase": 0.5},
    "elastic": {"elastic": 0.03},
    "thickness": {"thickness": 0.5},
}
OFF = {"rotate_deg": 0.0, "translate": 0.0, "scale": 0.0}


def configs() -> dict[str, AugmentConfig]:
    """What is measured, by name."""
    everything = {key: value for group in SETTINGS.values() for key, value in group.items()}
    return {
        "light": AugmentConfig(),
        "strong": AugmentConfig(**(everything | {"elastic": 0, "thickness": 0})),
        "everything": AugmentConfig(**everything),
        **{name: AugmentConfig(**(OFF | group)) for name, group in SETTINGS.items()},
    }


def per_image(side: int) -> dict[str, Callable[[Tensor], Tensor]]:
    """torchvision's equals of `light` and `strong` for one image, uint8 [3, H, W]."""
    guard_torchvision()
    from torchvision.transforms import v2

    bilinear = v2.InterpolationMode.BILINEAR
    kernel = 2 * max(1, round(3 * 2 * side / 64)) + 1
    strong = [
        v2.RandomResizedCrop(side, scale=(0.5, 1), ratio=(1 / 1.2, 1.2), antialias=False),
        v2.RandomHorizontalFlip(),
        v2.RandomAffine(20, (0.1, 0.1), (1 / 1.3, 1.3), (-10, 10, -10, 10), interpolation=bilinear),
        v2.ColorJitter(0.4, 0.4, 0.4, 0.05),
        v2.RandomGrayscale(0.2),
        v2.RandomApply([v2.GaussianBlur(kernel, (0.1 * side / 64, 2 * side / 64))], 0.5),
        v2.RandomErasing(0.5, scale=(0.02, 0.2), ratio=(0.3, 3.3), value=128),
    ]
    light = [v2.RandomAffine(10, (0.08, 0.08), (1 / 1.1, 1.1), interpolation=bilinear)]
    return {"light": v2.Compose(light), "strong": v2.Compose(strong)}


def steps() -> dict[str, Callable[[Tensor], None]]:
    """Forward and backward of a batch, by base network; uint8 [N, H, W, 3] in."""
    guard_torchvision()
    import timm

    conv4 = build_base("conv4", pooling="avg")  # one network for every size
    resnet18 = timm.create_model("resnet18", num_classes=0)
    return {"conv4": _step(conv4.module, conv4.num_features), "resnet18": _step(resnet18, 512)}


def _step(base: torch.nn.Module, num_features: int) -> Callable[[Tensor], None]:
    half = (0.5, 0.5, 0.5)
    branch = Branch(base, num_features=num_features, embedding_dim=64, mean=half, std=half, normalize=True)
    branch.to(memory_format=torch.channels_last).train()

    def step(images: Tensor) -> None:
        branch.zero_grad(set_to_none=True)
        vectors = branch(images)
        (vectors[::2] - vectors[1::2]).square().sum().backward()

    return step


def measure(side: int, count: int) -> dict[str, Any]:
    """Medians of one size: milliseconds and ratios."""
    images = torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8)
    alone = images[:ALONE].permute(0, 3, 1, 2).contiguous()
    planes = images.permute(0, 3, 1, 2).contiguous().float()
    generator = torch.Generator().manual_seed(0)
    spent: dict[str, list[float]] = {}
    ours, theirs, networks = configs(), per_image(side), steps()
    for round_number in range(WARM_UP + ROUNDS):
        for name, config in ours.items():
            _time(spent, name, lambda config=config: augment(images, config, generator=generator))
        for name, change in theirs.items():
            _time(spent, f"torchvision {name}", lambda change=change: [change(image) for image in alone])
        _time(spent, "round_trip", lambda: _round_trip(planes))
        if round_number % STEPS_EVERY == 1:
            for name, step in networks.items():
                _time(spent, f"{name} step", lambda step=step: step(images))
    # the first round of everything compiles and allocates
    cost = {name: statistics.median(times[min(WARM_UP, len(times) - 4) :]) for name, times in spent.items()}
    return {
        "images_a_batch": count,
        "us_an_image": {name: round(1e6 * cost[name] / count, 1) for name in [*ours, "round_trip"]},
        "step_us_an_image": {name: round(1e6 * cost[f"{name} step"] / count, 1) for name in networks},
        **{
            f"pct_of_a_{network}_step": {
                name: round(100 * cost[name] / cost[f"{network} step"], 2)
                for name in ("light", "strong", "everything", "round_trip")
            }
            for network in networks
        },
        "times_faster_than_torchvision": {
            name: round(cost[f"torchvision {name}"] / ALONE / (cost[name] / count), 1) for name in theirs
        },
        "torchvision_us_an_image": {name: round(1e6 * cost[f"torchvision {name}"] / ALONE, 1) for name in theirs},
        "one_kind_after_the_other_over_all_at_once": round(
            sum(cost[name] for name in SETTINGS) / cost["everything"], 2
        ),
    }


def _round_trip(planes: Tensor) -> Tensor:
    """What would be saved if float planes went to the branch: rounding, the layout, and the way back."""
    return planes.add(0.5).to(torch.uint8).permute(0, 2, 3, 1).contiguous().to(torch.float32)


def _time(spent: dict[str, list[float]], name: str, call: Callable[[], object]) -> None:
    started = time.thread_time()
    call()
    spent.setdefault(name, []).append(time.thread_time() - started)


def run() -> dict[str, Any]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return {f"{side}_px": measure(side, count) for side, count in BATCHES.items()}
    finally:
        torch.set_num_threads(threads)
