"""Installed packages with weights, written as a wheel would leave them: a module and its dist-info."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from trainer.networks.torchvision_guard import guard_torchvision

APACHE = """Apache Software License 2.0
Licensed under the Apache License, Version
2.0 (the "License");
"""


@contextmanager
def installed(site: Path) -> Iterator[None]:
    """The packages of a folder at the front of the path inside; then their modules are forgotten."""
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    before = set(sys.modules)
    try:
        yield
    finally:
        sys.path.remove(str(site))
        for name in set(sys.modules) - before:
            if str(site) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


def write_package(
    site: Path,
    name: str,
    *,
    version: str = "1.0",
    code: str = "",
    entry_points: dict[str, str] | None = None,
    licence: str | None = APACHE,
    metadata: str = "License: UNKNOWN\n",
) -> Path:
    """Write the package into a folder of the path; returns the folder of its module, which holds `code`."""
    module = name.replace("-", "_")
    (site / module).mkdir(parents=True)
    (site / module / "__init__.py").write_text(code)
    info = site / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}")
    listed = [f"{module}/__init__.py", f"{info.name}/METADATA", f"{info.name}/RECORD"]
    if licence is not None:
        (info / "LICENSE").write_text(licence)
        listed.append(f"{info.name}/LICENSE")
    if entry_points:
        lines = [f"{network} = {target}" for network, target in entry_points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[lookalike.weights]", *lines, ""]))
        listed.append(f"{info.name}/entry_points.txt")
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in listed))
    return site / module


def offer(network: str, sha256: str, *, file: str = "w.pth", also: str = "") -> str:
    """Code of a module whose function `weights` offers the file beside it; `also`: more arguments."""
    return (
        "from pathlib import Path\n"
        "from trainer.networks.packaged_weights import PackagedWeights\n"
        "def weights():\n"
        f"    file = Path(__file__).parent / {file!r}\n"
        f"    return PackagedWeights(network={network!r}, file=file, sha256={sha256!r}, {also})\n"
    )


def tensors_of(network: str) -> dict[str, Tensor]:
    """Random ones for the whole network, output layer included, in timm's order and under its names."""
    guard_torchvision()
    import timm

    torch.manual_seed(7)
    tensors = timm.create_model(network).state_dict()
    return {key: torch.rand_like(value) if value.is_floating_point() else value for key, value in tensors.items()}


def offer_weights(
    site: Path, network: str, tensors: dict[str, Tensor], *, sha256: str = "", also: str, name: str = "lite_weights"
) -> None:
    """Write a package with the tensors and an entry point that offers them; `also`: what it says of them."""
    folder = write_package(site, name, entry_points={network: f"{name}:weights"})
    torch.save(tensors, folder / "w.pth")
    found = hashlib.sha256((folder / "w.pth").read_bytes()).hexdigest()
    (folder / "__init__.py").write_text(offer(network, sha256 or found, also=also))
