"""Examples in the docstrings of losses and distances: each runs and gives what it says."""

import doctest
import importlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from artifact.distances import DISTANCES
from artifact.losses import LOSSES

FORMULAS = {name: loss.formula for name, loss in LOSSES.items()} | {
    name: distance.between for name, distance in DISTANCES.items()
}


@pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS)
def test_examples_of_formulas_run(formula: Callable[..., Any]) -> None:
    """Every loss and every distance has one, and it is true."""
    module = importlib.import_module(formula.__module__)
    assert ">>> " in (inspect.getdoc(formula) or "")
    failed, attempted = doctest.testmod(module)
    assert attempted > 0
    assert failed == 0
