"""Run tasks on a pool, some ahead of the one that is waited for; results in order, memory bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future
from typing import TypeVar

Result = TypeVar("Result")


def in_order(tasks: Iterable[Callable[[], Result]], pool: Executor, *, ahead: int) -> Generator[Result, None, None]:
    """Results of the tasks in their order; at most `ahead` tasks are taken before the oldest has been handed out.

    The first task to fail raises here. Leaving early, by that or by closing the iterator, cancels what has not begun.
    """
    taken: deque[Future[Result]] = deque()
    try:
        for task in tasks:
            taken.append(pool.submit(task))
            if len(taken) >= ahead:
                yield taken.popleft().result()
        while taken:
            yield taken.popleft().result()
    finally:
        for future in taken:
            future.cancel()
