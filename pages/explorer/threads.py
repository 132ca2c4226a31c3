"""Threads in which the page's server works answers out.

Decisions a reader would question:
- Answers of a kind have a few threads of their own: those that wait for an index to be built, or for a table of images
  to be read through, wait among their like, and everything else is answered.
- What is worked out once and takes minutes is one task: whoever asks awaits it, and holds no thread.
- Threads do not keep the process alive: a server that is told to stop does not wait for minutes of looking for
  outliers.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request


class Threads:
    """Some threads for one kind of answer.

    Args:
        most: how many at once.
    """

    def __init__(self, most: int) -> None:
        self._turns = asyncio.Semaphore(most)

    async def answer(self, request: Request, act: Callable[..., Any], *arguments: Any) -> Any:
        """What a function gives, for a client that is still there when its turn comes; raises ClientDisconnect."""
        async with self._turns:
            if await request.is_disconnected():
                raise ClientDisconnect
            return await _in_daemon(act, *arguments)

    async def run(self, act: Callable[..., Any], *arguments: Any) -> Any:
        """The same, whoever is there."""
        async with self._turns:
            return await _in_daemon(act, *arguments)


class WorkedOutOnce:
    """What a function gives of each name, worked out when it is first asked for, one name after the other."""

    def __init__(self, act: Callable[[str], Any]) -> None:
        self._act, self._threads = act, Threads(1)
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    async def of(self, name: str) -> Any:
        """Of one name; where that failed the next who asks begins anew."""
        task = self._tasks.get(name)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._tasks[name] = asyncio.create_task(self._threads.run(self._act, name))
        return await asyncio.shield(task)


async def _in_daemon(act: Callable[..., Any], *arguments: Any) -> Any:
    """What a function gives that runs in a thread which does not keep the process alive."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[Any] = loop.create_future()

    def tell(result: Any, error: BaseException | None) -> None:
        if told.done():
            return
        if error is not None:
            told.set_exception(error)
        else:
            told.set_result(result)

    def work() -> None:
        result, error = None, None
        try:
            result = act(*arguments)
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, result, error)

    threading.Thread(target=work, name="lookalike-explorer", daemon=True).start()
    return await told
