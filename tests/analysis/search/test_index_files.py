"""The two files of an index: whole pairs at any moment, whoever writes and reads them."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.search import index_files
from analysis.search.growth import add_to_file, remove_from_file
from analysis.search.index import Index
from analysis.search.index_files import rows_file
from artifact import locks
from artifact.errors import DataError, OutputError, UsageError
from artifact.locks import FileLock
from rows.vectors.table import VectorTable


def table(first: int, count: int) -> VectorTable:
    rng = np.random.default_rng(first)
    return VectorTable.from_arrays(rng.normal(size=(count, 4)).astype(np.float32), {"id": range(first, first + count)})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("is_first", [True, False])
def test_a_kill_at_any_step_leaves_the_old_index_or_the_new_one(
    is_first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends before or after each of its renames: what opens is whole, and the next change mends the rest."""
    replace = os.replace
    for step in range(6):
        file = tmp_path / str(step) / "i"
        if not is_first:
            Index.build(table(0, 5), distance="euclidean").save(file)
        calls = 0

        def killed(source: Any, target: Any, step: int = step) -> None:
            nonlocal calls
            if calls == step // 2 and step % 2 == 0:
                os._exit(7)
            replace(source, target)
            if calls == step // 2:
                os._exit(7)
            calls += 1

        child = os.fork()
        if child == 0:
            os.replace = killed
            if is_first:
                Index.build(table(0, 9), distance="euclidean").save(file)
            else:
                add_to_file(file, table(5, 4))
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        is_new = step >= 3  # rows to come, FILE, rows: FILE decides
        if is_first and not is_new:
            assert not file.exists()
            Index.build(table(0, 9), distance="euclidean").save(file)
        else:
            opened = Index.open(file)
            assert opened.rows["id"].to_pylist() == list(range(9 if is_new else 5))
            assert opened.search(table(0, 5).matrix[:1], 1)[0][0]["id"] == 0
            add_to_file(file, table(20, 3))
            assert Index.open(file).num_rows == (9 if is_new else 5) + 3
        assert [name for name in names(file.parent) if not name.startswith(".")] == ["i", "i.rows.parquet"]


def test_a_failure_leaves_no_files_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interruption while rows are written, or before the index takes its name."""
    file = tmp_path / "i"
    Index.build(table(0, 5), distance="euclidean").save(file)

    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    for name in ("write_part", "_sha256"):
        with monkeypatch.context() as patch:
            patch.setattr(index_files, name, interrupt)
            with pytest.raises(KeyboardInterrupt):
                add_to_file(file, table(5, 4))
        assert names(tmp_path) == ["i", "i.rows.parquet"]
        assert Index.open(file).num_rows == 5


def test_two_who_add_at_once_both_add(tmp_path: Path) -> None:
    """Processes that begin together, again and again: the second waits for the first and adds to what it left."""
    file = tmp_path / "i"
    Index.build(table(0, 5), distance="euclidean").save(file)
    children = []
    for first in (1000, 2000):
        child = os.fork()
        if child == 0:
            for turn in range(5):
                add_to_file(file, table(first + 10 * turn, 10))
            os._exit(0)
        children.append(child)
    for _ in range(20):
        assert Index.open(file).num_rows % 10 == 5  # readers see whole pairs all the time
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    expected = [*range(5), *range(1000, 1050), *range(2000, 2050)]
    assert sorted(Index.open(file).rows["id"].to_pylist()) == expected


def test_who_opens_an_index_while_it_is_replaced_gets_one_of_them(tmp_path: Path) -> None:
    """Two indexes that take turns at one name, and a reader."""
    file = tmp_path / "i"
    Index.build(table(0, 5), distance="euclidean").save(file)
    stop = threading.Event()

    def writes() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            Index.build(table(number, 5 + number % 7), distance="euclidean").save(file)

    writer = threading.Thread(target=writes)
    writer.start()
    try:
        for _ in range(60):
            index = Index.open(file)
            first = index.rows["id"][0].as_py()
            assert index.num_rows == index.rows.num_rows
            assert index.search(table(first, index.num_rows).matrix[:1], 1)[0][0] == {"id": first, "distance": 0.0}
    finally:
        stop.set()
        writer.join()


def test_links_are_followed(tmp_path: Path) -> None:
    """An index that lies elsewhere stays there, and the link to it stays one."""
    (tmp_path / "data").mkdir()
    file = tmp_path / "i"
    for path in (file, rows_file(file)):
        path.symlink_to(tmp_path / "data" / path.name)
    Index.build(table(0, 5), distance="euclidean").save(file)
    add_to_file(file, table(9, 2))
    assert file.is_symlink()
    assert rows_file(file).is_symlink()
    assert names(tmp_path / "data") == ["i", "i.rows.parquet"]
    assert Index.open(file).num_rows == 7


def test_file_systems_without_locks_are_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some know none; any other failure is one line. Nothing is left of the lock."""
    built = Index.build(table(0, 5), distance="euclidean")

    def refuses(number: int) -> Any:
        def lock(*arguments: Any) -> Any:
            raise OSError(number, os.strerror(number))

        return lock

    monkeypatch.setattr("artifact.locks.fcntl.flock", refuses(errno.ENOLCK))
    built.save(tmp_path / "i")
    assert Index.open(tmp_path / "i").num_rows == 5
    monkeypatch.setattr("artifact.locks.fcntl.flock", refuses(errno.EACCES))
    with pytest.raises(OutputError, match=r"^cannot lock the index: got Permission denied "):
        built.save(tmp_path / "j")
    assert names(tmp_path) == ["i", "i.rows.parquet"]


@pytest.mark.parametrize("write", [None, b"process 7", bytes(range(256))])
def test_who_waits_for_another_change_says_for_whom(
    write: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, and then it goes on as soon as the other is done; the lock is gone afterwards."""
    file, said = tmp_path / "i", []
    Index.build(table(0, 5), distance="euclidean").save(file)
    monkeypatch.setattr(locks, "_SAID_AFTER_S", 0.0)
    other = FileLock(tmp_path / ".i.lock", create=True)
    if write is not None:
        os.write(other.handle, write)

    def say(line: str) -> None:
        said.append(line)
        other.close()

    add_to_file(file, table(5, 4), say_waiting=say)
    assert Index.open(file).num_rows == 9
    who = "process 7" if write == b"process 7" else "another process"
    assert said == [f"{file} is being changed by {who}, which is waited for"]
    assert names(tmp_path) == ["i", "i.rows.parquet"]


def test_a_folder_that_somebody_locks_keeps_nobody_waiting(tmp_path: Path) -> None:
    """A training locks its folder for hours, and an index may lie in it."""
    with FileLock(tmp_path):
        Index.build(table(0, 5), distance="euclidean").save(tmp_path / "i")
        add_to_file(tmp_path / "i", table(5, 4))
    assert Index.open(tmp_path / "i").num_rows == 9


def test_refused_changes_make_nothing(tmp_path: Path) -> None:
    """Of an index that is not there no folder is made and no lock is left, whichever change it is."""
    missing = tmp_path / "no" / "deep" / "i"
    selected = Index.build(table(0, 5), distance="euclidean").of_rows(np.arange(2))
    for change in (
        lambda: add_to_file(missing, table(0, 5)),
        lambda: remove_from_file(missing, ["1"]),
        lambda: Index.open(missing),
        lambda: selected.save(missing),
        lambda: remove_from_file(tmp_path / "i", ["1"]),
    ):
        with pytest.raises((DataError, UsageError)):
            change()
        assert names(tmp_path) == []
