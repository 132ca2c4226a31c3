"""Precision of the base network while it trains: float32, or bfloat16 / float16 by autocast.

Decisions a reader would question:
- The embedding layer, normalisation and all distances stay in float32. A bfloat16 vector has 8 significant bits: the
  distances of near neighbours, which mining and the loss live on, would be steps and ties.
- `auto` asks for native bfloat16 instructions; emulated ones are slower than float32.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from artifact.kinds import ATTRIBUTES
from trainer.networks.branch import Branch

DTYPES: dict[str, torch.dtype | None] = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_precision(name: str, device: torch.device) -> str:
    """`fp32`, `bf16` or `fp16`; `auto` is bf16 where the device multiplies it natively, else fp32."""
    if name != "auto":
        return name
    return "bf16" if _has_native_bf16(device) else "fp32"


def is_slow(precision: str, device: torch.device) -> bool:
    """Whether float32 would be faster there: emulated numbers, or float16 on a CPU."""
    if precision == "bf16":
        return not _has_native_bf16(device)
    return precision == "fp16" and device.type == "cpu"


def _has_native_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    ask = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # no public name yet
    return bool(ask is not None and ask())


class InPrecision(nn.Module):
    """The branch as training runs it: uint8 [N, H, W, 3] -> float32 [N, embedding_dim], the base network in `dtype`."""

    def __init__(self, branch: Branch, precision: str) -> None:
        super().__init__()
        self.branch = branch
        self.dtype = DTYPES[precision]

    def forward(self, images: Tensor, rows: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Vectors of the images; with rows of attributes theirs too: float32 [N, A] -> float32 [N, embedding_dim]."""
        vectors = self._of_images(images)
        return vectors if rows is None else (vectors, self.branch.towers[ATTRIBUTES](rows))

    def _of_images(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, dtype=self.dtype, enabled=self.dtype is not None):
            features = self.branch.features(images)
        return self.branch.head(features.float())
