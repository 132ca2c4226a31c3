"""A guard under which timm can be imported where torchvision's compiled part cannot be loaded.

timm imports torchvision. A torchvision wheel built for CUDA beside a CPU-only torch cannot load its compiled part and
then fails on import with `operator torchvision::nms does not exist`, although timm's networks need none of it. Defining
the two operators' signatures before the first import is enough. A torchvision whose compiled part loads is not touched.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import torch

_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_OPERATORS = ("nms", "qnms")

_library: torch.library.Library | None = None
"""Kept for the life of the process: torch forgets the definitions when the Library is collected."""


def guard_torchvision() -> bool:
    """Define torchvision's missing operators; to be called right before the first `import timm`.

    Returns:
        True where the definitions were needed and are in place; False where torchvision is healthy, absent, or
        imported already.
    """
    global _library
    if _library is not None:
        return True
    if "torchvision" in sys.modules or _compiled_part_loads():
        return False
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call] # torch
    for operator in _OPERATORS:
        library.define(operator + _SIGNATURE)  # type: ignore[no-untyped-call] # torch
    _library = library
    return True


def _compiled_part_loads() -> bool:
    """Load torchvision's operators as torchvision itself would; loading them twice does no harm."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True
    if hasattr(torch.ops.torchvision, "nms"):
        return True
    for path in Path(spec.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(str(path))  # type: ignore[no-untyped-call] # torch
        except OSError:
            return False
        return hasattr(torch.ops.torchvision, "nms")
    return False
