"""Dims as callers give them: how many numbers of a vector, as an int. It loads nothing, for options are read by it."""

from __future__ import annotations

import operator

from artifact.errors import UsageError


def as_dims(dims: object, *, where: object = None) -> int:
    """A number of numbers, of any whole type (numpy's too), as an int; raises UsageError.

    Args:
        where: the artifact or the table, for the message.
    """
    try:
        if isinstance(dims, bool):
            raise TypeError
        return operator.index(dims)  # type: ignore[arg-type]  # whoever calls may give anything
    except TypeError:
        raise UsageError("dims", expected="a whole number", got=repr(dims), where=where) from None
