"""Decoded pixels on disk: decoded once, bounded, keyed by all that decides a pixel."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artifact.images.limits import Limits
from artifact.images.preprocessing import Preprocessing
from tests.shared.pixel_caches import (
    PREPROCESSING,
    ROW,
    DecodeCounter,
    check_pixels,
    open_cache,
    read_cached,
    write_hour_old,
)
from trainer.data.class_sets import open_class_folder
from trainer.data.images import Images, read_images
from trainer.pixels.cache_key import cache_key, default_folder


def test_cache_decodes_each_content_once_in_all_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run reads nothing; renamed and copied files are read but not decoded, another size is."""
    root = write_hour_old(tmp_path / "images", 30)
    decodes = DecodeCounter(monkeypatch)
    first = read_cached(root, open_cache(tmp_path / "cache"))
    assert decodes.taken() == 30
    assert first.store.num_kept == 30
    check_pixels(first, root)
    second = read_cached(root, open_cache(tmp_path / "cache"))
    assert decodes.taken() == 0
    assert second.hashes == first.hashes
    check_pixels(second, root)
    (root / "cat" / "0001.png").rename(root / "cat" / "renamed.png")
    (root / "dog" / "copy.png").write_bytes((root / "dog" / "0000.png").read_bytes())
    check_pixels(read_cached(root, open_cache(tmp_path / "cache")), root)
    assert decodes.taken() == 0
    other = Preprocessing(height=8, width=8)
    check_pixels(read_cached(root, open_cache(tmp_path / "cache", preprocessing=other)), root, other)
    assert decodes.taken() in (30, 31)  # of two copies under way at once both are decoded


def test_cache_adds_a_file_for_new_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What earlier runs have written is not touched; only what is new is decoded."""
    root = write_hour_old(tmp_path / "images", 10)
    read_cached(root, open_cache(tmp_path / "cache"))
    before = {file: file.read_bytes() for file in (tmp_path / "cache").rglob("*.pixels")}
    write_hour_old(root, 4, first=10)
    decodes = DecodeCounter(monkeypatch)
    check_pixels(read_cached(root, open_cache(tmp_path / "cache")), root)
    assert decodes.taken() == 4
    after = {file: file.read_bytes() for file in (tmp_path / "cache").rglob("*.pixels")}
    assert (len(before), len(after)) == (1, 2)
    assert before.items() <= after.items()


def test_cache_sees_that_a_file_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other pixels in as many bytes with the old time of change: the time of status change tells."""
    root = write_hour_old(tmp_path / "images", 4)
    read_cached(root, open_cache(tmp_path / "cache"))
    path = root / "cat" / "0001.png"
    content, status = path.read_bytes(), path.stat()
    Image.fromarray(np.zeros((20, 24, 3), np.uint8)).save(path)
    padded = path.read_bytes()
    path.write_bytes(padded + b"\0" * (len(content) - len(padded)))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    decodes = DecodeCounter(monkeypatch)
    images = read_cached(root, open_cache(tmp_path / "cache"))
    assert decodes.taken() == 1
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    check_pixels(images, root)


def test_cache_is_bounded_and_drops_what_is_oldest_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three sets two fit: the one used longest ago goes, by use and not by age."""
    bound = 100 * (ROW + 32) + 8192
    roots = [write_hour_old(tmp_path / name, 40, first=100 * number) for number, name in enumerate("abc")]
    decodes = DecodeCounter(monkeypatch)
    for root in (roots[0], roots[1], roots[0], roots[2]):
        images = read_cached(root, open_cache(tmp_path / "cache", max_bytes=bound))
        check_pixels(images, root)
        assert images.store.num_kept == 40
        time.sleep(0.02)
        size = sum(file.stat().st_size for file in (tmp_path / "cache").rglob("*") if file.is_file())
        assert size <= bound + 200  # the tag
    assert decodes.taken() == 120
    read_cached(roots[2], open_cache(tmp_path / "cache", max_bytes=bound))
    assert decodes.taken() == 0
    read_cached(roots[0], open_cache(tmp_path / "cache", max_bytes=bound))
    kept = decodes.taken()
    read_cached(roots[1], open_cache(tmp_path / "cache", max_bytes=bound))
    assert kept < decodes.taken()


@pytest.mark.parametrize("memory", [0, 7 * ROW, 2**20])
def test_cache_smaller_than_the_data_keeps_the_first_part(tmp_path: Path, memory: int) -> None:
    """The rest goes to memory, and beyond that is decoded each time; all pixels are right either way."""
    root = write_hour_old(tmp_path / "images", 60)
    cache = open_cache(tmp_path / "cache", max_bytes=20 * (ROW + 32))
    for _ in range(2):
        images = read_cached(root, cache, memory=memory)
        assert 10 <= images.store.num_kept - min(memory // ROW, 40) <= 20
        check_pixels(images, root)
        order = np.random.default_rng(0).permutation(60)[:17]
        np.testing.assert_array_equal(images.pixels(order), images.pixels(np.arange(60))[order])


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


def test_what_is_kept_nowhere_is_not_decoded_at_a_later_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its header is looked at instead, so that limits hold; its pixels are those of its file all the same."""
    monkeypatch.setattr("trainer.pixels.store._COMMIT_BYTES", 4 * ROW)
    monkeypatch.setattr("trainer.data.image_reading._AT_ONCE", 4)
    monkeypatch.setattr("trainer.pixels.file_hashes._QUIET_NS", -1)  # the files are new
    root = write_hour_old(tmp_path / "images", 40)
    decoded = DecodeCounter(monkeypatch)

    def read() -> Images:
        return read_cached(root, open_cache(tmp_path / "cache", max_bytes=8 * (ROW + 32)), memory=2 * ROW)

    first = read()
    assert decoded.taken() == 40
    assert first.store.num_kept <= 10
    second = read()
    assert decoded.taken() <= 12  # until it shows that there is no room
    assert second.hashes == first.hashes
    check_pixels(second, root)
    narrow = Limits.of(max_megapixels=0.0001, max_image_mb=1)
    cache = open_cache(tmp_path / "cache", max_bytes=8 * (ROW + 32))
    files = open_class_folder(root)
    _, bad = read_images(files, PREPROCESSING, limits=narrow, max_cache_bytes=2 * ROW, cache=cache)
    assert len(bad) >= 30
