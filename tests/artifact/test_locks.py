"""Locks between processes: who keeps whom out, who waits, and that a killed process holds nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from artifact import locks
from artifact.locks import FileLock, keep_alive, passing_lock, patient_lock

WAIT_S = 30.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    FileLock(tmp_path / "lock", create=True).close()
    return tmp_path / "lock"


def test_exclusive_keeps_everybody_out_and_shared_the_exclusive_only(file: Path) -> None:
    """Nobody waits unless asked to, and with the end of the block the lock is free."""
    for shared in (False, True):
        with FileLock(file), pytest.raises(BlockingIOError):
            FileLock(file, shared=shared)
    with FileLock(file, shared=True), FileLock(file, shared=True), pytest.raises(BlockingIOError):
        FileLock(file)
    with FileLock(file):
        pass


def test_folder_is_locked_as_a_file_is(tmp_path: Path) -> None:
    """And nothing is made in it, nor in the place of what is not there."""
    with FileLock(tmp_path), pytest.raises(BlockingIOError):
        FileLock(tmp_path)
    with pytest.raises(FileNotFoundError):
        FileLock(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_reader_without_the_right_to_write_shares(file: Path) -> None:
    """A shared lock opens the file for reading only."""
    with FileLock(file, shared=True) as lock, pytest.raises(OSError, match="Bad file descriptor"):
        os.write(lock.handle, b"x")


def test_waiting_ends_when_the_holder_lets_go(file: Path) -> None:
    """The one that waits has it then."""
    holder, has_it = FileLock(file), threading.Event()

    def take() -> None:
        with FileLock(file, wait=True):
            has_it.set()

    waiting = threading.Thread(target=take)
    waiting.start()
    assert not has_it.is_set()
    holder.close()
    assert has_it.wait(WAIT_S)
    waiting.join(WAIT_S)


def test_killed_process_holds_nothing(file: Path) -> None:
    """The system drops its lock."""
    hold = (
        "import sys, pathlib; from artifact.locks import FileLock\n"
        "lock = FileLock(pathlib.Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", hold, str(file)], **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError):
            FileLock(file)
        process.kill()
        process.wait(WAIT_S)
        FileLock(file).close()


def test_patience_ends_with_a_holder_that_does_not_move(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that moves is waited for, and that is said once; where nobody can be kept out, the answer is no."""
    monkeypatch.setattr(locks, "_SAID_AFTER_S", 0.0)
    monkeypatch.setattr(locks, "_POLL_S", 0.001)
    said: list[int] = []
    with FileLock(file):
        os.utime(file, (0, 0))
        with patient_lock(file, say_waiting=lambda: said.append(1)) as is_held:
            assert not is_held
    assert said == []
    holder = FileLock(file)
    keep_alive(file)
    with patient_lock(file, say_waiting=lambda: (said.append(1), holder.close())) as is_held:
        assert is_held
        with pytest.raises(BlockingIOError):
            FileLock(file)
    assert said == [1]
    with patient_lock(file / "no folder", say_waiting=lambda: None) as is_held:
        assert not is_held


def test_passing_lock_is_held_by_one_at_a_time_and_gone_afterwards(tmp_path: Path) -> None:
    """Threads that come together, again and again, while the file is made and removed under them."""
    file, inside, most, turns = tmp_path / "lock", [0], [0], [0]

    def work() -> None:
        for _ in range(40):
            with passing_lock(file, say_waiting=lambda holder: None):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                turns[0] += 1
                inside[0] -= 1

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (most, turns) == ([1], [160])
    assert list(tmp_path.iterdir()) == []


def test_passing_lock_that_a_kill_left_behind_stands_in_nobodys_way(tmp_path: Path) -> None:
    """Also where it is of somebody who lets nobody else write to it."""
    file = tmp_path / "lock"
    file.write_text("process 1")
    file.chmod(0o444)
    with passing_lock(file, say_waiting=lambda holder: pytest.fail("nobody holds it")), pytest.raises(BlockingIOError):
        FileLock(file, shared=True)
    assert list(tmp_path.iterdir()) == []
