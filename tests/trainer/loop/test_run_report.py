"""The report of a run: one whole page from real and from awkward runs, every number on it measured once."""

import html.parser
import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from analysis.measures.pairs import choose_pairs
from analysis.measures.retrieval import retrieval_metrics
from analysis.measures.threshold import threshold_of_pairs
from artifact.arrays import Indices, Vectors
from artifact.images.decoding import Pixels
from pages.plot import number
from tests.shared.metric_lines import LINE, LINES
from trainer.config.config import make_config
from trainer.data.images import Images
from trainer.loop.run_report import report_run
from trainer.loop.training import Training

CONFIG = make_config(
    {"images": "digits", "kind": "triplet", "loss": "triplet", "mining": "all", "margin": 1.0, "size": 28}
)
FACTS: dict[str, Any] = {
    "data_sha256": "ab" * 32,
    "num_train_images": 4000,
    "num_train_classes": 10,
    "num_validation_images": 60,
    "num_validation_classes": 4,
    "base": {"name": "conv4", "licence": "Apache-2.0"},
    "versions": {"torch": "2"},
    "seconds": 75.0,
}


@dataclass
class Shown:
    """Held-out images as far as a report asks for them, and their vectors."""

    vectors: Vectors
    labels: Indices
    classes: list[str]
    names: list[str]
    shown_pixels: Pixels
    has_classes: bool = True
    files: Any = field(init=False)

    def __post_init__(self) -> None:
        self.files = SimpleNamespace(names=self.names, classes=self.classes)

    def pixels(self, rows: Indices) -> Pixels:
        return self.shown_pixels[rows]


def held_out(count: int, classes: int, *, names: list[str] | None = None, dim: int = 8, **values: Any) -> Shown:
    """Random images of classes around random centres."""
    random = np.random.default_rng(3)
    labels = random.integers(0, classes, count)
    given = {
        "vectors": (random.normal(size=(classes, dim))[labels] + 0.7 * random.normal(size=(count, dim))),
        "labels": labels,
        "classes": names or [f"class {code}" for code in range(classes)],
        "names": [f"image {row}.png" for row in range(count)],
        "shown_pixels": random.integers(0, 256, (count, 28, 28, 3), dtype=np.uint8),
    } | values
    given["vectors"] = given["vectors"].astype(np.float32)
    return Shown(**given)


THRESHOLD_OF_PAIRS: dict[str, Any] = {"value": "of the pairs"}


def page_of(
    folder: Path,
    images: Shown | None,
    *,
    lines: Any = LINES,
    threshold: Any = THRESHOLD_OF_PAIRS,
    facts: dict[str, Any] = FACTS,
) -> str:
    """The page as a run writes it at its end; what goes wrong raises."""
    pairs = None
    is_finite = images is not None and np.isfinite(images.vectors).all()
    if images is not None and images.has_classes and is_finite:
        pairs = choose_pairs(images.vectors, images.labels, distance=CONFIG.distance, seed=CONFIG.seed)
    if threshold is THRESHOLD_OF_PAIRS:
        threshold = None if pairs is None else threshold_of_pairs(pairs)
    folder.mkdir(parents=True, exist_ok=True)
    held = cast(Images, images)
    training = SimpleNamespace(config=CONFIG, folder=folder, lines=lines, prepared=SimpleNamespace(held_out=held))
    said: list[Any] = []
    vectors = None if images is None else images.vectors
    report_run(cast(Training, training), facts | {"threshold": threshold}, vectors, pairs, said.append)
    assert said == []
    assert [path.name for path in folder.iterdir()] == ["report.html"]
    return (folder / "report.html").read_text(encoding="utf-8")


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
    images = held_out(60, 4)
    page = page_of(tmp_path, images)
    threshold = threshold_of_pairs(choose_pairs(images.vectors, images.labels, distance="euclidean"))
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


def test_report_drawings_are_sound_xml(tmp_path: Path) -> None:
    """Each SVG parses by itself, and no coordinate in it is NaN."""
    drawings = re.findall(r"<svg.*?</svg>", page_of(tmp_path, held_out(60, 4)), flags=re.DOTALL)
    assert [drawing.count('class="mark"') for drawing in drawings] == [1] + [0] * 10
    for drawing in drawings:
        ElementTree.fromstring(drawing)
        assert "nan" not in drawing
        assert "inf" not in drawing


def test_report_of_equal_runs_has_equal_bytes(tmp_path: Path) -> None:
    """Samples are seeded and numbers rounded."""
    pages = [page_of(tmp_path / "same" / str(turn) / "run", held_out(500, 30)) for turn in range(2)]
    assert pages[0] == pages[1]


@pytest.mark.parametrize(("count", "classes"), [(60, 4), (3000, 60)])
def test_report_states_each_measure_once(count: int, classes: int, tmp_path: Path) -> None:
    """The equal error rate at the head is that of the curve's legend, and recall@1 that of the legend and the table.

    Of 3,000 images the page once drew samples of its own: 13.57 % beside 13.65 %, and 58.4 % beside 59.0 %.
    """
    images = held_out(count, classes)
    measured = retrieval_metrics(images.vectors, images.labels, distance="euclidean", ks=(1,))
    page = page_of(tmp_path, images, facts=FACTS | {"metrics": measured})
    rates = set(re.findall(r"equal error rate(?:</dt><dd>| <b>| )([0-9.]+%)", page))
    assert len(re.findall("equal error rate", page)) == 3
    assert len(rates) == 1
    recalls = re.findall(r"recall@1(?:</dt><dd>| <b>)([0-9.]+)%", page)
    assert recalls[0] == recalls[-1] == f"{100 * measured['recall@1']:.1f}"
    table = re.findall(r'<td class="num">(\d+)</td><td class="num">([0-9.]+) %</td>', page)
    if classes <= 40:  # all are in the table
        assert len(table) == classes
        mean = sum(int(queries) * float(recall) for queries, recall in table) / count
        assert mean == pytest.approx(100 * measured["recall@1"], abs=0.05)


AWKWARD: dict[str, tuple[dict[str, Any], str]] = {
    "nothing held out": ({"images": None}, "Nothing was held out"),
    "one image": ({"images": held_out(1, 1)}, "Nothing was held out"),
    "two images of one class": ({"images": held_out(2, 1)}, "one sort only"),
    "each image its own class": ({"images": held_out(5, 5, labels=np.arange(5))}, "No class has two held-out"),
    "vectors that are not finite": ({"images": held_out(9, 3, vectors=np.full((9, 4), np.nan, np.float32))}, "NaN"),
    "no classes": ({"images": held_out(9, 3, has_classes=False)}, "have no classes"),
    "a single point": ({"images": held_out(30, 3, vectors=np.ones((30, 4), np.float32))}, "Worst queries"),
    "one dimension": ({"images": held_out(30, 3, dim=1)}, "Worst queries"),
    "many classes": ({"images": held_out(3000, 1500)}, "more classes, none worse"),
    "no epochs": ({"images": held_out(30, 3), "lines": [], "facts": {}}, "The run"),
    "one epoch": ({"images": None, "lines": LINES[:1]}, "Difficulty of tuples"),
    "lines without numbers": ({"images": None, "lines": [{"epoch": 1, "loss": math.nan, "recall@1": None}]}, "Held"),
    "threshold of NaN": ({"images": held_out(30, 3), "threshold": {"value": math.nan, "far": None}}, "Trade-off"),
    "threshold that accepts nothing": (
        {"images": held_out(30, 3), "threshold": {"value": -1.0, "far": 0.0, "frr": 1.0, "eer": 0.5}},
        "Trade-off",
    ),
}


@pytest.mark.parametrize("case", AWKWARD)
def test_report_bears_what_awkward_runs_bring(case: str, tmp_path: Path) -> None:
    """What cannot be shown is said; the rest of the page stands."""
    values, words = AWKWARD[case]
    page = page_of(tmp_path, **values)
    assert words in page
    assert page.rstrip().endswith("</html>")
    assert "The run" in page


def test_report_shows_names_as_text(tmp_path: Path) -> None:
    """Class and file names that look like HTML stay names, in the page and in its drawings."""
    names = ["<script>alert(1)</script>", 'a & b "c"', "ü" * 300]
    images = held_out(40, 3, names=names)
    images.files.names = ["<img src=x onerror=y>.png"] * 40
    page = page_of(tmp_path, images)
    found = _Tags(page)
    assert "script" not in found.tags
    assert "x" not in found.links
    assert "&lt;script&gt;" in page


def test_report_says_what_to_try(tmp_path: Path) -> None:
    """The hints of the run stand at its head."""
    lines = [LINE | {"epoch": epoch, "pct_easy": 99.0, "recall@1": 0.6} for epoch in range(1, 6)]
    assert "try --mining semi_hard or batch_hard" in page_of(tmp_path, None, lines=lines)
    assert "What to try" not in page_of(tmp_path, None)


@pytest.mark.slow
def test_report_stays_small_however_large_the_run(tmp_path: Path) -> None:
    """Noise, which no format compresses, in 4,000 images and 3,000 epochs."""
    lines = [LINE | {"epoch": epoch} for epoch in range(1, 3001)]
    assert len(page_of(tmp_path, held_out(4000, 50), lines=lines)) < 2_000_000


def test_report_that_fails_is_a_warning(tmp_path: Path) -> None:
    """A page of plots must not cost hours of training."""
    prepared = SimpleNamespace(held_out=None)
    training = SimpleNamespace(config=CONFIG, folder=tmp_path, lines=3, prepared=prepared)
    said: list[Any] = []
    report_run(cast(Training, training), FACTS, None, None, said.append)
    assert [event["event"] for event in said] == ["warning"]
    assert said[0]["message"].startswith("report.html could not be written: TypeError: ")
