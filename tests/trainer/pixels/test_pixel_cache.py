"""Decoded pixels on disk: decoded once, never half written, bounded, shared by processes, and never in the way."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import trainer.data.images
from artifact.preprocessing import Preprocessing, load_pixels
from tests.shared.places import ROOT
from trainer.data.class_sets import open_class_folder
from trainer.data.images import Images, read_images
from trainer.pixels.cache import PixelCache
from trainer.pixels.cache_key import cache_key, default_folder
from trainer.pixels.file_hashes import FileHashes, file_facts
from trainer.pixels.segment import PixelSegment

PREPROCESSING = Preprocessing(height=16, width=16)
ROW = 16 * 16 * 3
HOUR_AGO = time.time() - 3600


def _folder(root: Path, count: int, *, first: int = 0) -> Path:
    """Two classes of noise, an hour old."""
    for index in range(first, first + count):
        path = root / ("cat" if index % 2 else "dog") / f"{index:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(index).integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(noise).save(path)
        os.utime(path, (HOUR_AGO, HOUR_AGO))
    return root


class _Decodes:
    """How many images were decoded while it counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0

        def counted(*arguments: object) -> np.ndarray:
            self.count += 1
            return load_pixels(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(trainer.data.images, "load_pixels", counted)

    def taken(self) -> int:
        count, self.count = self.count, 0
        return count


def _cache(folder: Path, *, max_bytes: int = 2**24, preprocessing: Preprocessing = PREPROCESSING) -> PixelCache:
    warnings: list[str] = []
    cache = PixelCache(folder, preprocessing, max_bytes=max_bytes, warn=warnings.append)
    cache.warnings = warnings  # type: ignore[attr-defined]
    return cache


def _read(root: Path, cache: PixelCache | None, *, memory: int = 0) -> Images:
    preprocessing = PREPROCESSING if cache is None else Preprocessing(height=cache.shape[0], width=cache.shape[1])
    return read_images(open_class_folder(root), preprocessing, max_cache_bytes=memory, cache=cache)[0]


def _check(images: Images, root: Path, preprocessing: Preprocessing = PREPROCESSING) -> None:
    expected = np.stack([load_pixels((root / name).read_bytes(), preprocessing) for name in images.files.names])
    np.testing.assert_array_equal(images.pixels(np.arange(len(images))), expected)


def test_cache_decodes_each_content_once_in_all_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run reads nothing; renamed and copied files are read but not decoded, another size is."""
    root = _folder(tmp_path / "images", 30)
    decodes = _Decodes(monkeypatch)
    first = _read(root, _cache(tmp_path / "cache"))
    assert decodes.taken() == 30
    assert first.store.num_kept == 30
    _check(first, root)
    second = _read(root, _cache(tmp_path / "cache"))
    assert decodes.taken() == 0
    assert second.hashes == first.hashes
    _check(second, root)
    (root / "cat" / "0001.png").rename(root / "cat" / "renamed.png")
    (root / "dog" / "copy.png").write_bytes((root / "dog" / "0000.png").read_bytes())
    _check(_read(root, _cache(tmp_path / "cache")), root)
    assert decodes.taken() == 0
    other = Preprocessing(height=8, width=8)
    _check(_read(root, _cache(tmp_path / "cache", preprocessing=other)), root, other)
    assert decodes.taken() in (30, 31)  # of two copies under way at once both are decoded


def test_cache_sees_that_a_file_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other pixels in as many bytes with the old time of change: the time of status change tells."""
    root = _folder(tmp_path / "images", 4)
    _read(root, _cache(tmp_path / "cache"))
    path = root / "cat" / "0001.png"
    content, status = path.read_bytes(), path.stat()
    Image.fromarray(np.zeros((20, 24, 3), np.uint8)).save(path)
    padded = path.read_bytes()
    path.write_bytes(padded + b"\0" * (len(content) - len(padded)))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    decodes = _Decodes(monkeypatch)
    images = _read(root, _cache(tmp_path / "cache"))
    assert decodes.taken() == 1
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    _check(images, root)


def test_file_hashes_trust_only_files_left_alone(tmp_path: Path) -> None:
    """A file changed in the last two seconds is not remembered; a damaged list is an empty one."""
    path, listed = tmp_path / "a.png", tmp_path / "list.npz"
    path.write_bytes(b"x")
    hashes = FileHashes(listed)
    hashes.record(str(path), file_facts(str(path)), b"h" * 32)
    hashes.save()
    assert FileHashes(listed).digests() == []
    size, _, _, inode = file_facts(str(path))
    hashes.record(str(path), (size, 1, 2, inode), b"h" * 32)
    hashes.record(str(tmp_path / "n\xe4m\udcff"), (1, 1, 1, 2**64 - 1), b"i" * 32)
    hashes.save()
    assert FileHashes(listed).digests() == [b"h" * 32, b"i" * 32]
    assert FileHashes(listed).find(str(path))[1] is None
    for damage in (listed.read_bytes()[:-40], b"", b"PK\x03\x04 nonsense"):
        listed.write_bytes(damage)
        assert FileHashes(listed).digests() == []


def test_segment_trusts_a_row_only_with_its_hash(tmp_path: Path) -> None:
    """Pixels without a hash, half a hash, and hashes without pixels are not there."""
    rows = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    segment = PixelSegment.create(tmp_path, (16, 16, 3))
    segment.append([b"a" * 32], rows[:1])
    segment.append([b"b" * 32, b"c" * 32], rows[1:])
    pixels, index = segment.path.with_suffix(".pixels"), segment.path.with_suffix(".index")
    whole_pixels, whole_index = pixels.read_bytes(), index.read_bytes()
    cases = [
        (whole_pixels, whole_index, 3),
        (whole_pixels + b"\7" * 500, whole_index, 3),
        (whole_pixels, whole_index + b"d" * 31, 3),
        (whole_pixels, whole_index + b"d" * 64, 3),
        (whole_pixels[:-1], whole_index, 2),
        (b"", whole_index, 0),
        (whole_pixels, b"", 0),
    ]
    for torn_pixels, torn_index, count in cases:
        pixels.write_bytes(torn_pixels)
        index.write_bytes(torn_index)
        opened = PixelSegment(segment.path, (16, 16, 3))
        assert opened.digests == segment.digests[:count]
        np.testing.assert_array_equal(opened.pixels, rows[:count])


def test_segment_outlives_its_removal(tmp_path: Path) -> None:
    """Rows may be read by others as they come; a removed file can be read by who has it, not written."""
    rows = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3), np.uint8)
    first = PixelSegment.create(tmp_path, (16, 16, 3))
    first.append([b"a" * 32], rows[:1])
    second = PixelSegment(first.path, (16, 16, 3))
    np.testing.assert_array_equal(second.pixels, rows[:1])
    first.append([b"b" * 32], rows[1:])
    assert second.digests == [b"a" * 32]
    np.testing.assert_array_equal(first.pixels, rows)
    for suffix in (".index", ".pixels"):
        first.path.with_suffix(suffix).unlink()
    np.testing.assert_array_equal(second.pixels, rows[:1])
    np.testing.assert_array_equal(first.pixels, rows)
    with pytest.raises(FileNotFoundError):
        first.append([b"c" * 32], rows[:1])


def test_cache_is_bounded_and_drops_what_is_oldest_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three sets two fit: the one used longest ago goes, by use and not by age."""
    bound = 100 * (ROW + 32) + 8192
    roots = [_folder(tmp_path / name, 40, first=100 * number) for number, name in enumerate("abc")]
    decodes = _Decodes(monkeypatch)
    for root in (roots[0], roots[1], roots[0], roots[2]):
        images = _read(root, _cache(tmp_path / "cache", max_bytes=bound))
        _check(images, root)
        assert images.store.num_kept == 40
        time.sleep(0.02)
        size = sum(file.stat().st_size for file in (tmp_path / "cache").rglob("*") if file.is_file())
        assert size <= bound + 200  # the tag
    assert decodes.taken() == 120
    _read(roots[2], _cache(tmp_path / "cache", max_bytes=bound))
    assert decodes.taken() == 0
    _read(roots[0], _cache(tmp_path / "cache", max_bytes=bound))
    kept = decodes.taken()
    _read(roots[1], _cache(tmp_path / "cache", max_bytes=bound))
    assert kept < decodes.taken()


@pytest.mark.parametrize("memory", [0, 7 * ROW, 2**20])
def test_cache_smaller_than_the_data_keeps_the_first_part(tmp_path: Path, memory: int) -> None:
    """The rest goes to memory, and beyond that is decoded each time; all pixels are right either way."""
    root = _folder(tmp_path / "images", 60)
    cache = _cache(tmp_path / "cache", max_bytes=20 * (ROW + 32))
    for _ in range(2):
        images = _read(root, cache, memory=memory)
        assert 10 <= images.store.num_kept - min(memory // ROW, 40) <= 20
        _check(images, root)
        order = np.random.default_rng(0).permutation(60)[:17]
        np.testing.assert_array_equal(images.pixels(order), images.pixels(np.arange(60))[order])


def test_cache_that_cannot_be_used_is_a_warning(tmp_path: Path) -> None:
    """A file in its place; training goes on from memory."""
    root = _folder(tmp_path / "images", 6)
    (tmp_path / "cache").write_text("no folder")
    cache = _cache(tmp_path / "cache")
    for _ in range(2):
        images = _read(root, cache, memory=2**20)
        _check(images, root)
        assert images.store.num_kept == 6
    assert cache.warnings == [  # type: ignore[attr-defined]
        f"decoded images cannot be kept on disk: File exists ({tmp_path / 'cache'}); training goes on without, name"
        " another folder with --set cache=DIR, or none with --set max_disk_mb=0"
    ]


_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
sys.path[:0] = sys.argv[3].split(":")
from tests.trainer.pixels.test_pixel_cache import _cache, _check, _read
cache = _cache(Path(sys.argv[2]))
images = _read(Path(sys.argv[1]), cache, memory=10 * 768)
_check(images, Path(sys.argv[1]))
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
    root = _folder(tmp_path / "images", 24)
    process = _python(_FULL_DISK, root, tmp_path / "cache")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert re.match(r"10 \['decoded images cannot be kept on disk: File too large", out), out
    images = _read(root, _cache(tmp_path / "cache"))
    assert images.store.num_kept == 24
    _check(images, root)


_READER = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3].split(":")
import trainer.pixels.store
trainer.pixels.store._COMMIT_BYTES = 5 * 768
from tests.trainer.pixels.test_pixel_cache import _cache, _read
print("ready", flush=True)
images = _read(Path(sys.argv[1]), _cache(Path(sys.argv[2])))
print(images.store.num_kept, images.pixels(__import__("numpy").arange(len(images))).astype(int).sum())
"""


def test_killed_writers_leave_nothing_wrong(tmp_path: Path) -> None:
    """Killed at several moments of the writing, the next run has every pixel right."""
    root = _folder(tmp_path / "images", 400)
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
    images = _read(root, _cache(cache))
    _check(images, root)
    assert images.store.num_kept == 400


def test_processes_at_once_decode_once(tmp_path: Path) -> None:
    """Three on the same images: one decodes, the others wait for it; every content is on disk once."""
    root = _folder(tmp_path / "images", 200)
    processes = [_python(_READER, root, tmp_path / "cache") for _ in range(3)]
    answers = {process.communicate(timeout=100)[0] for process in processes}
    expected = _read(root, None, memory=2**24).pixels(np.arange(200)).astype(int).sum()
    assert answers == {f"ready\n200 {expected}\n"}
    indexes = [file.read_bytes() for file in (tmp_path / "cache").rglob("*.index")]
    digests = [index[start : start + 32] for index in indexes for start in range(0, len(index), 32)]
    assert len(digests) == len(set(digests)) == 200


def test_cache_does_not_wait_for_who_does_not_move(tmp_path: Path) -> None:
    """A stopped process that holds the lock is passed after a minute; both write then, to files of their own."""
    root = _folder(tmp_path / "images", 10)
    stuck = _cache(tmp_path / "cache")
    with stuck.filling(str(root)):
        (lock,) = (tmp_path / "cache").rglob("*.lock")
        os.utime(lock, (HOUR_AGO, HOUR_AGO))
        images = _read(root, _cache(tmp_path / "cache"))
        _check(images, root)
        assert images.store.num_kept == 10


def test_cache_may_be_deleted_at_any_time(tmp_path: Path) -> None:
    """What was written before stays mapped, what comes is written anew, and nobody is warned."""
    cache = _cache(tmp_path / "cache")
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
    again = _cache(tmp_path / "cache")
    with again.filling("set"):
        assert [again.find(digest) is not None for digest in digests] == [False] * 2 + [True] * 4


def test_cache_key_is_of_all_that_decides_a_pixel() -> None:
    """Mean and std are the graph's, but for the colour that `pad` fills with."""
    plain = Preprocessing(height=16, width=16)
    grey = Preprocessing(height=16, width=16, mean=(0.5, 0.5, 0.5))
    assert cache_key(plain) == cache_key(grey)
    padded = [Preprocessing(height=16, width=16, fit="pad", mean=mean) for mean in (plain.mean, grey.mean)]
    others = [Preprocessing(height=16, width=17), Preprocessing(height=16, width=16, fit="crop"), *padded]
    assert len({cache_key(each) for each in [plain, *others]}) == 5


def test_default_folder_follows_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG_CACHE_HOME where it is absolute, else ~/.cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "lookalike" / "pixels"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_folder() == tmp_path / "home" / ".cache" / "lookalike" / "pixels"
