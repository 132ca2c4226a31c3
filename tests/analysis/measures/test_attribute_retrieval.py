"""Retrieval by attributes: what a plain loop over queries, images and ranks gives."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import average_precision_score

from analysis.measures.attribute_retrieval import attribute_retrieval
from analysis.measures.attribute_rows import AttributeRows, number_tolerances
from artifact.arrays import Numbers, Vectors
from artifact.errors import DataError, UsageError

KS = (1, 5, 20)


def drawn(seed: int = 0, images: int = 60, queries: int = 40) -> tuple[AttributeRows, Vectors, Numbers]:
    """Queries and images of a flag, a category of three and a number; some values of images missing."""
    rng = np.random.default_rng(seed)

    def values(count: int) -> Numbers:
        columns = [rng.integers(0, 2, count), rng.integers(0, 3, count), rng.normal(size=count).round(1)]
        return np.stack(columns, axis=1).astype(np.float64)

    image_values, asked = values(images), values(queries)
    image_values[rng.random(image_values.shape) < 0.1] = np.nan
    for row in asked:
        row[rng.permutation(3)[: rng.integers(0, 3)]] = np.nan
    vectors = rng.normal(size=(images, 5)).astype(np.float32)
    return AttributeRows(vectors=rng.normal(size=(queries, 5)).astype(np.float32), values=asked), vectors, image_values


def wanted(asked: Numbers, image: Numbers, tolerances: Numbers) -> bool:
    """Whether an image has all that is asked for, value by value."""
    return all(
        not np.isnan(value) and abs(value - one) <= slack
        for one, value, slack in zip(asked, image, tolerances, strict=True)
        if not np.isnan(one)
    )


def test_figures_are_those_of_a_plain_loop() -> None:
    """P@k and mAP by number of attributes asked agree with sorting every row, and with scikit-learn."""
    queries, vectors, values = drawn()
    tolerances = number_tolerances(values, [False, False, True])
    assert tolerances[2] == pytest.approx(0.5 * np.nanstd(values[:, 2]))
    assert not tolerances[:2].any()
    found = attribute_retrieval(queries, vectors, values, distance="euclidean", tolerances=tolerances, ks=KS)

    seen, by_number = set(), {1: [], 2: [], 3: []}
    skipped = dict.fromkeys(by_number, 0)
    for asked, distances in zip(queries.values, cdist(queries.vectors, vectors), strict=True):
        if str(asked) in seen:
            continue
        seen.add(str(asked))
        right = np.array([wanted(asked, image, tolerances) for image in values])
        number = int((~np.isnan(asked)).sum())
        if not right.any():
            skipped[number] += 1
            continue
        order = np.argsort(distances)
        precision = [right[order[:k]].sum() / k for k in KS]
        by_number[number].append([*precision, average_precision_score(right, -distances), right.mean()])

    assert [group["asked"] for group in found["by_number"]] == [1, 2, 3]
    assert sum(skipped.values()) > 0
    for group in found["by_number"]:
        expected = np.mean(by_number[group["asked"]], axis=0)
        names = [*(f"P@{k}" for k in KS), "mAP", "chance"]
        assert [group[name] for name in names] == pytest.approx(expected.tolist())
        assert (group["queries"], group["skipped"]) == (len(by_number[group["asked"]]), skipped[group["asked"]])
    everything = np.concatenate(list(by_number.values()))
    assert found["all"]["mAP"] == pytest.approx(everything[:, 3].mean())
    assert found["all"]["mAP_low"] < found["all"]["mAP"] < found["all"]["mAP_high"]
    assert found["rests_on"]["mAP"]["queries"] == len(everything)


def test_triplets_are_those_of_a_plain_loop() -> None:
    """Easy and hard triplets agree with three loops; flipped rows are hard negatives and nothing else."""
    queries, vectors, values = drawn(3, images=30, queries=25)
    rng = np.random.default_rng(1)
    whole = values[~np.isnan(values).any(axis=1)]
    rows = AttributeRows(
        vectors=rng.normal(size=(len(whole) + 25, 5)).astype(np.float32), values=np.concatenate([whole, queries.values])
    )
    flips = whole.copy()
    flips[:, 0] = 1 - flips[:, 0]
    flipped = AttributeRows(vectors=rng.normal(size=(len(flips), 5)).astype(np.float32), values=flips)
    tolerances = np.array([0.0, 0.0, 0.4])
    found = attribute_retrieval(rows, vectors, values, distance="cosine", tolerances=tolerances, flipped=flipped)

    distinct = {}
    for vector, value in zip(rows.vectors, rows.values, strict=True):
        if not np.isnan(value).any():
            distinct.setdefault(tuple(value), vector)
    easy, hard = [], []
    for vector, value in zip(vectors, values, strict=True):
        if tuple(value) not in distinct:
            continue
        own = cdist([vector], [distinct[tuple(value)]], "cosine")[0, 0]
        sides = {"easy": [], "hard": []}
        candidates = [(other, another, False) for other, another in distinct.items()]
        candidates += [(tuple(other), another, True) for other, another in zip(flips, flipped.vectors, strict=True)]
        for other, another, is_flip in candidates:
            apart = sum(abs(a - b) > slack for a, b, slack in zip(value, other, tolerances, strict=True))
            is_right = own < cdist([vector], [another], "cosine")[0, 0]
            if apart and not is_flip:
                sides["easy"].append(is_right)
            if apart == 1:
                sides["hard"].append(is_right)
        easy.append(np.mean(sides["easy"]))
        hard.append(np.mean(sides["hard"]))
    assert found["triplets_easy"] == pytest.approx(np.mean(easy))
    assert found["triplets_easy_images"] == len(easy)
    assert found["triplets_hard"] == pytest.approx(np.mean(hard))
    assert found["triplets_hard_images"] == len(hard)
    assert found["triplets_hard_low"] < found["triplets_hard"] < found["triplets_hard_high"]


def test_one_point_finds_nothing() -> None:
    """Where all vectors are equal the images that are not relevant come first, and no triplet is right."""
    values = np.array([[0.0], [0.0], [1.0], [1.0]])
    rows = AttributeRows(vectors=np.ones((2, 3), np.float32), values=np.array([[0.0], [1.0]]))
    found = attribute_retrieval(rows, np.ones((4, 3), np.float32), values, distance="euclidean", ks=(1, 2))
    assert (found["all"]["P@1"], found["all"]["P@2"], found["triplets_easy"], found["triplets_hard"]) == (0, 0, 0, 0)
    assert found["all"]["mAP"] == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert found["all"]["mAP_low"] is None


def test_rows_that_ask_for_the_same_count_once() -> None:
    """A combination that stands in the table a hundred times weighs as one that stands there once."""
    queries, vectors, values = drawn(5)
    again = np.concatenate([np.zeros(100, np.int64), np.arange(len(queries))])
    once = attribute_retrieval(queries, vectors, values, distance="euclidean")
    assert attribute_retrieval(queries.taken(again), vectors, values, distance="euclidean") == once


def test_sample_is_of_the_asked_size_and_repeats() -> None:
    """With a number of queries as many are ranked, the same for one seed."""
    queries, vectors, values = drawn(7)
    first, again = (
        attribute_retrieval(queries, vectors, values, distance="euclidean", max_queries=6, bootstrap=0, seed=4)
        for _ in range(2)
    )
    assert first == again
    assert first["all"]["queries"] + first["all"]["skipped"] == 6
    assert "mAP_low" not in first["all"]


def test_what_cannot_be_measured_is_refused() -> None:
    """A row that asks for nothing, no rows, shapes that do not fit and depths below one are one line each."""
    queries, vectors, values = drawn()
    nothing = AttributeRows(vectors=queries.vectors[:2], values=np.array([[0, 1, 2.0], [np.nan] * 3]))
    with pytest.raises(DataError, match=r"query 1: expected a value of at least one attribute, got none"):
        attribute_retrieval(nothing, vectors, values, distance="euclidean")
    with pytest.raises(DataError, match="queries: expected at least one row"):
        attribute_retrieval(queries.taken(np.arange(0)), vectors, values, distance="euclidean")
    with pytest.raises(DataError, match=r"attributes of queries: expected an array of shape \[40, 2\], got shape"):
        attribute_retrieval(queries, vectors, values[:, :2], distance="euclidean")
    with pytest.raises(DataError, match="attributes of images"):
        attribute_retrieval(queries, vectors[:-1], values, distance="euclidean")
    with pytest.raises(UsageError, match="ks"):
        attribute_retrieval(queries, vectors, values, distance="euclidean", ks=(0,))
