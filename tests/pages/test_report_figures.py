"""The drawings and words of a report: the numbers in them are those that were handed in."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from pages.findings import PairDistances, RecallCurve
from pages.pictures import small_picture
from pages.plot import axis, log_axis
from pages.report_figures import curves, histogram, recall_curve, scatter, trade_off
from pages.report_summary import duration
from tests.shared.metric_lines import LINES


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
    pairs = PairDistances(same=same, different=different, far=np.array([0, 0.05, 1]), tar=np.array([0, 0.95, 1]))
    drawn_curve = trade_off(pairs, threshold={"eer": 0.05, "far": 0.06, "frr": 0.04})
    assert drawn_curve.legend == (("c2", "equal error rate", "5.00%"), ("other", "threshold", "FAR 6.00%, FRR 4.00%"))
    assert trade_off(pairs, threshold=None).legend == ()
    assert "threshold 95" in histogram(pairs, threshold={"value": 95.0, "far": 0.06, "frr": 0.04}).svg
    curve = RecallCurve(depths=np.array([1, 5, 10]), recall=np.array([0.5, 0.75, 1.0]), num_queries=4, last_rank=10)
    assert [value for _, _, value in recall_curve(curve).legend] == ["50.0%", "75.0%", "100.0%"]
    drawn = scatter(
        np.zeros((30, 2)), [0] * 20 + list(range(1, 11)), class_names=[str(at) for at in range(11)], titles=["t"] * 30
    )
    assert [name for _, name, _ in drawn.legend] == [str(at) for at in range(10)] + ["1 more classes"]


def test_small_picture_is_the_picture_in_small() -> None:
    """A drawing as PNG, a noisy photograph as JPEG, both readable and no larger than shown."""
    flat = np.zeros((28, 28, 3), np.uint8)
    noisy = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    for pixels, kind, size in ((flat, "png", 28), (noisy, "jpeg", 72)):
        head, data = small_picture(pixels, 72).split(",")
        assert head == f"data:image/{kind};base64"
        assert Image.open(io.BytesIO(base64.b64decode(data))).size == (size, size)


def test_duration_is_readable() -> None:
    """Seconds, minutes, hours."""
    assert [duration(value) for value in (42.4, 720, 12_000)] == ["42 s", "12 min", "3 h 20 min"]
