"""Support of figures: when counts cannot tell a share or a rate, against SciPy's Wilson interval and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from analysis.measures.pairs import choose_pairs
from analysis.measures.support import (
    NO_INTERVAL,
    fewest_for_share,
    support_of_pairs,
    support_of_share,
    tells_false_accepts,
)
from analysis.measures.threshold import decision_threshold, threshold_of_pairs, why_none
from analysis.measures.verification import verification_metrics


@pytest.mark.parametrize("count", [1, 4, 15, 16, 40, 92, 93, 500])
def test_a_share_is_told_where_the_wilson_interval_is_narrow(count: int) -> None:
    """Every share that so many answers can have."""
    for right in range(count + 1):
        interval = binomtest(right, count).proportion_ci(method="wilson")
        support = support_of_share(right / count, count, "queries")
        assert support.is_enough == (interval.high - interval.low <= 0.2 + 1e-12)
        assert support.counts == {"queries": count}


@pytest.mark.parametrize(("share", "fewest"), [(0.0, 16), (1.0, 16), (0.5, 93), (0.9, 37)])
def test_the_fewest_that_tell_a_share_are_the_first(share: float, fewest: int) -> None:
    """One fewer cannot."""
    assert fewest_for_share(share) == fewest
    assert support_of_share(share, fewest, "rows").is_enough
    assert not support_of_share(share, fewest - 1, "rows").is_enough


@pytest.mark.parametrize("far", [0.1, 0.01, 0.001])
def test_a_rate_of_false_accepts_takes_ten_of_them(far: float) -> None:
    """The rule of verification and of the threshold is one."""
    fewest = round(10 / far)
    assert tells_false_accepts(far, fewest)
    assert not tells_false_accepts(far, fewest - 1)
    assert not tells_false_accepts(0.0, 10**9)
    assert support_of_pairs(0, fewest, far=far).is_enough
    assert f"which takes {fewest:,} different pairs" in str(support_of_pairs(9, fewest - 1, far=far))


@pytest.mark.parametrize(
    ("support", "text"),
    [
        (support_of_share(1.0, 50, "queries", num_classes=25), "50 queries of 25 classes"),
        (
            support_of_share(0.5, 1, "queries", num_classes=1, remark=NO_INTERVAL),
            "1 query of 1 class: too few to tell 50 % to within 10 points, which takes 93 queries; no interval below 5 "
            "classes",
        ),
        (
            support_of_share(0.0, 0, "tuples"),
            "0 tuples: too few to tell 0 % to within 10 points, which takes 16 tuples",
        ),
        (
            support_of_pairs(6, 4, far=0.01, num_classes=4),
            "6 same pairs and 4 different pairs of 4 classes: too few for 1 % false accepts, which takes 1,000 "
            "different pairs",
        ),
        (
            support_of_pairs(6, 1, far=0.0, same_share=0.5, both_share=0.0),
            "6 same pairs and 1 different pair: too few for 0 % false accepts, which takes more than there are, and to "
            "tell 50 % to within 10 points, which takes 93 same pairs, and to tell 0 % to within 10 points, which "
            "takes 16 different pairs",
        ),
        (
            support_of_pairs(100, 5000, far=0.01, same_share=0.5, both_share=0.1),
            "100 same pairs and 5,000 different pairs",
        ),
    ],
)
def test_a_support_says_its_counts_and_what_they_lack(support: object, text: str) -> None:
    """One text for every place that shows a figure."""
    assert str(support) == text


def vectors_of(classes: list[int]) -> tuple[np.ndarray, list[int]]:
    """One cluster a class."""
    labels = np.repeat(np.arange(len(classes)), classes)
    noise = np.random.default_rng(0).normal(size=(len(labels), 4))
    return (noise + 3 * labels[:, None]).astype(np.float32), labels.tolist()


@pytest.mark.parametrize(("classes", "is_enough"), [([2, 2], False), ([3] * 4, False), ([20] * 10, True)])
def test_a_threshold_carries_its_counts(classes: list[int], is_enough: bool) -> None:
    """As a loop over the pairs counts them; the value is given all the same."""
    vectors, labels = vectors_of(classes)
    found = decision_threshold(vectors, labels, distance="euclidean")
    assert found is not None
    pairs = [(a, b) for row, a in enumerate(labels) for b in labels[:row]]
    same = sum(a == b for a, b in pairs)
    assert (found["same_pairs"], found["different_pairs"], found["pairs"]) == (same, len(pairs) - same, len(pairs))
    assert (found["classes"], found["is_enough"]) == (len(classes), is_enough)
    assert ("too few for 1 % false accepts" in found["rests_on"]["value"]["text"]) is not is_enough
    assert found["value"] > 0
    measured = verification_metrics(vectors, labels, distance="euclidean", bootstrap=0)
    assert measured is not None
    assert (measured["TAR@FAR=0.01"] is not None) is is_enough


@pytest.mark.parametrize(("classes", "word"), [([1, 1, 1], "same"), ([5], "different"), ([1], "same")])
def test_pairs_of_one_sort_say_why_there_is_no_threshold(classes: list[int], word: str) -> None:
    """No pair of one class, or of two."""
    pairs = choose_pairs(*vectors_of(classes), distance="euclidean")
    assert threshold_of_pairs(pairs) is None
    assert f"none of the held-out pairs is a {word} one" in str(why_none(pairs))
    assert why_none(choose_pairs(*vectors_of([2, 2]), distance="euclidean")) is None
