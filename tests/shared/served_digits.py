"""A page's server over scored digits, in this process, and requests to it as they are sent."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artifact.images.limits import DEFAULT_LIMITS, Limits
from lookalike.cli import main
from lookalike.commands.connecting import open_scorer
from lookalike.exploring.assembly import Wanted
from lookalike.exploring.listening import page_server
from lookalike.exploring.served import open_served
from pages.explorer.guard import new_token
from pages.explorer.server import explorer_app
from rows.vectors.table import VectorTable
from tests.shared.explored_digits import digits_table
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.waiting import WAIT_S


@dataclass(frozen=True)
class Answer:
    """An answer; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Asked:
    """A server that is asked as a browser's page asks it, or otherwise.

    Attributes:
        port, token: its own.
        table: what it shows.
    """

    def __init__(self, port: int, token: str, table: VectorTable) -> None:
        self.port, self.token, self.table = port, token, table

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"{self.origin}/{self.token}/"

    def get(self, path: str, **headers: str) -> Answer:
        """GET of a path below the token."""
        return self.send("GET", f"/{self.token}/{path}", headers)

    def post(self, path: str, body: bytes | dict[str, Any], **headers: str) -> Answer:
        """POST by a page of the server, unless `Origin` is another."""
        content = json.dumps(body).encode() if isinstance(body, dict) else body
        return self.send("POST", f"/{self.token}/{path}", {"Origin": self.origin} | headers, content)

    def send(self, method: str, target: str, headers: Mapping[str, str] = {}, body: bytes | None = None) -> Answer:
        """A request with exactly this target and these headers; Host is the server's own unless it is among them."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        try:
            connection.putrequest(method, target, skip_host="Host" in headers, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body is not None and "Content-Length" not in headers:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            found = connection.getresponse()
            named = {name.lower(): value for name, value in found.getheaders()}
            return Answer(found.status, named, found.read())
        finally:
            connection.close()


def scored_digits(folder: Path, *, num_rows: int = 60) -> Path:
    """Digits, a model `tiny` in `models`, and the vectors that it gives them, in `v`; the folder itself."""
    digits_table(folder, num_rows=num_rows)
    publish_tiny(folder / "models")
    model = ["--model", "tiny", "--repository", str(folder / "models")]
    assert main(["score", str(folder / "images"), *model, "--output", str(folder / "v"), "--json"]) == 0
    return folder


@contextlib.contextmanager
def serving(
    folder: Path,
    *,
    tables: tuple[str, ...] = ("v",),
    has_model: bool = True,
    model: str = "tiny",
    limits: Limits = DEFAULT_LIMITS,
    **wanted: Any,
) -> Iterator[Asked]:
    """A server of what `scored_digits` made, in threads of this process."""
    opened = [VectorTable.open(folder / name) for name in tables]
    reports: list[str] = []
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(page_server(0, report=reports.append))
        scorer = stack.enter_context(open_scorer(model, repository=folder / "models")) if has_model else None
        options: dict[str, Any] = {"label": "label", "findings": ("duplicates", "outliers", "labels", "comparison")}
        served, _ = open_served(opened, Wanted(limits=limits, **options | wanted), scorer=scorer)
        token = new_token()
        server.start(explorer_app(served.answers(), token, report=reports.append))
        yield Asked(server.port, token, opened[0])
    assert not reports, reports
