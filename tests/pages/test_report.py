"""report.html: one whole page from real and from awkward runs, and the numbers drawn in it beside plain loops."""

import base64
import html.parser
import io
import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from analysis.datasets.projection import project
from analysis.measures.metrics import retrieval_metrics
from analysis.measures.verification import decision_threshold
from artifact.distances import DISTANCES
from pages.plot import axis, log_axis, number
from pages.report import HeldOut, thumbnail, write_report
from pages.report_figures import curves, histogram, recall_curve, scatter, trade_off
from pages.report_pairs import PairDistances, pair_distances
from pages.report_retrieval import at_random, confident, neighbours, rank_queries, recall_by_class, worst
from pages.report_summary import duration
from trainer.config.config import make_config

CONFIG = make_config(
    {"images": "digits", "kind": "triplet", "loss": "triplet", "mining": "all", "margin": 1.0, "size": 28}
)
FACTS = {
    "data_sha256": "ab" * 32,
    "num_train_images": 4000,
    "num_train_classes": 10,
    "num_validation_images": 60,
    "num_validation_classes": 4,
    "base": {"name": "conv4", "licence": "Apache-2.0"},
    "versions": {"torch": "2"},
    "seconds": 75.0,
}
LINE: dict[str, Any] = {
    "epoch": 1,
    "step": 9,
    "loss": 0.5,
    "pct_active": 10.0,
    "pct_correct": 90.0,
    "pct_easy": 85.0,
    "pct_semi_hard": 5.0,
    "pct_hard": 10.0,
    "mean_positive": 1.0,
    "mean_negative": 3.0,
    "learning_rate": 1e-3,
    "images_per_s": 100.0,
    "recall@1": 0.9,
    "mAP@R": 0.8,
}
LINES = [LINE | {"epoch": epoch, "loss": 1 / epoch} for epoch in range(1, 6)]


def _held_out(count: int, classes: int, *, names: list[str] | None = None, dim: int = 8, **values: Any) -> HeldOut:
    random = np.random.default_rng(3)
    labels = random.integers(0, classes, count)
    vectors = (random.normal(size=(classes, dim))[labels] + 0.7 * random.normal(size=(count, dim))).astype(np.float32)
    pixels = random.integers(0, 256, (count, 28, 28, 3), dtype=np.uint8)
    given = {
        "vectors": vectors,
        "labels": labels,
        "classes": names or [f"class {code}" for code in range(classes)],
        "names": [f"image {row}.png" for row in range(count)],
        "pixels": lambda rows: pixels[rows],
    }
    return HeldOut(**(given | values))


def _page(
    folder: Path, held_out: HeldOut | None, *, lines: Any = LINES, threshold: Any = None, facts: Any = FACTS
) -> str:
    path = write_report(folder, config=CONFIG, facts=facts, lines=lines, held_out=held_out, threshold=threshold)
    assert path == folder / "report.html"
    return path.read_text(encoding="utf-8")


class _Tags(html.parser.HTMLParser):
    """Opened tags and all links of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for key, value in attrs if key in ("src", "href", "xlink:href", "srcset", "action")]


def test_report_is_one_whole_page_that_needs_nothing_else(tmp_path: Path) -> None:
    """Curves, gallery, histogram, trade-off, map and classes in one file without script, link or request."""
    held_out = _held_out(60, 4)
    assert held_out.labels is not None
    threshold = decision_threshold(held_out.vectors, held_out.labels, distance="euclidean")
    page = _page(tmp_path, held_out, threshold=threshold)
    found = _Tags(page)
    assert "script" not in found.tags
    assert "link" not in found.tags
    assert found.links
    assert all(link.startswith("data:image/") for link in found.links)
    assert not re.findall(r"url\(|@import", page)
    for words in (
        "Loss",
        "Held-out retrieval",
        "Tuples",
        "Difficulty of tuples",
        "Mean distance",
        "Learning rate",
        "Distances of pairs",
        "Trade-off (ROC)",
        "Recall at k",
        "At random",
        "Confidently wrong",
        "Worst queries",
        "Map of the vectors",
        "recall@1 of each class",
        "Every setting",
    ):
        assert words in page
    assert threshold is not None
    assert f"threshold {number(threshold['value'])}" in page
    assert f"{threshold['far']:.2%} accepted (FAR)" in page
    assert f"{threshold['frr']:.2%} rejected (FRR)" in page
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_report_drawings_are_sound_xml(tmp_path: Path) -> None:
    """Each SVG parses by itself, and no coordinate in it is NaN."""
    drawings = re.findall(r"<svg.*?</svg>", _page(tmp_path, _held_out(60, 4)), flags=re.DOTALL)
    assert len(drawings) == 10
    for drawing in drawings:
        ElementTree.fromstring(drawing)
        assert "nan" not in drawing
        assert "inf" not in drawing


def test_report_of_equal_runs_has_equal_bytes(tmp_path: Path) -> None:
    """Samples are seeded and numbers rounded."""
    pages = [_page(tmp_path / "same" / str(turn) / "run", _held_out(500, 30)) for turn in range(2)]
    assert pages[0] == pages[1]


AWKWARD: dict[str, tuple[dict[str, Any], str]] = {
    "nothing held out": ({"held_out": None}, "Nothing was held out"),
    "one image": ({"held_out": _held_out(1, 1)}, "Nothing was held out"),
    "two images of one class": ({"held_out": _held_out(2, 1)}, "one sort only"),
    "each image its own class": ({"held_out": _held_out(5, 5, labels=np.arange(5))}, "No class has two held-out"),
    "vectors that are not finite": ({"held_out": _held_out(9, 3, vectors=np.full((9, 4), np.nan, np.float32))}, "NaN"),
    "no classes": ({"held_out": _held_out(9, 3, labels=None)}, "have no classes"),
    "a single point": ({"held_out": _held_out(30, 3, vectors=np.ones((30, 4), np.float32))}, "Worst queries"),
    "one dimension": ({"held_out": _held_out(30, 3, dim=1)}, "Worst queries"),
    "many classes": ({"held_out": _held_out(3000, 1500)}, "more classes, none worse"),
    "no epochs": ({"held_out": _held_out(30, 3), "lines": [], "facts": {}}, "The run"),
    "one epoch": ({"held_out": None, "lines": LINES[:1]}, "Difficulty of tuples"),
    "lines without numbers": ({"held_out": None, "lines": [{"epoch": 1, "loss": math.nan, "recall@1": None}]}, "Held"),
    "threshold of NaN": ({"held_out": _held_out(30, 3), "threshold": {"value": math.nan, "far": None}}, "Trade-off"),
    "threshold that accepts nothing": (
        {"held_out": _held_out(30, 3), "threshold": {"value": -1.0, "far": 0.0, "frr": 1.0, "eer": 0.5}},
        "Trade-off",
    ),
}


@pytest.mark.parametrize("case", AWKWARD)
def test_report_bears_what_awkward_runs_bring(case: str, tmp_path: Path) -> None:
    """What cannot be shown is said; the rest of the page stands."""
    values, words = AWKWARD[case]
    page = _page(tmp_path, **values)
    assert words in page
    assert page.rstrip().endswith("</html>")
    assert "The run" in page


def test_report_shows_names_as_text(tmp_path: Path) -> None:
    """Class and file names that look like HTML stay names, in the page and in its drawings."""
    names = ["<script>alert(1)</script>", 'a & b "c"', "ü" * 300]
    held_out = _held_out(40, 3, names=names)
    page = _page(tmp_path, HeldOut(**(vars(held_out) | {"names": ["<img src=x onerror=y>.png"] * 40})))
    found = _Tags(page)
    assert "script" not in found.tags
    assert "x" not in found.links
    assert "&lt;script&gt;" in page


def test_report_says_what_to_try(tmp_path: Path) -> None:
    """The hints of the run stand at its head."""
    lines = [LINE | {"epoch": epoch, "pct_easy": 99.0, "recall@1": 0.6} for epoch in range(1, 6)]
    assert "try --mining semi_hard or batch_hard" in _page(tmp_path, None, lines=lines)
    assert "What to try" not in _page(tmp_path, None)


def test_report_stays_small_however_large_the_run(tmp_path: Path) -> None:
    """Noise, which no format compresses, in 4,000 images and 3,000 epochs."""
    held_out = _held_out(4000, 50)
    lines = [LINE | {"epoch": epoch} for epoch in range(1, 3001)]
    assert len(_page(tmp_path, held_out, lines=lines)) < 2_000_000


@pytest.mark.parametrize("distance", list(DISTANCES))
def test_ranks_agree_with_a_plain_loop(distance: str) -> None:
    """The place of the first right image, ties against it, and the nearest wrong one."""
    held_out = _held_out(70, 6)
    vectors, labels = held_out.vectors.copy(), held_out.labels
    assert labels is not None
    vectors[10:20] = vectors[10]  # ties
    ranking = rank_queries(vectors, labels, distance=distance)
    for at, query in enumerate(ranking.queries.tolist()):
        apart = {row: float(DISTANCES[distance](vectors[query], vectors[row])) for row in range(70) if row != query}
        right = min(value for row, value in apart.items() if labels[row] == labels[query])
        others = [value for row, value in apart.items() if labels[row] != labels[query]]
        if abs(right - min(others, key=lambda value: abs(value - right))) > 1e-5:  # rounding decides no rank
            assert ranking.ranks[at] == 1 + sum(value <= right for value in others)
        assert ranking.wrong_distance[at] == pytest.approx(min(others), abs=1e-5)
        assert labels[ranking.wrong[at]] != labels[query]


def test_ranks_and_classes_give_the_recall_of_the_metrics() -> None:
    """The share of rank 1 is recall@1, over all and as the mean over classes by their size."""
    held_out = _held_out(300, 9)
    assert held_out.labels is not None
    expected = retrieval_metrics(held_out.vectors, held_out.labels, distance="euclidean", ks=(1, 5))
    ranking = rank_queries(held_out.vectors, held_out.labels, distance="euclidean")
    classes = recall_by_class(ranking, held_out.labels)
    assert (ranking.ranks == 1).mean() == pytest.approx(expected["recall@1"])
    assert (ranking.ranks <= 5).mean() == pytest.approx(expected["recall@5"])
    assert sum(each.recall * each.queries for each in classes) / 300 == pytest.approx(expected["recall@1"])
    assert [each.recall for each in classes] == sorted(each.recall for each in classes)
    assert all(each.confused_with not in (each.code,) for each in classes)


def test_galleries_hold_the_queries_that_they_are_named_for() -> None:
    """Random ones spread over the classes; worst ones by falling rank; confident ones wrong, near, each pair once."""
    held_out = _held_out(300, 9)
    assert held_out.labels is not None
    ranking = rank_queries(held_out.vectors, held_out.labels, distance="euclidean")
    rank = dict(zip(ranking.queries.tolist(), ranking.ranks.tolist(), strict=True))
    near = dict(zip(ranking.queries.tolist(), ranking.wrong_distance.tolist(), strict=True))
    assert len(set(held_out.labels[at_random(ranking, held_out.labels, 9)].tolist())) == 9
    last = worst(ranking, 12).tolist()
    assert [rank[row] for row in last] == sorted(rank.values(), reverse=True)[:12]
    chosen = confident(ranking, 8, besides=np.array(last)).tolist()
    assert not set(chosen) & set(last)
    assert all(rank[row] > 1 for row in chosen)
    assert [near[row] for row in chosen] == sorted(near[row] for row in chosen)


def test_neighbours_leave_the_query_out_even_among_equals() -> None:
    """Twelve equal vectors: no picture is its own neighbour, and each row is as long as asked for."""
    held_out = _held_out(40, 4)
    vectors = held_out.vectors.copy()
    vectors[:12] = 0.5
    assert held_out.labels is not None
    ranking = rank_queries(vectors, held_out.labels, distance="euclidean")
    chosen = np.arange(40)
    distances, rows = neighbours(vectors, ranking, chosen, 5, distance="euclidean")
    assert rows.shape == (40, 5)
    assert not (rows == chosen[:, None]).any()
    full = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.fill_diagonal(full, np.inf)
    np.testing.assert_allclose(distances, np.sort(full, axis=1)[:, :5], atol=1e-5)


def test_pair_distances_of_few_images_are_all_there_are() -> None:
    """Every unordered pair once, on its own side."""
    held_out = _held_out(50, 4)
    assert held_out.labels is not None
    pairs = pair_distances(held_out.vectors, held_out.labels, distance="euclidean")
    same, different = [], []
    for a in range(50):
        for b in range(a):
            apart = float(np.linalg.norm(held_out.vectors[a] - held_out.vectors[b]))
            (same if held_out.labels[a] == held_out.labels[b] else different).append(apart)
    np.testing.assert_allclose(pairs.same, sorted(same), rtol=1e-5)
    np.testing.assert_allclose(pairs.different, sorted(different), rtol=1e-5)


def test_pair_distances_of_many_images_are_a_fair_sample() -> None:
    """Quantiles of the sample beside those of all pairs, classes of very different sizes, no image with itself."""
    random = np.random.default_rng(0)
    labels = random.permutation(np.repeat(np.arange(4), [300, 100, 50, 2]))
    vectors = (labels[:, None] * 0.4 + random.normal(size=(452, 3)) * (1 + labels[:, None])).astype(np.float32)
    pairs = pair_distances(vectors, labels, distance="euclidean")
    first, second = np.triu_indices(452, 1)
    every = np.linalg.norm(vectors[first] - vectors[second], axis=1)
    is_same = labels[first] == labels[second]
    quantiles = np.linspace(0.05, 0.95, 10)
    for sampled, all_of_them in ((pairs.same, every[is_same]), (pairs.different, every[~is_same])):
        np.testing.assert_allclose(np.quantile(sampled, quantiles), np.quantile(all_of_them, quantiles), rtol=0.03)
    assert pairs.same[0] > 0


def test_rates_of_pairs_rise_from_nothing_to_all() -> None:
    """Each threshold's shares, counted."""
    pairs = PairDistances(same=np.array([1, 2, 4], np.float32), different=np.array([2, 3], np.float32))
    far, accepted = pairs.rates()
    np.testing.assert_allclose(far, [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(accepted, [0, 1 / 3, 2 / 3, 2 / 3, 1])


@pytest.mark.parametrize("shape", [(200, 16), (30, 100), (5, 1), (1, 3), (2, 2)])
def test_projection_agrees_with_a_full_decomposition(shape: tuple[int, int]) -> None:
    """Coordinates and shares of variance by numpy's SVD, up to the sign of each direction."""
    random = np.random.default_rng(1)
    vectors = (random.normal(size=shape) * np.geomspace(9, 1, shape[1])).astype(np.float32)
    places, share = project(vectors)
    wide = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    left, sizes, _ = np.linalg.svd(wide, full_matrices=False)
    expected = np.pad(left * sizes, ((0, 0), (0, 2)))[:, :2]
    np.testing.assert_allclose(np.abs(places), np.abs(expected), atol=1e-3)
    total = float(np.square(sizes).sum())
    assert share == pytest.approx(np.square(sizes[:2]).sum() / total if total else 0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("values", "low", "high", "ticks"),
    [
        ([0.1, 0.83], 0.0, 1.0, 6),
        ([3.0], 1.0, 5.0, 5),
        ([], 0.0, 1.0, 6),
        ([-2, 7], -2, 8, 6),
        ([float("nan"), 5e-7], 0, 0, 0),
    ],
)
def test_axis_holds_its_values_at_round_ticks(values: list[float], low: float, high: float, ticks: int) -> None:
    """Ends and number of ticks by hand; every value within, whatever its size."""
    found = axis(values)
    if ticks:
        assert (found.low, found.high, len(found.ticks)) == (pytest.approx(low), pytest.approx(high), ticks)
    assert all(found.low <= value <= found.high for value in values if value == value)
    assert found.high > found.low


def test_log_axis_places_factors_evenly() -> None:
    """Halfway between 0.001 and 1 in factors; below the end is at the end."""
    found = log_axis(1e-3, 1.0)
    assert found.share(10**-1.5) == pytest.approx(0.5)
    assert found.share(0.0) == 0.0


def test_curves_are_those_that_the_lines_have_numbers_for() -> None:
    """Siamese runs have no order of tuples, tables of tuples no retrieval; a gap in validation is bridged."""
    bare = [{"epoch": at, "loss": 1.0, "pct_active": 5.0, "pct_correct": 9.0, "recall@1": None} for at in (1, 2)]
    assert [figure.title for figure in curves(bare)] == ["Loss", "Tuples"]
    tuples = [line | {"held_out_pct_correct": 80.0} for line in bare]
    assert [figure.title for figure in curves(tuples)] == ["Loss", "Held-out tuples", "Tuples"]
    gaps = [line | {"recall@1": 0.5 if line["epoch"] != 2 else None} for line in LINES]
    retrieval = next(figure for figure in curves(gaps) if figure.title == "Held-out retrieval")
    assert retrieval.svg.count('class="line c1"') == 1
    assert retrieval.svg.count('<circle class="c1"') == 4


def test_figures_state_the_numbers_that_they_draw() -> None:
    """Equal error rate of overlapping pairs, recall at 1, 5 and 10, the largest classes of a map."""
    same, different = np.arange(0, 100, dtype=np.float32), np.arange(90, 190, dtype=np.float32)
    pairs = PairDistances(same=same, different=different)
    assert ("c2", "equal error rate", "5.00%") in trade_off(pairs, threshold=None).legend
    assert "threshold 95" in histogram(pairs, threshold={"value": 95.0, "far": 0.06, "frr": 0.04}).svg
    assert [value for _, _, value in recall_curve(np.array([1, 1, 4, 10])).legend] == ["50.0%", "75.0%", "100.0%"]
    drawn = scatter(
        np.zeros((30, 2)), [0] * 20 + list(range(1, 11)), class_names=[str(at) for at in range(11)], titles=["t"] * 30
    )
    assert [name for _, name, _ in drawn.legend] == [str(at) for at in range(10)] + ["1 more classes"]


def test_thumbnail_is_the_picture_in_small() -> None:
    """A drawing as PNG, a noisy photograph as JPEG, both readable and no larger than shown."""
    flat = np.zeros((28, 28, 3), np.uint8)
    noisy = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    for pixels, kind, size in ((flat, "png", 28), (noisy, "jpeg", 72)):
        head, data = thumbnail(pixels).split(",")
        assert head == f"data:image/{kind};base64"
        assert Image.open(io.BytesIO(base64.b64decode(data))).size == (size, size)


def test_duration_is_readable() -> None:
    """Seconds, minutes, hours."""
    assert [duration(value) for value in (42.4, 720, 12_000)] == ["42 s", "12 min", "3 h 20 min"]
