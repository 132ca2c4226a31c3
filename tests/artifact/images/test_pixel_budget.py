"""The byte budget of decoded pixels: memory bounded, turns in order, no deadlock, the same pixels."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import artifact.images.cores
from artifact.images import decoding, pixel_budget
from artifact.images.image_batch import BadImagesError, load_batch
from artifact.images.image_error import ImageError
from artifact.images.image_parts import LARGE_FILE
from artifact.images.limits import DEFAULT_LIMITS
from artifact.images.pixel_budget import PixelBudget, default_bytes
from artifact.images.preprocessing import Preprocessing, load_pixels
from tests.shared.control_groups import UNIFIED, machine
from tests.shared.pictures import encode, noise
from tests.shared.places import ROOT
from tests.shared.waiting import eventually

WAIT_S = 30

_PEAK = """
import sys
from concurrent.futures import ThreadPoolExecutor
from artifact.images import decoding
from artifact.images.limits import DEFAULT_LIMITS
from artifact.images.pixel_budget import PixelBudget
from artifact.images.preprocessing import Preprocessing, load_pixels

data, spec = open(sys.argv[1], "rb").read(), Preprocessing(height=32, width=32)
decoding.PIXEL_BUDGET = PixelBudget(int(sys.argv[2]))
def peak():  # getrusage has that of the parent too, before it became this program
    return int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) * 1024
load_pixels(open(sys.argv[3], "rb").read(), spec)
before = peak()
with ThreadPoolExecutor(8) as pool:
    results = list(pool.map(lambda _: load_pixels(data, spec).tobytes(), range(8)))
print(peak() - before, len(set(results)))
"""


def peak_bytes(file: Path, small: Path, budget: int) -> int:
    """Memory that eight threads take to load the same picture, over what the libraries take."""
    command = [sys.executable, "-c", _PEAK, str(file), str(budget), str(small)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    peak, distinct = map(int, done.stdout.split())
    assert distinct == 1
    return peak


@pytest.mark.slow
@pytest.mark.parametrize("name", ["photograph.jpg", "photograph.png", "alpha.png", "photograph.webp"])
def test_memory_of_many_large_pictures_is_bounded(tmp_path: Path, name: str) -> None:
    """Eight threads with pictures of 12 megapixels: one at a time under a small budget, several under a large one."""
    width, height = 4000, 3000
    shades = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8))
    picture = shades.resize((width, height), Image.Resampling.BILINEAR)
    if name.startswith("alpha"):
        picture.putalpha(128)
    picture.save(tmp_path / name, **({"compress_level": 1} if name.endswith("png") else {}))
    shades.save(tmp_path / "small.jpg")
    alone = decoding._open((tmp_path / name).read_bytes(), DEFAULT_LIMITS).num_bytes
    bounded = peak_bytes(tmp_path / name, tmp_path / "small.jpg", budget=2**20)
    assert bounded < 1.75 * alone, "one goes alone; the C library keeps some of what each thread has freed"
    assert peak_bytes(tmp_path / name, tmp_path / "small.jpg", budget=2**40) > 1.5 * bounded, "what the budget prevents"


@pytest.mark.parametrize(
    ("form", "options"), [("PNG", {"compress_level": 0}), ("TIFF", {}), ("WEBP", {"lossless": True})]
)
def test_a_large_file_is_not_kept_twice_while_it_waits(form: str, options: dict[str, Any]) -> None:
    """What it is written anew to, without its metadata, is made once there is room for its pixels."""
    data = encode(Image.fromarray(noise(1, 800)[0]), form, **options)
    assert len(data) > LARGE_FILE
    decoding.decode_image(data)
    gc.collect()
    tracemalloc.start()
    opened = decoding._open(data, DEFAULT_LIMITS)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < len(data) / 4
    assert opened.decode().shape == (800, 800, 3)


def test_turns_come_in_order_and_a_large_one_is_not_passed_by() -> None:
    """One that needs all of the budget waits for those before it, and those after it wait for it."""
    budget, order, go_on = PixelBudget(10, small_bytes=1), list[str](), threading.Event()

    def decode(name: str, num_bytes: int) -> None:
        with budget.hold(num_bytes):
            order.append(name)
            if name == "first":
                assert go_on.wait(WAIT_S)

    with ThreadPoolExecutor(8) as pool:
        futures = []
        for number, (name, num_bytes) in enumerate([("first", 4), ("large", 99), ("small", 4), ("last", 4)]):
            futures.append(pool.submit(decode, name, num_bytes))
            eventually(lambda number=number: len(order) + len(budget._waiting) == number + 1, f"{number + 1} begun")
        assert order == ["first"], "there is room for the small ones, but it is not their turn"
        go_on.set()
        for future in futures:
            future.result(WAIT_S)
    assert order[:2] == ["first", "large"]
    assert sorted(order[2:]) == ["last", "small"]
    assert budget._held == 0


def test_no_more_than_the_budget_is_held_at_a_time() -> None:
    """Any needs, many threads, errors among them: the sum is never over it unless one is alone, and ends at zero."""
    budget, lock, held, seen = PixelBudget(100, small_bytes=1), threading.Lock(), [0, 0], list[tuple[int, int]]()

    def decode(num_bytes: int) -> None:
        with budget.hold(num_bytes):
            with lock:
                held[0] += num_bytes
                held[1] += 1
                seen.append((held[0], held[1]))
            with lock:
                held[0] -= num_bytes
                held[1] -= 1
            if num_bytes % 3 == 0:
                raise ImageError("cannot be decoded")

    needs = np.random.default_rng(0).integers(1, 150, 400).tolist()
    with ThreadPoolExecutor(16) as pool:
        failures = [future.exception(WAIT_S) for future in [pool.submit(decode, need) for need in needs]]
    assert sum(isinstance(failure, ImageError) for failure in failures) == sum(need % 3 == 0 for need in needs)
    assert all(total <= 100 or number == 1 for total, number in seen)
    assert (budget._held, len(budget._waiting)) == (0, 0)


def test_a_batch_under_a_budget_of_nothing_gives_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """More threads than images, each alone in turn, bad ones among them: the same pixels and the same refusals."""
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    files = []
    for number in range(12):
        Image.fromarray(np.roll(pixels, number * 7, axis=0)).save(tmp_path / f"{number}.png")
        files.append((tmp_path / f"{number}.png").read_bytes())
    spec = Preprocessing(height=16, width=16)
    expected = [load_pixels(data, spec) for data in files]
    monkeypatch.setattr(decoding, "PIXEL_BUDGET", PixelBudget(1, small_bytes=0))
    with ThreadPoolExecutor(16) as pool:
        got = load_batch({"image": files}, spec, apply=pool.map)["image"]
        np.testing.assert_array_equal(got, expected)
        with pytest.raises(BadImagesError) as caught:
            load_batch({"image": [files[0], files[1][:5000], b"no"]}, spec, apply=pool.map)
        np.testing.assert_array_equal(load_batch({"image": files}, spec, apply=pool.map)["image"], expected)
    assert [row for row, _, _ in caught.value.bad] == [1, 2]


def test_a_forked_child_has_all_of_the_budget() -> None:
    """What threads of the parent hold at the fork is never given back in the child, so it begins anew."""
    budget = PixelBudget(10, small_bytes=1)
    with budget.hold(10):
        child = os.fork()
        if child == 0:
            ended = threading.Event()

            def decode() -> None:
                with budget.hold(10):
                    ended.set()

            threading.Thread(target=decode, daemon=True).start()
            os._exit(0 if ended.wait(WAIT_S) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert budget._held == 0


def test_small_pictures_are_not_counted() -> None:
    """As many as come at a time."""
    budget = PixelBudget(10, small_bytes=5)
    with budget.hold(4), budget.hold(4), budget.hold(4):
        assert budget._held == 0


@pytest.mark.parametrize(("share", "cores"), [("max", 16), ("1600000", 16), ("650000", 6), ("50000", 4), ("300000", 4)])
def test_budget_fits_the_cores_that_are_granted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: str, cores: int
) -> None:
    """128 MiB for each of 16 cores, or for each of those that the container's share is; never less than for four."""
    monkeypatch.setattr(artifact.images.cores, "_affinity", lambda: 16)
    root = machine(tmp_path, "0::/\n", UNIFIED, **{"cpu.max": f"{share} 100000\n"})
    assert default_bytes(root=root) == cores * 128 * 2**20


def test_budget_is_counted_when_some_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the module is imported: the process may be given other cores before it decodes anything."""
    asked: list[int] = []
    monkeypatch.setattr(pixel_budget, "default_bytes", lambda: asked.append(1) or 100)
    budget = PixelBudget(small_bytes=1)
    assert not asked
    with budget.hold(50), budget.hold(50):
        assert budget._held == 100
    assert (len(asked), budget.max_bytes) == (1, 100)
