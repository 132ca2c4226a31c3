"""ROC, AUC, EER and TAR@FAR against scikit-learn, plain loops and simulations."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from analysis.measures.roc import RocCurve
from analysis.measures.threshold import decision_threshold
from analysis.measures.verification import verification_metrics
from artifact.errors import UsageError
from tests.analysis.measures.test_threshold import held_out, pair_distances


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("grid", [False, True])
def test_auc_and_curve_equal_scikit_learn(distance: str, grid: bool) -> None:
    """Also where most distances are ties; every thinned point is one of sklearn's curve."""
    from sklearn.metrics import roc_auc_score, roc_curve

    vectors, labels = held_out(2, 90)
    vectors = np.round(vectors) + np.float32(1) if grid else vectors
    found = verification_metrics(vectors, labels, distance=distance, bootstrap=0)
    assert found is not None
    same, different = pair_distances(vectors, labels, distance)
    truth, nearness = np.repeat([1, 0], [len(same), len(different)]), -np.array(same + different)
    assert found["AUC"] == pytest.approx(roc_auc_score(truth, nearness), abs=1e-12)
    far, tar, thresholds = roc_curve(truth, nearness, drop_intermediate=False)
    points = {float(np.float32(-t)): (x, y) for x, y, t in zip(far[1:], tar[1:], thresholds[1:], strict=True)}
    curve = found["roc"]
    for threshold, x, y in zip(*(curve[name][1:] for name in ("threshold", "far", "tar")), strict=True):
        assert (x, y) == pytest.approx(points[threshold], abs=1e-12)
    assert (curve["threshold"][0], curve["far"][0], curve["tar"][0]) == (-1, 0, 0)
    assert (curve["far"][-1], curve["tar"][-1]) == (1, 1)
    assert np.trapezoid(curve["tar"], curve["far"]) == pytest.approx(found["AUC"], abs=0.01)
    assert len(curve["far"]) <= 203
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("seed", range(4))
def test_rates_are_those_of_the_decision_threshold(seed: int) -> None:
    """The same pairs: EER equal, and TAR@FAR = 1 - frr at the threshold of that far."""
    vectors, labels = held_out(seed, 120)
    found = verification_metrics(vectors, labels, distance="euclidean", fars=(0.3, 0.1, 0.02), bootstrap=0)
    assert found is not None
    for far in (0.3, 0.1, 0.02):
        decided = decision_threshold(vectors, labels, distance="euclidean", far=far)
        assert decided is not None
        assert found[f"TAR@FAR={far:g}"] == pytest.approx(1 - decided["frr"], abs=1e-12)
        assert found["EER"] == pytest.approx(decided["eer"], abs=1e-12)


def equal_error_rate_by_counting(same: Any, different: Any) -> float:
    """Both rates at every threshold, counted."""
    rates = [((different <= t).mean(), (same > t).mean()) for t in [-1.0, *np.unique(np.append(same, different))]]
    far, frr = min(rates, key=lambda pair: abs(pair[0] - pair[1]))
    return float(far + frr) / 2


def test_weighted_rates_equal_repeated_pairs() -> None:
    """A pair of weight three counts as three such pairs, one of weight 0 as none."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        same = np.sort(rng.integers(0, 12, 40).astype(np.float32))
        different = np.sort(rng.integers(3, 18, 60).astype(np.float32))
        weights = rng.integers(0, 4, 40), rng.integers(0, 4, 60)
        found = RocCurve(same, different).weighted_rates(*(each.astype(float) for each in weights), (0.1, 0.25))
        same, different = np.repeat(same, weights[0]), np.repeat(different, weights[1])
        expected = RocCurve(same, different).rates((0.1, 0.25))
        np.testing.assert_allclose(found, expected, atol=1e-12)
        assert expected[1] == pytest.approx(equal_error_rate_by_counting(same, different), abs=1e-12)
        auc = np.mean((different > same[:, None]) + 0.5 * (different == same[:, None]))
        assert found[0] == pytest.approx(auc, abs=1e-12)
        for far, tar in zip((0.1, 0.25), found[2:], strict=True):
            allowed = [t for t in [-1, *different] if (different <= t).mean() <= far + 1e-12]
            above = min((d for d in different if d > max(allowed)), default=np.inf)
            assert tar == pytest.approx((same < above).mean())


def test_rates_that_the_pairs_cannot_tell_are_none() -> None:
    """At least ten of the different pairs must be allowed: 30 rows have 300-odd of them."""
    vectors, labels = held_out(0, 30)
    found = verification_metrics(vectors, labels, distance="euclidean", bootstrap=20)
    assert found is not None
    assert 100 < found["different_pairs"] < 1000
    assert found["TAR@FAR=0.1"] is not None
    for far in ("0.01", "0.001", "0.0001"):
        assert found[f"TAR@FAR={far}"] is None
        assert f"TAR@FAR={far}_low" not in found
    assert found["AUC_low"] is None  # four classes


def population(rng: np.random.Generator, num_classes: int) -> tuple[Any, Any]:
    """Six images a class; classes differ in how tight they are, so same pairs of a class go together."""
    labels = np.repeat(np.arange(num_classes), 6)
    spread = rng.uniform(0.2, 1.6, num_classes)[labels, None]
    centres = rng.normal(size=(num_classes, 3))
    return (centres[labels] + rng.normal(size=(len(labels), 3)) * spread).astype(np.float32), labels


def test_class_interval_of_auc_holds_the_truth() -> None:
    """Of 80 simulated sets of 25 classes at least 69 hold the value of 600 classes; taking pairs for independent
    (Hanley, McNeil 1982) holds it far less often."""
    rng = np.random.default_rng(0)
    large = verification_metrics(*population(rng, 600), distance="euclidean", bootstrap=0)
    assert large is not None
    truth = large["AUC"]
    held = held_by_pairs = 0
    for _ in range(80):
        vectors, labels = population(rng, 25)
        found = verification_metrics(vectors, labels, distance="euclidean", bootstrap=60)
        assert found is not None
        held += found["AUC_low"] <= truth <= found["AUC_high"]
        a, s, d = found["AUC"], found["same_pairs"], found["different_pairs"]
        q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
        error = np.sqrt((a * (1 - a) + (s - 1) * (q1 - a * a) + (d - 1) * (q2 - a * a)) / (s * d))
        held_by_pairs += abs(a - truth) <= 1.96 * error
    assert held >= 69
    assert held_by_pairs < 64


def test_a_sample_of_pairs_gives_nearly_the_same() -> None:
    """20,000 of 90,525 pairs; the answer says that it is a sample, and the seed decides."""
    vectors, labels = population(np.random.default_rng(1), 71)
    exact = verification_metrics(vectors, labels, distance="euclidean", bootstrap=50)
    found = verification_metrics(vectors, labels, distance="euclidean", bootstrap=50, max_pairs=20_000, seed=2)
    assert exact is not None
    assert found is not None
    assert (exact["pairs_sampled"], found["pairs_sampled"]) == (False, True)
    assert found["same_pairs"] + found["different_pairs"] == 20_000
    assert exact["AUC"] == pytest.approx(found["AUC"], abs=0.01)
    assert exact["AUC_high"] - exact["AUC_low"] == pytest.approx(found["AUC_high"] - found["AUC_low"], rel=0.5)
    again = verification_metrics(vectors, labels, distance="euclidean", bootstrap=50, max_pairs=20_000, seed=2)
    other = verification_metrics(vectors, labels, distance="euclidean", bootstrap=50, max_pairs=20_000, seed=3)
    assert found == again != other


def test_a_collapsed_network_is_at_chance() -> None:
    """All vectors equal: AUC one half by ties, nothing accepted at any rate."""
    found = verification_metrics(np.ones((40, 3), np.float32), np.arange(40) % 8, distance="euclidean", bootstrap=20)
    assert found is not None
    assert (found["AUC"], found["EER"], found["TAR@FAR=0.1"]) == (0.5, 0.5, 0)
    assert found["roc"] == {"threshold": [-1, 0], "far": [0, 1], "tar": [0, 1]}


def test_one_sort_of_pairs_alone_gives_none() -> None:
    """No different pair, no same pair."""
    for labels in ("aaa", "abc"):
        assert verification_metrics(np.eye(3, dtype=np.float32), list(labels), distance="cosine") is None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"fars": (0.1, 0.0)}, "fars: expected rates in (0, 1), got 0.1, 0"),
        ({"bootstrap": -2}, "bootstrap: expected at least 0 resamples, got -2"),
        ({"seed": -1}, "seed: expected at least 0, got -1"),
        ({"max_pairs": 1}, "max_pairs: expected at least 2, got 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], text: str) -> None:
    """One line each."""
    with pytest.raises(UsageError) as caught:
        verification_metrics(np.eye(4, dtype=np.float32), list("aabb"), distance="cosine", **options)
    assert str(caught.value) == text


def test_points_rise_from_nothing_to_all() -> None:
    """Each threshold's shares, counted."""
    thresholds, far, tar = RocCurve(np.array([1, 2, 4], np.float32), np.array([2, 3], np.float32)).points()
    np.testing.assert_allclose(thresholds, [-1, 1, 2, 3, 4])
    np.testing.assert_allclose(far, [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(tar, [0, 1 / 3, 2 / 3, 2 / 3, 1])
