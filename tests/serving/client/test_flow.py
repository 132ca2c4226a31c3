"""The flow of windows under the Scorer, alone: order, bound, failures, and leaving early."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact.repository.reading import open_repository
from rows.images import ImageRef
from serving.client.batches.runner import BatchRunner
from serving.client.batches.size import BatchSize
from serving.client.flow import Flow
from serving.client.windows import Seen, Window
from tests.shared.scored_images import publish_models

DIM = 4


class Runner(BatchRunner):
    """Gives each image, a file named by a number, a vector of that number; `act` may come before."""

    def __init__(self, act: Any = None) -> None:  # of BatchRunner's no more than how a window is cut
        self.act = act
        self.batches: list[list[int]] = []

    def run(self, pictures: Sequence[Any], thumbnailing: Any = None) -> list[Any]:
        numbers = [int(str(picture.path)) for picture in pictures]
        self.batches.append(numbers)
        if self.act is not None:
            self.act(numbers)
        return [np.full(DIM, number, np.float32) for number in numbers]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("flow")
    root = publish_models(folder / "repository", folder / "files", models=["triplet_branch"])
    return open_repository(root).model("triplet_branch").manifests[1]


@contextmanager
def flow(runner: Runner, manifest: Any, *, threads: int = 2, ahead: int = 4, size: int = 2) -> Iterator[Flow]:
    with ThreadPoolExecutor(threads) as pool:
        options: dict[str, Any] = {"batch_size": BatchSize(size), "manifest": manifest, "shares": 1, "ahead": ahead}
        flow = Flow(runner, pool.submit, **options)
        try:
            yield flow
        finally:
            flow.cancel()


def window(*numbers: int) -> Window:
    return Window({"image": [str(number) for number in numbers]}, Seen(DIM))


def numbers_of(answers: Sequence[Any]) -> list[list[int]]:
    return [answer.columns["embedding"][:, 0].astype(int).tolist() for answer in answers]


def test_windows_are_answered_in_order_though_the_first_batch_ends_last(manifest: Any) -> None:
    """Batches of two from windows of any size, an empty one among them."""
    others_done = threading.Event()

    def act(numbers: list[int]) -> None:
        if 0 in numbers:
            assert others_done.wait(10)
        if 7 in numbers:
            others_done.set()

    windows = [(0,), (1, 2, 3, 4, 5), (), (6, 7), (8,)]
    with flow(Runner(act), manifest, ahead=8) as under_test:
        for numbers in windows:
            assert under_test.wants
            under_test.put(window(*numbers))
        answers = []
        while under_test.oldest is not None:
            answers += under_test.take()
    assert numbers_of(answers) == [list(numbers) for numbers in windows]


def test_a_large_window_is_cut_as_far_as_batches_may_be_ahead(manifest: Any) -> None:
    """Twenty images are ten batches, of which four at a time have been handed to the pool."""
    runner = Runner()
    with flow(runner, manifest, threads=1) as under_test:
        under_test.put(window(*range(20)))
        assert not under_test.wants
        for taken in range(1, 10):
            assert under_test.take() == []
            assert len(runner.batches) <= 4 + taken
        (answer,) = under_test.take()
        assert under_test.oldest is None
    assert numbers_of([answer]) == [list(range(20))]
    assert runner.batches == [[at, at + 1] for at in range(0, 20, 2)]


def test_windows_of_large_images_are_few(manifest: Any) -> None:
    """256 MiB of files and pixels are enough, however many batches may be ahead; one window is taken at any size."""
    pixels = np.broadcast_to(np.uint8(0), (8192, 8192, 3))  # 192 MiB, as far as anybody can tell

    def large(*numbers: int) -> Window:
        refs = [ImageRef(path=Path(str(number)), pixels=pixels) for number in numbers]
        return Window({"image": refs}, Seen(DIM))

    with flow(Runner(), manifest, ahead=100) as under_test:
        under_test.put(large(0, 1))
        assert not under_test.wants
        (first,) = under_test.take()
        for number in (2, 3):
            assert under_test.wants
            under_test.put(large(number))
        assert not under_test.wants
        (second,) = under_test.take()
        assert under_test.wants
        (third,) = under_test.take()
    assert numbers_of([first, second, third]) == [[0, 1], [2], [3]]
    assert Window({"image": [b"12345", b"67", b"67"]}, Seen(DIM)).num_bytes == 7


def test_the_first_failure_is_raised_and_what_has_not_begun_is_dropped(manifest: Any) -> None:
    """Also what was handed to the pool before the failure was seen."""
    begun = threading.Event()
    go_on = threading.Event()

    def act(numbers: list[int]) -> None:
        if 2 in numbers:
            raise KeyError("broken")
        if 4 in numbers:
            begun.set()
            assert go_on.wait(10)

    runner = Runner(act)
    with flow(runner, manifest, threads=1) as under_test:
        under_test.put(window(*range(40)))
        under_test.take()
        with pytest.raises(KeyError, match="broken"):
            under_test.take()
        assert begun.wait(10)
        under_test.cancel()
        go_on.set()
    assert runner.batches == [[0, 1], [2, 3], [4, 5]]
