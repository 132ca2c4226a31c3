"""The page of a comparison: bounded, and the numbers on it are those that were handed in."""

from pathlib import Path
from typing import Any

import numpy as np

from pages.comparison import MAX_CLASSES, MAX_REGIONS, PICTURES_OF_REGION, shown_ids, write_comparison


def facts(*, num_regions: int = 30, num_classes: int = 60, differ: bool | None = True) -> dict[str, Any]:
    side = {"rows": 1234, "counted": 1000, "most_copied": 235}
    unlike = [{"id": "<b>", "p_other": 0.0123, "neighbours_other": 0.2, "region": 1}]
    region = {"count_a": 5, "count_b": 0, "share_a": 0.0345, "share_b": 0.0, "difference": -0.0345, "ratio": None}
    region |= {"low": -0.0456, "high": -0.0234, "p_value": 0.004, "medoid": "m", "typical_a": list("stuvwxyz")}
    shares = {"count_a": 0, "count_b": 7, "share_a": 0.0, "share_b": 0.0777, "difference": 0.0777}
    classes = [
        {"name": f"k{n}", **shares, "low": 0.01, "high": 0.1, "shift": None, "p_value": None}
        for n in range(num_classes)
    ]
    return {
        "differ": differ,
        "p_value": 0.0031,
        "alpha": 0.05,
        "least_p_value": 0.001,
        "p_values": {"mmd 1": 0.2, "regions": 0.0008},
        "mmd_squared": 0.0042,
        **dict.fromkeys(("auc", "auc_low", "auc_high"), 0.6789),
        **dict.fromkeys(("told_apart", "told_apart_low", "told_apart_high"), -0.02),
        "neighbours": {"k": 10, "share_b_of_a": 0.41, "share_b_of_b": 0.59, "expected": 0.5, "recall": 0.93},
        "a": {**side, "source": "x/march.parquet", "most_unlike": unlike},
        "b": {**side, "source": "y/april.parquet", "most_unlike": unlike},
        "shared": 77,
        "regions": [{**region, "region": n, "typical_b": []} for n in range(num_regions)],
        "label": "class",
        "untested_classes": 0,
        "classes": classes,
        "distance": "cosine",
        "dims": 64,
        "every_row": False,
        "relabellings": 999,
        "seed": 0,
    }


def write(path: Path, found: dict[str, Any], **options: Any) -> str:
    given = {"like_b": (np.array([0.2, 0.4]), np.array([0.6, 0.8])), "pictures": ({}, {})} | options
    write_comparison(path, found, relabelled=np.linspace(-1e-3, 1e-3, 50), **given)
    return path.read_text()


def test_the_page_has_the_numbers_that_were_handed_in(tmp_path: Path) -> None:
    """p-value, AUC, a share below 0 as none, neighbours, regions and classes; what is too many is counted."""
    page = write(tmp_path / "c.html", facts(), pictures=({"<b>": "data:image/png;base64,AA"}, {}), missing=["no <i>"])
    for text in (
        "The sets differ",
        "0.0031",
        "0.679",
        "0.31 of",
        "41.00 %",
        "93.00 % of the nearest were found",
        "-3.45",
    ):
        assert text in page
    assert "0.00 %</dd>" in page  # a share that differs is not below 0
    assert "one is there 235 times" in page
    assert page.count("only in B") == MAX_CLASSES
    assert page.count("none</div>") == MAX_REGIONS
    assert ("and 10 more regions" in page, "and 10 more classes" in page) == (True, True)
    assert 'src="data:image/png;base64,AA" alt="&lt;b&gt;"' in page
    assert "no &lt;i&gt;" in page
    assert "smaller ones" not in page
    assert "nor have 1,234 smaller ones" in write(tmp_path / "c.html", facts() | {"untested_classes": 1234})


def test_verdicts_are_three(tmp_path: Path) -> None:
    """A difference, none found, and too few to tell; without a classifier pictures are ordered by neighbours."""
    assert "<h1>No difference found</h1>" in write(tmp_path / "c.html", facts(differ=False, num_regions=1))
    few = facts(differ=None, num_regions=1, num_classes=0) | {"auc": None}
    few["a"]["most_unlike"][0]["p_other"] = None
    page = write(tmp_path / "c.html", few, like_b=None)
    assert "<h1>Too few vectors to tell whether the sets differ</h1>" in page
    assert "20% near" in page
    assert "Can the pictures be told apart?" not in page


def test_only_pictures_that_are_shown_are_asked_for() -> None:
    """The least alike, and a few of each region that is on the page."""
    of_a, of_b = shown_ids(facts())
    assert of_a == ["<b>", *list("stuvwxyz")[:PICTURES_OF_REGION] * MAX_REGIONS]
    assert of_b == ["<b>"]
