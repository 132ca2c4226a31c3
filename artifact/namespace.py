"""Namespace: the few functions that a formula needs besides operators, of whatever arrays it is given.

A distance or a loss is written once, over `+ - * / abs` and a namespace that is handed in: NUMPY here for rows of a
table, `trainer/objective/tensors.py` for training, `export/graph_values.py` for the nodes of a graph. So nothing here
knows torch.

Decision a reader would question: every namespace has every function, also where no built-in formula uses it: `sqrt`,
and of a graph `relu`, `softplus` and `where`. They are the seam for a new distance or loss, which is one file and knows
no namespace by name (tests/artifact/losses/test_additions.py adds some that need them).
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

Array = Any
"""A NumPy array, a tensor of torch or a value of a graph; mypy has no name for what the three share."""


class Namespace(Protocol):
    """Functions of one library's arrays; elementwise but for `sum` and `length`, which take the last axis away."""

    def sum(self, values: Array) -> Array:
        """[..., n] -> [...]."""

    def length(self, values: Array) -> Array:
        """Square root of the sum of squares, [..., n] -> [...]; its gradient at 0 is 0."""

    def sqrt(self, values: Array) -> Array:
        """Square root; its gradient at 0 is 0."""

    def at_least(self, values: Array, least: float) -> Array:
        """The larger of a value and a number."""

    def relu(self, values: Array) -> Array:
        """The value where it is above 0, else 0; its gradient at 0 is 0."""

    def softplus(self, values: Array) -> Array:
        """log(1 + exp(value)), finite for large values."""

    def where(self, condition: Array, yes: Array, no: Array) -> Array:
        """`yes` where the bool `condition` holds, else `no`."""


class _NumpyNamespace:
    """Of NumPy arrays; what is float32 stays float32."""

    def sum(self, values: Array) -> Array:
        return values.sum(axis=-1)

    def length(self, values: Array) -> Array:
        return np.sqrt(np.square(values).sum(axis=-1))

    def sqrt(self, values: Array) -> Array:
        return np.sqrt(values)

    def at_least(self, values: Array, least: float) -> Array:
        return np.maximum(values, least)

    def relu(self, values: Array) -> Array:
        return np.maximum(values, 0)

    def softplus(self, values: Array) -> Array:
        return np.logaddexp(np.zeros_like(values), values)

    def where(self, condition: Array, yes: Array, no: Array) -> Array:
        return np.where(condition, yes, no)


NUMPY: Namespace = _NumpyNamespace()
