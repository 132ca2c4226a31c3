"""The explorer's page served to a browser of this machine, which asks for what it shows as it shows it.

An ASGI application of plain callables: whoever makes it knows tables, indexes and models, this file does not.

    /                  the page                       /thumbnails?rows=1.2.3    small pictures of some rows
    /blocks/NAME       places, ids, column-N, names-N    /pictures/ROW    the picture as its file is
    /findings/NAME     a tab's findings               /embed POST      a picture -> its place and neighbours
    /neighbours/ROW    the nearest others of a row    /tags GET, POST  the tags of all rows; more of them

Decisions a reader would question:
- Rows are numbers everywhere: no name of a file is ever taken from a request.
- What takes long runs in threads, a few for each kind of answer (pages/explorer/threads.py): the page, its columns and
  tags are answered while an index is built or findings are looked for.
- Answers of several parts are parts with their length before them (4 bytes, little-endian): a picture is not made a
  third larger to stand in JSON.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from artifact.errors import LookalikeError, printable
from artifact.images.image_error import ImageError
from artifact.images.limits import too_many_bytes
from pages.explorer.answers import Answers, Landing, Near, TagColumn
from pages.explorer.data import Categories, ExplorerData
from pages.explorer.guard import App, Guard
from pages.explorer.page import frame, policy, script
from pages.explorer.threads import Threads, WorkedOutOnce
from pages.explorer.writer import column_block, json_block, page_facts

SERVED_SCRIPTS = ("served.js", "dropped.js", "tagging.js")
MOST_THUMBNAILS = 128
_MOST_TAG_BYTES = 32 * 2**20
"""Of the row numbers of a selection of three million rows."""
_UPLOAD_S = 60.0
_UPLOADS = 4
_THREADS = 4
"""For each kind of answer."""
_BINARY = "application/octet-stream"


def explorer_app(answers: Answers, token: str, *, report: Callable[[str], None]) -> App:
    """The application; `report` gets a line for each error that is nobody's but ours."""
    return Guard(_Explorer(answers, report).app, token)


class _RefusedError(Exception):
    """A request that is answered with a status and one line."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class _Explorer:
    """The routes."""

    def __init__(self, answers: Answers, report: Callable[[str], None]) -> None:
        self._answers, self._report = answers, report
        self._page, self._policy = _page_of(answers)
        self._findings = WorkedOutOnce(lambda name: json_block(answers.finding(name)))
        kinds = ("blocks", "neighbours", "thumbnails", "pictures", "embed", "tags")
        self._threads = {kind: Threads(_THREADS) for kind in kinds}
        self._uploads = {kind: asyncio.Semaphore(_UPLOADS) for kind in ("embed", "tags")}
        routes = {
            "/": self._get_page,
            "/blocks/{name}": self._get_block,
            "/findings/{name}": self._get_finding,
            "/neighbours/{row}": self._get_neighbours,
            "/thumbnails": self._get_thumbnails,
            "/pictures/{row}": self._get_picture,
            "/tags": self._get_tags,
        }
        posts = {"/embed": self._post_embed, "/tags": self._post_tags}
        self.app = Starlette(
            routes=[
                *(Route(path, self._told(act), methods=["GET"]) for path, act in routes.items()),
                *(Route(path, self._told(act), methods=["POST"]) for path, act in posts.items()),
            ]
        )
        self.app.router.redirect_slashes = False

    def _told(self, act: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """`act`, whose errors are answers of one line."""

        async def answer(request: Request) -> Response:
            try:
                return await act(request)
            except _RefusedError as error:
                return JSONResponse({"error": str(error)}, error.status)
            except ClientDisconnect:
                return Response(status_code=400)
            except (LookalikeError, ImageError) as error:
                return JSONResponse({"error": printable(str(error))}, 422)
            except Exception as error:
                self._report(f"internal error: {type(error).__name__}: {printable(str(error))}")
                return JSONResponse({"error": "internal error; the terminal has more"}, 500)

        return answer

    async def _get_page(self, request: Request) -> Response:
        return Response(
            self._page, media_type="text/html; charset=utf-8", headers={"content-security-policy": self._policy}
        )

    async def _get_block(self, request: Request) -> Response:
        name = request.path_params["name"]
        found = await self._threads["blocks"].answer(request, _block, self._answers.data, name)
        return Response(found, media_type=_BINARY)

    async def _get_finding(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in dict(self._answers.tabs):
            raise _RefusedError(404, "no such tab")
        return Response(await self._findings.of(name), media_type="application/json")

    async def _get_neighbours(self, request: Request) -> Response:
        row = self._row(request.path_params["row"])
        return JSONResponse(_near(await self._threads["neighbours"].answer(request, self._answers.neighbours, row)))

    async def _get_thumbnails(self, request: Request) -> Response:
        if self._answers.thumbnails is None:
            raise _RefusedError(404, "no pictures")
        rows = [self._row(text) for text in request.query_params.get("rows", "").split(".")]
        if len(rows) > MOST_THUMBNAILS:
            raise _RefusedError(400, f"more than {MOST_THUMBNAILS} rows")
        found = await self._threads["thumbnails"].answer(request, self._answers.thumbnails, rows)
        return Response(_framed([each or b"" for each in found]), media_type=_BINARY)

    async def _get_picture(self, request: Request) -> Response:
        if self._answers.picture is None:
            raise _RefusedError(404, "no pictures")
        row = self._row(request.path_params["row"])
        kind, content = await self._threads["pictures"].answer(request, self._answers.picture, row)
        return Response(content, media_type=kind)

    async def _post_embed(self, request: Request) -> Response:
        if self._answers.embed is None:
            raise _RefusedError(404, "no model: start with --model")
        async with self._uploads["embed"]:
            content = await _body(request, self._answers.max_upload_bytes)
            if not content:
                raise _RefusedError(422, "an empty file, no picture")
            found: Landing = await self._threads["embed"].answer(request, self._answers.embed, content)
        return JSONResponse({"x": found.x, "y": found.y, "neighbours": _near(found.neighbours)})

    async def _get_tags(self, request: Request) -> Response:
        return await self._tags()

    async def _post_tags(self, request: Request) -> Response:
        async with self._uploads["tags"]:
            content = await _body(request, _MOST_TAG_BYTES)
            rows, tag, take = await self._threads["tags"].run(_asked_tags, content, self._answers.data.num_rows)
        return await self._tags(await self._threads["tags"].run(self._answers.tag, rows, tag, take))

    async def _tags(self, *changed: int) -> Response:
        found: TagColumn = await self._threads["tags"].run(self._answers.tags)
        codes = np.ascontiguousarray(found.codes, "<u4").tobytes()
        parts = [json_block(list(found.names)), json_block(list(found.tags)), codes, *map(json_block, changed)]
        return Response(_framed(parts), media_type=_BINARY)

    def _row(self, text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) < 16 and int(text) < self._answers.data.num_rows:
            return int(text)
        raise _RefusedError(404, "no such row")


def _page_of(answers: Answers) -> tuple[bytes, str]:
    """The page and its Content-Security-Policy."""
    data, source = answers.data, script(SERVED_SCRIPTS)
    allowed = policy(source, connect="'self'")
    before, after = frame(
        title=data.title,
        about=data.about,
        notes=data.notes,
        num_rows=f"{data.num_rows:,}",
        pictures=answers.thumbnails is not None,
        no_pictures=data.no_pictures,
        policy=allowed,
        served=True,
        has_model=answers.embed is not None,
        takes_attributes=bool(answers.attributes),
        attributes=answers.attributes,
    )
    facts = page_facts(data, served=True) | {
        "num_neighbours": answers.num_neighbours,
        "has_pictures": answers.thumbnails is not None,
        "model": answers.model if answers.embed is not None else None,
        "takes_attributes": bool(answers.attributes),
        "max_upload_bytes": answers.max_upload_bytes,
        "findings": [{"name": name, "title": title, "count": None} for name, title in answers.tabs],
    }
    facts["tags_column"] = len(facts["columns"])
    named = {each["name"] for each in facts["columns"]}
    name = "tags" if "tags" not in named else "tags (given here)"
    facts["columns"].append({"name": name, "kind": "category", "bytes": 4, "is_set": False})
    told = json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c")
    page = f'{before}<script type="application/json" id="facts">{told}</script>\n<script>{source}</script>\n{after}'
    return page.encode("utf-8", errors="replace"), f"{allowed}; frame-ancestors 'none'"


def _block(data: ExplorerData, name: str) -> bytes:
    if name == "places":
        return np.ascontiguousarray(data.places, "<f4").tobytes()
    if name == "ids":
        return data.ids
    kind, _, text = name.partition("-")
    if text.isascii() and text.isdigit() and len(text) < 9 and int(text) < len(data.columns):
        column = data.columns[int(text)]
        if kind == "column":
            return column_block(column)
        if kind == "names" and isinstance(column, Categories):
            return json_block(list(column.names))
    raise _RefusedError(404, "no such block")


def _near(found: Sequence[Near]) -> list[dict[str, Any]]:
    return [{"row": int(each.row), "distance": float(each.distance)} for each in found]


def _framed(parts: Sequence[bytes]) -> bytes:
    return b"".join(piece for part in parts for piece in (struct.pack("<I", len(part)), part))


async def _body(request: Request, max_bytes: int) -> bytes:
    """What was sent; raises _RefusedError for more than so many bytes, before they are read, or sent too slowly."""
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > max_bytes:
        raise _RefusedError(413, too_many_bytes(int(length), max_bytes))
    content = bytearray()
    try:
        async with asyncio.timeout(_UPLOAD_S):
            async for chunk in request.stream():
                content += chunk
                if len(content) > max_bytes:
                    raise _RefusedError(413, too_many_bytes(max_bytes + 1, max_bytes))
    except TimeoutError:
        raise _RefusedError(408, f"not sent within {_UPLOAD_S:.0f} seconds") from None
    return bytes(content)


def _asked_tags(content: bytes, num_rows: int) -> tuple[list[int], str, bool]:
    """Rows, tag and whether it is taken away, of a request; raises _RefusedError."""
    try:
        asked = json.loads(content)
    except ValueError:
        raise _RefusedError(400, "not JSON") from None
    if not isinstance(asked, dict):
        raise _RefusedError(400, 'expected {"rows", "tag", "take"}')
    rows, tag, take = asked.get("rows"), asked.get("tag"), asked.get("take", False)
    if not isinstance(rows, list) or not rows or not isinstance(tag, str) or not isinstance(take, bool):
        raise _RefusedError(400, 'expected {"rows": numbers, "tag": text, "take": true or false}')
    if not all(type(row) is int and 0 <= row < num_rows for row in rows):
        raise _RefusedError(400, f"expected rows of 0 to {num_rows - 1}")
    return rows, tag, take
