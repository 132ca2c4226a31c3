"""Who waits for an answer, as the batcher has to know: how much it hurries, and whether it is still there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Gone = Callable[[], None]


def _always() -> bool:
    return True


def _never(call: Gone) -> None:
    """Nobody goes away."""


@dataclass(frozen=True)
class Presence:
    """Whether the client of a request is still there.

    Attributes:
        is_active: False once nobody waits for the answer.
        when_gone: has a function called once nobody waits any more, from whatever thread notices; at once if that is
            so already. It may be called after the answer too, and must do nothing then.
    """

    is_active: Callable[[], bool] = _always
    when_gone: Callable[[Gone], object] = _never


@dataclass(frozen=True)
class Caller:
    """A request's client, and what it asks of the queue.

    Attributes:
        presence: see Presence.
        priority: 1 is the highest; 0 leaves it to the model's config.
        timeout_us: longest wait in microseconds; 0 leaves it to the model's config, which may not allow another.
    """

    presence: Presence = Presence()
    priority: int = 0
    timeout_us: int = 0


PATIENT = Caller()
"""For callers that never give up on a request."""
