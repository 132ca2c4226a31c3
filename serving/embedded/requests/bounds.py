"""Bounds of what one request may name, besides its bytes: far from what any model needs, and far from what hurts.

A tensor that is named takes two bytes of a message and a hundred times that in the server, and a shape of many numbers
a product that takes minutes: so few bytes are no bound for either.
"""

from __future__ import annotations

from artifact.errors import InvalidRequestError

MOST_NAMED = 4096
"""Inputs of a request; its outputs; its parameters; and those of one tensor."""
MOST_DIMS = 64
"""Of a shape: what arrays have."""


def require_few(num: int, what: str) -> None:
    """Raise InvalidRequestError for more than MOST_NAMED of something."""
    if num > MOST_NAMED:
        raise InvalidRequestError(f"a request may have at most {MOST_NAMED} {what}, got {num}")


def require_rank(num_dims: int) -> None:
    """Raise InvalidRequestError for a shape of more than MOST_DIMS lengths."""
    if num_dims > MOST_DIMS:
        raise InvalidRequestError(f"a shape may have at most {MOST_DIMS} dimensions, got {num_dims}")
