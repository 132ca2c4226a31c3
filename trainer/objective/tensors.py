"""Namespace of torch tensors, for formulas of distances and losses (artifact/namespace.py); gradients are finite."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own idiom
from torch import Tensor

from artifact.namespace import Namespace


class _TensorNamespace:
    """The namespace of tensors, with gradients; roots have gradient 0 at 0, where torch's own is infinite or NaN."""

    def sum(self, values: Tensor) -> Tensor:
        return values.sum(dim=-1)

    def length(self, values: Tensor) -> Tensor:
        lengths: Tensor = torch.linalg.vector_norm(values, dim=-1)
        return lengths

    def sqrt(self, values: Tensor) -> Tensor:
        is_zero = values == 0
        return values.masked_fill(is_zero, 1.0).sqrt().masked_fill(is_zero, 0.0)

    def at_least(self, values: Tensor, least: float) -> Tensor:
        return values.clamp_min(least)

    def relu(self, values: Tensor) -> Tensor:
        return F.relu(values)

    def softplus(self, values: Tensor) -> Tensor:
        return F.softplus(values)

    def where(self, condition: Tensor, yes: Tensor, no: Tensor) -> Tensor:
        return yes.where(condition, no)


TENSORS: Namespace = _TensorNamespace()
