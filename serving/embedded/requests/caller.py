"""Who waits for an answer, as the batcher has to know: how much it hurries, and whether it is still there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from serving.embedded.requests.timings import Timings

Gone = Callable[[], None]

CANCELLED = "the request was cancelled or its deadline passed while it waited"


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
        resting: entered by the thread of the request while it waits, or computes without the interpreter, for longer
            than it takes to say so; other requests may have its place meanwhile.
    """

    is_active: Callable[[], bool] = _always
    when_gone: Callable[[Gone], object] = _never
    resting: Callable[[], AbstractContextManager[None]] = nullcontext


@dataclass(frozen=True)
class Caller:
    """A request's client, and what it asks of the queue.

    Attributes:
        presence: see Presence.
        priority: 1 is the highest; 0 leaves it to the model's config.
        timeout_us: longest wait in microseconds; 0 leaves it to the model's config, which may not allow another.
        timings: the moments of the request are noted there; None notes nothing.
    """

    presence: Presence = Presence()
    priority: int = 0
    timeout_us: int = 0
    timings: Timings | None = None


PATIENT = Caller()
"""For callers that never give up on a request."""
