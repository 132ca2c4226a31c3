"""Indexes that are interrupted twice: by a kill, and then by anything."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.search import index_files
from analysis.search.growth import add_to_file, remove_from_file
from analysis.search.index import Index
from artifact.errors import OutputError
from rows.vectors.table import VectorTable


def table(first: int, count: int) -> VectorTable:
    rng = np.random.default_rng(first)
    matrix = rng.normal(size=(count, 16)).astype(np.float32)
    return VectorTable.from_arrays(matrix, {"id": range(first, first + count)})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


WRITES: dict[str, tuple[Callable[[Path], object], Callable[[Path], object], int]] = {
    "add": (
        lambda file: Index.build(table(0, 5), distance="euclidean").save(file),
        lambda file: add_to_file(file, table(Index.open(file).num_rows, 4)),
        2,
    ),
    "remove": (
        lambda file: Index.build(table(0, 40), distance="euclidean").save(file),
        lambda file: remove_from_file(file, [str(Index.open(file).rows["id"][-1])]),
        2,
    ),
    "save": (
        lambda file: Index.build(table(0, 5), distance="euclidean").save(file),
        lambda file: Index.build(table(0, Index.open(file).num_rows + 3), distance="euclidean").save(file),
        2,
    ),
    "codes": (
        lambda file: Index.build(table(0, 60), distance="euclidean", kind="int8").save(file),
        lambda file: Index.build(table(0, Index.open(file).num_rows + 3), distance="euclidean", kind="int8").save(file),
        3,
    ),
}
"""How an index is first written, how it is changed, and how many renames of the change make FILE the new one."""

STEPS = ("write_vectors", "_sha256", "write_part", "sync_folder", "remove_other_vectors")


def fails_at(number: int, fail: Callable[[], object], patch: pytest.MonkeyPatch) -> list[int]:
    """Make the number-th step of a write fail: each step of index_files, and each rename, before and after it."""
    count = [0]

    def failing(step: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            for turn in range(2):
                if turn == 1:
                    found = step(*arguments, **options)
                count[0] += 1
                if count[0] == number:
                    fail()
            return found

        return call

    patch.setattr(os, "replace", failing(os.replace))
    for name in STEPS:
        patch.setattr(index_files, name, failing(getattr(index_files, name)))
    return count


def no_space() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def interrupted() -> None:
    raise KeyboardInterrupt


def killed() -> None:
    os._exit(7)


@pytest.mark.parametrize("fail", [no_space, interrupted, killed])
@pytest.mark.parametrize("write", WRITES)
def test_a_second_interruption_leaves_an_index_too(
    write: str, fail: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill while the rows of the new FILE wait for their name, and then whatever goes wrong in the next change."""
    first, change, renames = WRITES[write]
    template = tmp_path / "template"
    first(template / "i")
    sizes = [Index.open(template / "i").num_rows]
    if os.fork() == 0:
        replace, calls = os.replace, iter(range(1, 10))

        def replaced(source: Any, target: Any) -> None:
            replace(source, target)
            if next(calls) == renames:
                os._exit(7)

        os.replace = replaced
        with contextlib.suppress(Exception):
            change(template / "i")
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
    assert "i.rows.next.parquet" in names(template)
    sizes.append(Index.open(template / "i").num_rows)
    assert sizes[1] != sizes[0]
    sizes.append(2 * sizes[1] - sizes[0])  # every change brings, or takes, as many
    met = set()
    for number in range(1, 100):
        file = tmp_path / str(number) / "i"
        shutil.copytree(template, file.parent)
        if fail is killed:
            child = os.fork()
            if child == 0:
                with pytest.MonkeyPatch.context() as patch:
                    fails_at(number, fail, patch)
                    change(file)
                os._exit(0)
            is_done = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        else:
            with monkeypatch.context() as patch:
                count = fails_at(number, fail, patch)
                with contextlib.suppress(OSError, OutputError, KeyboardInterrupt):
                    change(file)
            is_done = count[0] < number
        left = Index.open(file).num_rows
        assert left in (sizes[2:] if is_done else sizes[1:]), number
        met.add(left)
        change(file)
        after = Index.open(file)
        assert after.num_rows == after.rows.num_rows == left + sizes[1] - sizes[0]
        assert len(after.search(after.vectors_at(np.arange(1)), 1)[0]) == 1
        assert "i.rows.next.parquet" not in names(file.parent)
        shutil.rmtree(file.parent)
        if is_done:
            break
    assert is_done
    assert met == set(sizes[1:])
