"""The REST front as an ASGI application: each path a translation and one call.

Decisions a reader would question:
- One callable and no framework: of its parts (routing, requests that read their body, responses) each would have to be
  put aside here, where paths are read as they were sent and bodies are counted while they come.
- What blocks (a request that waits for its batch, a load) runs in threads, as many as gRPC's. More requests than those
  are refused at once; health is answered by the loop itself, however full the server is.
- A client that goes away is noticed only once its request takes long: to watch for it costs as much as a small request.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from artifact.errors import InvalidRequestError, UnavailableError, UnsupportedError
from serving.embedded.access.tokens import Right
from serving.embedded.answering.absent import LOG_SETTINGS, SHARED_MEMORY, TRACING, require_no_region
from serving.embedded.answering.control import Control
from serving.embedded.answering.inference import answer, note_refused
from serving.embedded.answering.refusals import refusal
from serving.embedded.models.store import ModelStore
from serving.embedded.operations.recorder import Recorder
from serving.embedded.over_http.bodies import Disconnected, Receive, read_body, unpacked
from serving.embedded.over_http.inference import Wanted, header_length, infer_response, raw_request, read_request
from serving.embedded.over_http.json_values import bool_of, is_true, memory_of, object_of, parsed
from serving.embedded.over_http.message_json import message_json
from serving.embedded.over_http.origin import HttpOrigin
from serving.embedded.over_http.paths import Action, Target, target_of
from serving.embedded.over_http.responses import (
    HEADER_LENGTH,
    JSON,
    HttpRefusal,
    Response,
    compressed,
    json_response,
    refused,
    send_response,
    status_of,
)
from serving.embedded.over_http.room import Held, Room
from serving.embedded.requests.caller import Gone, Presence
from serving.embedded.workers import Workers
from serving.protocol import QUEUE_FULL

_WATCH_AFTER_S = 0.05
"""A request that is not answered by then is given up when its client goes away."""

Send = Callable[[Any], Any]


class HttpApp:
    """Answers for the models of a store.

    Args:
        store: the models.
        threads: run what blocks.
        most: requests at a time that threads are there for.
        largest: bytes of a body.
        room: bytes of all bodies that are in the server, while they come in.
        quiet_s: longest wait for the next part of a body.
        version: of this server, told in its metadata.
        report: gets one line for every error that is this server's own fault.
        recorder: is told of every request for an inference.

    Attributes:
        is_leaving: every answer is the last of its connection.
    """

    def __init__(
        self,
        store: ModelStore,
        threads: Workers,
        *,
        most: int,
        largest: int,
        room: int,
        quiet_s: float,
        version: str,
        report: Callable[[str], None],
        recorder: Recorder,
    ) -> None:
        self._store, self._threads, self._most, self._report = store, threads, most, report
        self._largest, self._room, self._quiet_s = largest, Room(room), quiet_s
        self._control = Control(store, version=version)
        self._recorder = recorder
        self._running = 0
        self.is_leaving = False

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """ASGI; only for requests."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            path, origin = scope["raw_path"].decode("latin-1"), HttpOrigin(headers, scope.get("client"))
            response = await self._answer(scope["method"], path, origin, receive)
        except Disconnected:
            return
        if origin.told or self.is_leaving:
            closing = (("connection", "close"),) if self.is_leaving else ()
            response = response._replace(headers=(*response.headers, *origin.told, *closing))
        await send_response(send, response)

    async def _answer(self, method: str, path: str, origin: HttpOrigin, receive: Receive) -> Response:
        target = target_of(path)
        if target is None:
            return refused(404, "Not Found")
        if method != (target.action.method or method) or method not in ("GET", "POST"):
            return refused(405, "Method Not Allowed")
        if target.action is Action.LIVE:
            return Response(200)
        if target.action is Action.READY:
            return Response(200 if self._control.is_ready() else 400)
        try:
            with Held(self._room) as held:
                body = b""
                if method == "POST":
                    body = await read_body(receive, origin.headers(), held, limit=self._largest, quiet_s=self._quiet_s)
                return await self._in_thread(partial(self._blocking, target, origin, body, held), receive)
        except HttpRefusal as said:
            if target.action is Action.INFER:
                self._note(said, target, origin, 0)
            return said.response
        except Disconnected:
            raise
        except Exception as error:
            if target.action is Action.INFER:
                self._note(error, target, origin, 0)
            return self._refused(error)

    def _note(self, error: Exception, target: Target, origin: HttpOrigin, num_bytes: int) -> None:
        """Have a request recorded that was refused before it came to its model."""
        if isinstance(error, HttpRefusal):
            kind = UnsupportedError if error.response.status == 501 else InvalidRequestError
            error = kind(str(error))
        note_refused(self._recorder, error, origin, target.model, target.version, num_bytes)

    def _refused(self, error: Exception) -> Response:
        code, text = refusal(error, self._report)
        return refused(status_of(code), text)

    async def _in_thread(self, call: Callable[[Presence], Response], receive: Receive) -> Response:
        """The response that a call gives in a thread; what it gets tells whether the client is still there."""
        if self._running >= self._most:
            raise UnavailableError(QUEUE_FULL)
        loop = asyncio.get_running_loop()
        client = _Client(receive)
        present = Presence(client.is_there, client.when_gone, self._threads.resting)
        watch = loop.call_later(_WATCH_AFTER_S, client.watch)
        self._running += 1
        try:
            return await loop.run_in_executor(self._threads, call, present)
        finally:
            self._running -= 1
            watch.cancel()
            client.forget()

    def _blocking(self, target: Target, origin: HttpOrigin, body: bytes, held: Held, presence: Presence) -> Response:
        try:
            if target.action is Action.INFER:
                response, headers = self._infer(target, origin, body, held, presence), origin.headers()
                return compressed(response, headers["accept-encoding"]) if "accept-encoding" in headers else response
            return self._told(target, body)
        except HttpRefusal as said:
            return said.response
        except Exception as error:
            return self._refused(error)

    def _infer(self, target: Target, origin: HttpOrigin, body: bytes, held: Held, presence: Presence) -> Response:
        headers = origin.headers()
        try:
            self._store.find(target.model, target.version)  # refused before anything is unpacked
            body = unpacked(body, headers.get("content-encoding", ""), held, limit=self._largest)
            length = header_length(headers.get(HEADER_LENGTH), len(body))
            held.add(memory_of(body, length))
        except Exception as error:
            self._note(error, target, origin, len(body))
            raise
        wanted = Wanted(binary=length == 0 and headers.get("accept", "") != JSON)

        def read(signature: Any) -> Any:
            if length == 0:
                return raw_request(body, signature, target.model, target.version)
            return read_request(body, length, target.model, target.version, wanted)

        answered = answer(
            self._store,
            target.model,
            target.version,
            read,
            num_bytes=len(body),
            presence=presence,
            recorder=self._recorder,
            origin=origin,
        )
        return infer_response(target.model, answered, wanted)

    def _told(self, target: Target, body: bytes) -> Response:
        """Everything but inferences."""
        control, action = self._control, target.action
        if action is Action.SERVER:
            return json_response(message_json(control.server_metadata()))
        if action is Action.MODEL_READY:
            ready = control.is_model_ready(target.model, target.version)
            return Response(200) if ready else refused(400, "Model version not ready")
        if action is Action.METADATA:
            return json_response(message_json(control.model_metadata(target.model, target.version)))
        if action is Action.CONFIG:
            return json_response(message_json(control.model_config(target.model, target.version))["config"])
        if action is Action.STATISTICS:
            return json_response(message_json(control.statistics(target.model, target.version)))
        if action is Action.INDEX:
            return self._index(target, parsed(body) if body else {})
        if action is Action.LOAD:
            given = object_of(parsed(body), "parameters") if body else {}
            control.load(target.model, repository=target.repository, parameters=given)
            return Response(200, (), (("content-type", JSON),))
        if action is Action.UNLOAD:
            given = object_of(parsed(body), "parameters") if body else {}
            dependents = "unload_dependents" in given and bool_of(given, "unload_dependents")
            control.unload(target.model, repository=target.repository, dependents=dependents)
            return Response(200, (), (("content-type", JSON),))
        if action is Action.REGIONS:
            require_no_region(target.kind, target.region)
            return json_response([])
        raise UnsupportedError(_OFF[action])

    def _index(self, target: Target, asked: Any) -> Response:
        only_ready = isinstance(asked, dict) and "ready" in asked and is_true(asked["ready"])
        index = message_json(self._control.index(repository=target.repository, only_ready=only_ready))
        entries = [{name: value for name, value in entry.items() if value} for entry in index["models"]]
        return json_response(entries)


def right_of(path: str) -> Right | None:
    """The right that a path needs; None for one that is everybody's."""
    target = target_of(path)
    if target is None or target.action in (Action.LIVE, Action.READY):
        return None
    return Right.SCORE if target.action in _SCORING else Right.CONTROL


_SCORING = (Action.SERVER, Action.MODEL_READY, Action.METADATA, Action.INFER)
_OFF = {Action.REGISTER: SHARED_MEMORY, Action.TRACE: TRACING, Action.LOGGING: LOG_SETTINGS}


class _Client:
    """Whether a client is still there, watched on demand; asked from other threads than the loop's."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._is_gone = receive, False
        self._changed = threading.Lock()
        self._calls: list[Gone] = []
        self._task: asyncio.Task[None] | None = None

    def is_there(self) -> bool:
        return not self._is_gone

    def when_gone(self, call: Gone) -> None:
        with self._changed:
            self._calls.append(call)
            is_gone = self._is_gone
        if is_gone:
            call()

    def watch(self) -> None:
        self._task = asyncio.ensure_future(self._wait())

    def forget(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        with self._changed:
            self._is_gone = True
            calls = list(self._calls)
        for call in calls:
            call()
