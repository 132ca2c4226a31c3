"""What the page's server answers while some of its answers take long: work that is held, and clients that leave."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lookalike.cli import main
from lookalike.exploring import served
from lookalike.exploring.findings import FINDERS
from rows.pictures.joined import Pictures
from rows.tables import ImageTable
from tests.shared.served_digits import Answer, Asked, scored_digits, serving
from tests.shared.waiting import WAIT_S, eventually

MANY = 30
"""Requests: more than there are threads for any kind of answer."""


class Held:
    """A function that is entered and goes on when it is let.

    Attributes:
        asked: the arguments of each call.
    """

    def __init__(self, act: Callable[..., Any]) -> None:
        self._act, self._go = act, threading.Event()
        self.asked: list[tuple[Any, ...]] = []

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.asked.append(arguments)
        assert self._go.wait(WAIT_S)
        return self._act(*arguments, **named)

    def let(self) -> None:
        """All calls go on, and later ones do not wait."""
        self._go.set()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scored digits."""
    return scored_digits(tmp_path_factory.mktemp("waiting"), num_rows=40)


@pytest.fixture
def many() -> Iterator[ThreadPoolExecutor]:
    """Threads of clients."""
    with ThreadPoolExecutor(MANY) as pool:
        yield pool


def ask(many: ThreadPoolExecutor, server: Asked, *paths: str) -> list[Future[Answer]]:
    """MANY requests, of these paths in turn, of which none is waited for."""
    return [many.submit(server.get, paths[number % len(paths)]) for number in range(MANY)]


def answers(server: Asked, *paths: str) -> None:
    """See that these are answered."""
    for path in paths:
        assert server.get(path).status == 200, path


def test_server_answers_while_findings_are_looked_for(
    folder: Path, many: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many pages that wait for all tabs keep nobody from the rest, and each tab is looked for once."""
    held = {name: Held(FINDERS[name]) for name in ("duplicates", "outliers", "labels")}
    for name, each in held.items():
        monkeypatch.setitem(FINDERS, name, each)
    with serving(folder) as server:
        asked = ask(many, server, *(f"findings/{name}" for name in held))
        eventually(lambda: any(each.asked for each in held.values()), "a finding is looked for")
        answers(
            server, "", "blocks/ids", "blocks/column-0", "neighbours/1", "thumbnails?rows=1.2", "pictures/1", "tags"
        )
        assert server.post("tags", {"rows": [1], "tag": "x"}).status == 200
        assert not any(each.done() for each in asked)
        for each in held.values():
            each.let()
        bodies = [each.result(WAIT_S) for each in asked]
    assert {each.status for each in bodies} == {200}
    assert [len(each.asked) for each in held.values()] == [1, 1, 1]
    assert len({each.body for each in bodies}) == 3


def test_server_answers_while_the_index_is_built(
    folder: Path, many: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neighbours and pictures that are placed wait for it; it is built once, and everything else is answered."""
    held = Held(served.row_index)
    monkeypatch.setattr(served, "row_index", held)
    picture = next((folder / "images").rglob("*.png")).read_bytes()
    with serving(folder) as server:
        asked = ask(many, server, "neighbours/1", "neighbours/2")
        placed = [many.submit(server.post, "embed", picture) for _ in range(8)]
        eventually(lambda: bool(held.asked), "the index is built")
        answers(server, "", "blocks/ids", "findings/outliers", "thumbnails?rows=1.2", "pictures/1", "tags")
        assert server.post("tags", {"rows": [2], "tag": "y"}).status == 200
        held.let()
        assert {each.result(WAIT_S).status for each in (*asked, *placed)} == {200}
    assert len(held.asked) == 1


@pytest.mark.parametrize(
    ("path", "others"), [("thumbnails?rows=1.2", ["pictures/1"]), ("pictures/1", ["thumbnails?rows=1.2"])]
)
def test_server_answers_while_pictures_are_read(
    folder: Path, many: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, path: str, others: list[str]
) -> None:
    """Pictures that take long, of a CSV that is read through say, keep nobody from the rest."""
    name = {"thumbnails": "thumbnail", "pictures": "read"}[path.partition("?")[0].partition("/")[0]]
    held = Held(getattr(Pictures, name))
    monkeypatch.setattr(Pictures, name, lambda *arguments: held(*arguments))
    with serving(folder) as server:
        asked = ask(many, server, path)
        eventually(lambda: bool(held.asked), "a picture is read")
        answers(server, "", "blocks/ids", "neighbours/1", "findings/outliers", "tags", *others)
        held.let()
        assert {each.result(WAIT_S).status for each in asked} == {200}


def test_server_gives_written_thumbnails_while_a_table_is_read_through(
    folder: Path, many: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture in full size of a CSV needs all of it; the thumbnails that scoring wrote do not."""
    files = sorted((folder / "images").rglob("*.png"))
    (folder / "t.csv").write_text("id,image\n" + "".join(f"{file.name},{file}\n" for file in files))
    model = ["--model", "tiny", "--repository", str(folder / "models")]
    thumbnails = ["--thumbnails", "64", "--output", str(folder / "w"), "--json"]
    assert main(["score", str(folder / "t.csv"), *model, *thumbnails]) == 0
    held = Held(ImageTable.batches)
    monkeypatch.setattr(ImageTable, "batches", lambda *arguments, **named: held(*arguments, **named))
    with serving(folder, tables=("w",), label=None) as server:
        asked = ask(many, server, "pictures/1")
        eventually(lambda: bool(held.asked), "the table is read through")
        answers(server, "thumbnails?rows=1.2")
        held.let()
        assert {each.result(WAIT_S).body for each in asked} == {files[1].read_bytes()}


def test_server_works_nothing_out_for_who_has_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that wait for their turn when their page is closed are dropped."""
    held = Held(Pictures.thumbnail)
    monkeypatch.setattr(Pictures, "thumbnail", lambda *arguments: held(*arguments))
    with serving(folder) as server:
        waiting = [socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S) for _ in range(MANY)]
        for row, connection in enumerate(waiting):
            head = f"GET /{server.token}/thumbnails?rows={row} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n"
            connection.sendall(head.encode())
        eventually(lambda: len(held.asked) >= 2, "thumbnails are made")
        answers(server, "blocks/ids")  # the requests sent before have been read
        begun = len(held.asked)
        for connection in waiting:
            connection.close()
        answers(server, "blocks/ids")
        held.let()
        answers(server, "thumbnails?rows=39")
    assert begun < MANY
    assert [row for _, row, _ in held.asked[begun:]] == [39]


def test_server_looks_again_for_what_failed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that is the user's to mend is told, and who opens the tab later is not told it again."""
    from artifact.errors import OutputError

    outcomes = [OutputError("disk", expected="room", got="none"), None]

    def failing(question: Any) -> Any:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome
        return FINDERS["duplicates"](question)

    monkeypatch.setitem(FINDERS, "outliers", failing)
    with serving(folder) as server:
        assert server.get("findings/outliers").status == 422
        answers(server, "findings/outliers")
    assert not outcomes
