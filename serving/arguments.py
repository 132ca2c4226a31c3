"""Arguments of a constructor that are the fields of a dataclass: written once, seen by type checkers and by help()."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

First = TypeVar("First")
Options = ParamSpec("Options")


def takes(
    options: Callable[Options, Any],
) -> Callable[[Callable[Concatenate[Any, First, ...], None]], Callable[Concatenate[Any, First, Options], None]]:
    """A constructor `(self, first, **options)` with the arguments of `options` in the place of its `**options`."""

    def give(
        constructor: Callable[Concatenate[Any, First, ...], None],
    ) -> Callable[Concatenate[Any, First, Options], None]:
        own = inspect.signature(constructor)
        kept = [each for each in own.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        parameters = [*kept, *inspect.signature(options).parameters.values()]
        constructor.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        return constructor

    return give
