"""A report from plain data: the numbers handed in are on the page, without anything that could compute them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from artifact.images.decoding import Pixels
from pages.findings import ClassLine, HeldOut, Neighbourhoods, PairDistances, RecallCurve, Retrieval, VectorMap
from pages.report import write_report
from tests.shared.places import ROOT

SETTINGS: dict[str, Any] = {
    "kind": "triplet",
    "base": "conv4",
    "dim": 2,
    "loss": "triplet",
    "distance": "euclidean",
    "normalize": True,
    "epochs": 3,
    "margin": 0.5,
    "mining": "all",
    "size": 28,
    "fit": "crop",
    "images": "photos",
    "seed": 4,
}


def pixels(rows: Any) -> Pixels:
    return np.full((len(rows), 4, 4, 3), 100, np.uint8)


def near(query: int, rank: int, rows: list[int], distances: list[float]) -> Neighbourhoods:
    return Neighbourhoods(
        queries=np.array([query]),
        ranks=np.array([rank]),
        rows=np.array([rows]),
        distances=np.array([distances], np.float32),
    )


HELD_OUT = HeldOut(
    names=["a.png", "b.png", "c.png"],
    labels=np.array([0, 0, 1]),
    classes=["cats", "dogs"],
    pixels=pixels,
    map=VectorMap(rows=np.arange(3), places=np.array([[0.0, 1], [1, 0], [2, 2]]), share=0.815),
    pairs=PairDistances(
        same=np.array([1.25], np.float32),
        different=np.array([1.0, 3.0], np.float32),
        far=np.array([0, 0.5, 0.5, 1]),
        tar=np.array([0.0, 0, 1, 1]),
    ),
    retrieval=Retrieval(
        recall=RecallCurve(depths=np.array([1, 5, 10]), recall=np.array([0.5, 1.0, 1.0]), num_queries=2, last_rank=2),
        at_random=near(0, 1, [1, 2], [1.25, 3.0]),
        confident=near(1, 7, [2, 0], [1.0, 1.25]),
        worst=near(1, 7, [2, 0], [1.0, 1.25]),
        classes=[ClassLine(code=0, queries=2, recall=0.125, confused_with=1)],
    ),
)


def test_report_shows_what_it_is_given(tmp_path: Path) -> None:
    """Every number on the page is one of these, none of which fits the others."""
    file = write_report(
        tmp_path / "run",
        settings=SETTINGS,
        settings_text="dim: 2",
        facts={"metrics": {"recall@1": 0.777}, "seconds": 7.0},
        lines=[],
        hints=["rest <b>"],
        held_out=HELD_OUT,
        threshold={"value": 1.5, "far": 0.25, "frr": 0.375, "eer": 0.0625, "protocol": "by hand"},
    )
    page = file.read_text()
    for words in (
        "<dt>recall@1</dt><dd>77.7%</dd>",
        "<dt>equal error rate</dt><dd>6.25%</dd>",
        "equal error rate <b>6.25%</b>",
        "37.50% rejected (FRR)",
        "25.00% accepted (FAR)",
        "recall@1 <b>50.0%</b>",
        "2 queries; the last one finds its class at place 2.",
        "rank 7",
        "12.5 %",
        "<td>dogs</td>",
        "Principal components: 82 % of the variance",
        "rest &lt;b&gt;",
        "triplet, 2 dimensions, unit length, euclidean distance",
        "28 x 28 px, crop",
        "by hand",
    ):
        assert words in page, words


def test_report_says_what_its_figures_rest_on(tmp_path: Path) -> None:
    """Beside the number at its head, under the figures that show it, and in the table at its end; or why it is none."""
    values: dict[str, Any] = {"settings": SETTINGS, "settings_text": "", "lines": [], "hints": [], "held_out": HELD_OUT}
    rests_on = {"recall@1": {"queries": 2, "is_enough": False, "text": "2 queries: too few"}}
    facts = {"metrics": {"recall@1": 0.777}, "rests_on": rests_on}
    threshold = {"value": 1.5, "far": 0.25, "frr": 0.375, "eer": 0.0625, "protocol": "by hand"}
    threshold |= {"rests_on": {"value": {"text": "3 pairs"}, "eer": {"text": "7 pairs"}}}
    page = write_report(tmp_path / "run", facts=facts, threshold=threshold, **values).read_text()
    assert '<dd>77.7%</dd><dd class="basis">2 queries: too few</dd>' in page
    assert page.count('<dd class="basis">3 pairs</dd>') == page.count('<dd class="basis">7 pairs</dd>') == 1
    assert page.count("The threshold rests on 3 pairs.") == 2
    assert "by hand; rests on 3 pairs" in page
    before = threshold | {"rests_on": "3 pairs"}
    page = write_report(tmp_path / "run", facts=facts, threshold=before, **values).read_text()
    assert page.count('<dd class="basis">3 pairs</dd>') == 2
    facts = {"why_no_threshold": "nothing was held out"}
    page = write_report(tmp_path / "run", facts=facts, threshold=None, **values).read_text()
    assert "none: nothing was held out" in page


def test_pages_know_no_measure_and_no_trainer() -> None:
    """Importing all of them loads neither analysis nor a trainer, a server or torch."""
    modules = sorted(f"pages.{file.stem}" for file in (ROOT / "pages").glob("[a-z]*.py"))
    code = (
        f"import sys, {', '.join(modules)};"
        "names = ('analysis', 'trainer', 'serving', 'torch', 'sklearn', 'faiss');"
        "print([name for name in names if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"
