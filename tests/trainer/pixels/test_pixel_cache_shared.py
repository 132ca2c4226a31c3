"""Decoded pixels on disk among several processes: killed ones, waiting ones, and disks that do not play along."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from tests.shared.pixel_caches import HOUR_AGO, check_pixels, open_cache, read_cached, write_hour_old
from tests.shared.places import ROOT

_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
sys.path[:0] = sys.argv[3].split(":")
from tests.shared.pixel_caches import open_cache, check_pixels, read_cached
cache = open_cache(Path(sys.argv[2]))
images = read_cached(Path(sys.argv[1]), cache, memory=10 * 768)
check_pixels(images, Path(sys.argv[1]))
print(images.store.num_kept, cache.warnings)
"""


def _python(script: str, *arguments: object) -> subprocess.Popen[str]:
    repository = str(ROOT)
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments), repository],
        text=True,
        cwd=repository,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def test_disk_that_is_full_is_a_warning(tmp_path: Path) -> None:
    """What was not written whole goes to memory, and all pixels are right; the next run has nothing half written."""
    root = write_hour_old(tmp_path / "images", 24)
    process = _python(_FULL_DISK, root, tmp_path / "cache")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert re.match(r"10 \['decoded images cannot be kept on disk: File too large", out), out
    images = read_cached(root, open_cache(tmp_path / "cache"))
    assert images.store.num_kept == 24
    check_pixels(images, root)


_READER = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3].split(":")
import trainer.pixels.store
trainer.pixels.store._COMMIT_BYTES = 5 * 768
from tests.shared.pixel_caches import open_cache, read_cached
print("ready", flush=True)
images = read_cached(Path(sys.argv[1]), open_cache(Path(sys.argv[2])))
print(images.store.num_kept, images.pixels(__import__("numpy").arange(len(images))).astype(int).sum())
"""


def test_killed_writers_leave_nothing_wrong(tmp_path: Path) -> None:
    """Killed at several moments of the writing, the next run has every pixel right."""
    root = write_hour_old(tmp_path / "images", 400)
    cache = tmp_path / "cache"
    found = []
    for wait_s in (0.0, 0.03, 0.06, 0.12):
        process = _python(_READER, root, cache)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(wait_s)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        found.append(sum(len(file.read_bytes()) // 32 for file in cache.rglob("*.index")))
    assert found == sorted(found)
    images = read_cached(root, open_cache(cache))
    check_pixels(images, root)
    assert images.store.num_kept == 400


def test_processes_at_once_decode_once(tmp_path: Path) -> None:
    """Three on the same images: one decodes, the others wait for it; every content is on disk once."""
    root = write_hour_old(tmp_path / "images", 200)
    processes = [_python(_READER, root, tmp_path / "cache") for _ in range(3)]
    answers = {process.communicate(timeout=100)[0] for process in processes}
    expected = read_cached(root, None, memory=2**24).pixels(np.arange(200)).astype(int).sum()
    assert answers == {f"ready\n200 {expected}\n"}
    indexes = [file.read_bytes() for file in (tmp_path / "cache").rglob("*.index")]
    digests = [index[start : start + 32] for index in indexes for start in range(0, len(index), 32)]
    assert len(digests) == len(set(digests)) == 200


def test_cache_does_not_wait_for_who_does_not_move(tmp_path: Path) -> None:
    """A stopped process that holds the lock is passed after a minute; both write then, to files of their own."""
    root = write_hour_old(tmp_path / "images", 10)
    stuck = open_cache(tmp_path / "cache")
    with stuck.filling(str(root)):
        (lock,) = (tmp_path / "cache").rglob("*.lock")
        os.utime(lock, (HOUR_AGO, HOUR_AGO))
        images = read_cached(root, open_cache(tmp_path / "cache"))
        check_pixels(images, root)
        assert images.store.num_kept == 10


def test_cache_may_be_deleted_at_any_time(tmp_path: Path) -> None:
    """What was written before stays mapped, what comes is written anew, and nobody is warned."""
    cache = open_cache(tmp_path / "cache")
    rows = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)
    digests = [bytes([number]) * 32 for number in range(1, 7)]
    with cache.filling("set"):
        places = cache.write(digests[:2], rows[:2])
        shutil.rmtree(tmp_path / "cache")
        places += cache.write(digests[2:5], rows[2:5])
        places += cache.write(digests[5:], rows[5:])
        assert [cache.find(digest) for digest in digests] == places
        blocks = cache.blocks()
    for row, (number, place) in zip(rows, places, strict=True):
        np.testing.assert_array_equal(blocks[number][place], row)
    assert cache.warnings == []  # type: ignore[attr-defined]
    again = open_cache(tmp_path / "cache")
    with again.filling("set"):
        assert [again.find(digest) is not None for digest in digests] == [False] * 2 + [True] * 4


def test_cache_that_cannot_be_used_is_a_warning(tmp_path: Path) -> None:
    """A file in its place; training goes on from memory."""
    root = write_hour_old(tmp_path / "images", 6)
    (tmp_path / "cache").write_text("no folder")
    cache = open_cache(tmp_path / "cache")
    for _ in range(2):
        images = read_cached(root, cache, memory=2**20)
        check_pixels(images, root)
        assert images.store.num_kept == 6
    assert cache.warnings == [  # type: ignore[attr-defined]
        f"decoded images cannot be kept on disk: File exists ({tmp_path / 'cache'}); training goes on without, name"
        " another folder with --set cache=DIR, or none with --set max_disk_mb=0"
    ]
