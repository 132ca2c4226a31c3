"""Occlusion: its maps against a plain loop over a network that is known, here and on a server; what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from artifact.errors import DataError, UsageError
from artifact.repository.publishing import publish
from serving.client.scorer import Scorer
from serving.embedded.server import Server
from serving.explanation.hiding import blurred
from serving.explanation.occlusion import LEAST_RUNS, explain, num_runs, planned_scales
from tests.shared.tiny_artifact import linear_vectors, write_tiny_artifact

SIDE = 20


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny`, and `tiny_full` of three streams, at 20 px."""
    folder = tmp_path_factory.mktemp("explained")
    for mode, name in (("branch", "tiny"), ("full", "tiny_full")):
        write_tiny_artifact(folder / "artifact.onnx", mode=mode, name=name, size=SIDE)
        publish(folder / "artifact.onnx", folder / "models")
    return folder / "models"


@pytest.fixture
def scorer(repository: Path) -> Iterator[Scorer]:
    with Scorer("tiny", repository=repository) as opened:
        yield opened


def _pictures() -> tuple[np.ndarray, np.ndarray]:
    first, second = np.random.default_rng(3).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    return first, second


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm((linear_vectors(a[None]) - linear_vectors(b[None]))[0].astype(np.float64)))


def _plain_map(hidden: np.ndarray, other: np.ndarray, sides: tuple[int, ...]) -> np.ndarray:
    """The map by loops: each pixel the mean over the patches that cover it, then over the scales."""
    blur, whole = blurred(hidden), _distance(hidden, other)
    maps = []
    for parts in sides:
        edges = [round(SIDE * step / (2 * parts)) for step in range(2 * parts + 1)]
        covering: list[list[list[float]]] = [[[] for _ in range(SIDE)] for _ in range(SIDE)]
        for down in range(2 * parts - 1):
            for across in range(2 * parts - 1):
                changed = hidden.copy()
                for row in range(edges[down], edges[down + 2]):
                    for column in range(edges[across], edges[across + 2]):
                        changed[row, column] = blur[row, column]
                for row in range(edges[down], edges[down + 2]):
                    for column in range(edges[across], edges[across + 2]):
                        covering[row][column].append(_distance(changed, other) - whole)
        maps.append([[sum(each) / len(each) for each in line] for line in covering])
    return np.mean(maps, axis=0)


def test_maps_are_those_of_a_plain_loop(scorer: Scorer) -> None:
    """Of either picture, at two scales, of a network that is known."""
    first, second = _pictures()
    found = explain(scorer, first, second, most_runs=2 * (25 + 81 + 2))
    assert found.scales == (25, 81)
    assert found.distance == pytest.approx(_distance(first, second), rel=1e-5)
    for parts, hidden, other in zip(found.parts, (first, second), (second, first), strict=True):
        np.testing.assert_allclose(parts.growth, _plain_map(hidden, other, (3, 5)), atol=2e-4)
        assert parts.hidden_whole == pytest.approx(_distance(blurred(hidden), other), rel=1e-4)


def test_regions_are_what_their_hiding_says_and_apart(scorer: Scorer) -> None:
    """Each growth is that of its patch, the largest first, and none has a pixel of another."""
    first, second = _pictures()
    found = explain(scorer, first, second)
    regions = found.parts[0].regions
    blur, seen = blurred(first), np.zeros((SIDE, SIDE), int)
    for region in regions:
        changed = first.copy()
        changed[region.patch.slices] = blur[region.patch.slices]
        assert region.growth == pytest.approx(_distance(changed, second) - found.distance, abs=2e-4)
        seen[region.patch.slices] += 1
    assert seen.max() == 1
    growths = [region.growth for region in regions]
    assert growths == sorted(growths, reverse=True)
    assert len(growths) >= 2


def test_a_server_and_every_mode_give_the_same_maps(repository: Path, scorer: Scorer) -> None:
    """The branch here twice is equal to the bit; by URL, and in a full artifact's slots, to rounding."""
    pictures = _pictures()
    here, again = explain(scorer, *pictures), explain(scorer, *pictures)
    with Server(repository, grpc_port=0) as server, Scorer("tiny", url=server.url) as remote:
        there = explain(remote, *pictures)
    with Scorer("tiny_full", repository=repository) as full:
        slots = explain(full, *pictures)
    for number in (0, 1):
        assert here.parts[number].growth.tobytes() == again.parts[number].growth.tobytes()
        np.testing.assert_allclose(there.parts[number].growth, here.parts[number].growth, atol=1e-5)
        np.testing.assert_allclose(slots.parts[number].growth, here.parts[number].growth, atol=1e-5)


def test_runs_are_as_many_as_was_said_and_never_more_than_asked(scorer: Scorer) -> None:
    """Whatever the limit; a finer scale comes with a larger one, until its patches have no pixels."""
    first, second = _pictures()
    for most in (LEAST_RUNS, 300, 700, 100_000):
        found = explain(scorer, first, second, most_runs=most)
        assert found.num_runs == num_runs(planned_scales(scorer, most)) <= most
        assert found.num_runs == 2 * (sum(found.scales) + 2)
    assert len(planned_scales(scorer, 100_000)) == 3  # 20 px have no 24 halves of patches


def test_a_picture_of_one_colour_has_nothing_to_hide(scorer: Scorer) -> None:
    """Its blur is itself: no growth, no region; the other picture has both."""
    found = explain(scorer, np.full((SIDE, SIDE, 3), 77, np.uint8), _pictures()[1])
    assert not found.parts[0].growth.any()
    assert not found.parts[0].regions
    assert found.parts[1].growth.any()


def test_one_picture_twice_is_alike_all_over(scorer: Scorer) -> None:
    """Distance 0, and whatever is hidden drives them apart."""
    first, _ = _pictures()
    found = explain(scorer, first, first)
    assert found.distance == 0
    assert found.parts[0].growth.min() > 0


@pytest.mark.parametrize(("first", "word"), [("nowhere.png", "first"), (b"no image", "first")])
def test_a_picture_that_cannot_be_read_is_named(scorer: Scorer, first: object, word: str) -> None:
    """Which of the two, and why."""
    with pytest.raises(DataError, match=f"the {word} picture: "):
        explain(scorer, first, _pictures()[1])
    with pytest.raises(DataError, match="the second picture: "):
        explain(scorer, _pictures()[1], first)


def test_too_few_runs_are_refused(scorer: Scorer) -> None:
    """With how many there have to be."""
    with pytest.raises(UsageError, match=f"expected {LEAST_RUNS} or more, got 7"):
        explain(scorer, *_pictures(), most_runs=7)


def test_blur_is_a_box_three_times_over() -> None:
    """Against a plain loop over a row and a column at a time, the edge repeated; one colour stays that colour."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8)
    radius = round(0.15 * 9)
    expected = pixels.astype(int)
    for _ in range(3):
        for axis in (0, 1):
            before, length = expected, expected.shape[axis]
            expected = np.zeros_like(before)
            for at in range(length):
                window = [min(max(near, 0), length - 1) for near in range(at - radius, at + radius + 1)]
                total = sum(np.take(before, near, axis=axis) for near in window)
                place = (at, slice(None)) if axis == 0 else (slice(None), at)
                expected[place] = np.floor(total / len(window) + 0.5).astype(int)
    np.testing.assert_array_equal(blurred(pixels), expected)
    assert (blurred(np.full((30, 40, 3), 201, np.uint8)) == 201).all()
