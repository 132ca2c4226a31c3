"""Triplets that are drawn: their classes, their order of relevance, their frequencies, and the table of them."""

from __future__ import annotations

import csv
import tracemalloc
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.datasets.triplets.buffers import Buffers, distances_between
from analysis.datasets.triplets.class_images import ClassImages, read_classes
from analysis.datasets.triplets.drawing import draw_triplets
from analysis.datasets.triplets.features import SIDE_PX, Features, features_of_pixels, features_of_vectors
from analysis.datasets.triplets.sampling import SampledTriplets, sample_triplets, write_triplets
from artifact.errors import DataError, UsageError
from artifact.images.preprocessing import Preprocessing, load_pixels
from rows.tables import open_table
from rows.vectors.table import VectorTable
from tests.shared.shapes_run import write_shapes
from trainer.data.dataset import open_dataset
from trainer.data.tuple_table import TupleFiles


@pytest.fixture
def images(tmp_path: Path) -> ClassImages:
    """Four classes of eight pictures."""
    return read_classes(open_table(write_shapes(tmp_path / "images", per_class=8), copy=["label"]), "label")


def _vectors(images: ClassImages, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.normal(size=(len(images.labels), 5)) + 3 * images.labels[:, None]).astype(np.float32)


def _features(vectors: np.ndarray) -> Features:
    return Features(
        dim=vectors.shape[1],
        distance="euclidean",
        batches=lambda: iter([(np.arange(len(vectors)), vectors.astype(np.float32))]),
    )


def _sampled(images: ClassImages, vectors: np.ndarray, **options: float) -> SampledTriplets:
    return sample_triplets(images, _features(vectors), **({"count": 4000, "seed": 1} | options))  # type: ignore[arg-type]


def test_triplets_have_a_positive_of_the_class_and_a_negative_that_is_less_relevant(images: ClassImages) -> None:
    """By the gap within the class; the share within it is about what was asked for."""
    vectors, labels = _vectors(images), images.labels
    sampled = _sampled(images, vectors, in_class=0.5, gap=0.1)
    query, positive, negative = sampled.drawn.rows.T
    assert (labels[query] == labels[positive]).all()
    assert (query != positive).all()
    np.testing.assert_array_equal(labels[query] == labels[negative], sampled.drawn.in_class)
    assert sampled.in_class == pytest.approx(0.5, abs=0.03)
    for label in range(4):
        members = np.flatnonzero(labels == label)
        distances = distances_between(vectors[members], vectors[members], "euclidean")
        scale = distances[~np.eye(len(members), dtype=bool)].mean()
        own = sampled.drawn.in_class & (labels[query] == label)
        apart = [np.linalg.norm(vectors[query[own]] - vectors[other[own]], axis=1) for other in (positive, negative)]
        scores = [np.exp(-each / scale) for each in apart]
        assert (scores[0] - scores[1] > 0.1 - 1e-3).all()
    assert set(query.tolist()) == set(range(32))


def test_positives_come_as_often_as_their_relevance_says(images: ClassImages) -> None:
    """For one query, against the formula of the paper, written out."""
    vectors, labels = _vectors(images), images.labels
    sampled = _sampled(images, vectors, in_class=0.0, count=60_000)
    query, positive, negative = sampled.drawn.rows.T
    members = np.flatnonzero(labels == labels[3])
    distances = np.linalg.norm(vectors[members][:, None] - vectors[members], axis=2)
    scale = distances[~np.eye(len(members), dtype=bool)].mean()
    weights = {
        member: min(0.8, np.exp(-distances[np.searchsorted(members, 3), place] / scale))
        for place, member in enumerate(members.tolist())
        if member != 3
    }
    counts = Counter(positive[query == 3].tolist())
    total, whole = sum(counts.values()), sum(weights.values())
    for member, weight in weights.items():
        share = weight / whole
        assert counts[member] / total == pytest.approx(share, abs=4 * float(np.sqrt(share / total)))
    others = Counter(negative[query == 3].tolist())
    assert set(others) == set(np.flatnonzero(labels != labels[3]).tolist())
    assert not sampled.drawn.in_class.any()


def test_pairs_within_a_class_come_as_often_as_the_papers_rejection_keeps_them(images: ClassImages) -> None:
    """For one query: positive and negative drawn by relevance, and thrown away until they are in the right order."""
    vectors, labels = _vectors(images), images.labels
    query, positive, negative = _sampled(images, vectors, in_class=1.0, count=60_000, gap=0.1).drawn.rows.T
    members = np.flatnonzero(labels == labels[3])
    distances = np.linalg.norm(vectors[members][:, None] - vectors[members], axis=2)
    scores = np.exp(-distances[3] / distances[~np.eye(len(members), dtype=bool)].mean())
    weights = np.where(members == 3, 0, np.minimum(scores, 0.8))
    random, kept = np.random.default_rng(0), Counter[tuple[int, int]]()
    for first, second in random.choice(len(members), (40_000, 2), p=weights / weights.sum()).tolist():
        if scores[first] - scores[second] >= 0.1:
            kept[int(members[first]), int(members[second])] += 1
    got = Counter(zip(positive[query == 3].tolist(), negative[query == 3].tolist(), strict=True))
    assert set(got) <= set(kept)
    for pair, number in kept.items():
        share = number / kept.total()
        spread = np.sqrt(share / got.total() + share / kept.total())
        assert got[pair] / got.total() == pytest.approx(share, abs=4 * float(spread)), pair


def test_a_seed_decides_every_triplet(images: ClassImages) -> None:
    """The same twice, others with another seed."""
    vectors = _vectors(images)
    first, second, other = (_sampled(images, vectors, seed=seed).drawn.rows for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


@pytest.mark.parametrize("gap", [0.0, 1e-30])
def test_negatives_of_no_gap_are_less_relevant_all_the_same(images: ClassImages, gap: float) -> None:
    """Never the positive itself, nor one that is as relevant to the last digit."""
    vectors = _vectors(images)
    sampled = _sampled(images, vectors, in_class=1.0, gap=gap)
    query, positive, negative = sampled.drawn.rows.T
    assert (positive != negative).all()
    own = sampled.drawn.in_class
    near, far = (np.linalg.norm(vectors[query[own]] - vectors[other[own]], axis=1) for other in (positive, negative))
    assert own.any()
    assert (near < far + 1e-5).all()


def test_relevance_of_one_class_at_a_time_is_in_memory(tmp_path: Path) -> None:
    """Of 600 classes of 100 it would be 140 MB for all of them at once."""
    num_classes, per_class = 600, 100
    vectors = np.random.default_rng(0).normal(size=(num_classes * per_class, 2)).astype(np.float32)
    labels = np.repeat(np.arange(num_classes, dtype=np.int32), per_class)
    random = np.random.default_rng(0)
    buffers = Buffers(num_classes, 2, distance="euclidean", size=per_class, random=random)
    buffers.rows[:] = np.arange(len(labels)).reshape(num_classes, per_class)
    buffers.features[:] = vectors.reshape(num_classes, per_class, 2)
    buffers.seen[:] = per_class
    tracemalloc.start()
    try:
        drawn = draw_triplets(
            buffers, count=500, in_class=0.5, gap=0.05, distance="euclidean", random=random, where="here"
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 * 2**20
    assert (labels[drawn.rows[:, 0]] == labels[drawn.rows[:, 1]]).all()


def test_copies_of_a_picture_are_no_positives_of_each_other(images: ClassImages) -> None:
    """They teach nothing; a class of copies asks nothing."""
    vectors = _vectors(images)
    vectors[images.labels == 2] = 7
    sampled = _sampled(images, vectors)
    assert 2 not in images.labels[sampled.drawn.rows[:, 0]]
    assert 2 in images.labels[sampled.drawn.rows[:, 2]]
    with pytest.raises(DataError) as error:
        _sampled(images, np.ones_like(vectors))
    assert str(error.value).startswith(
        "images to draw triplets from: expected two different ones of one class, and one of"
    )


def test_pixels_are_the_pictures_made_small(images: ClassImages, tmp_path: Path) -> None:
    """Of every picture with a class; one that cannot be read is told."""
    broken = sorted((tmp_path / "images" / "disc").iterdir())[0]
    broken.write_bytes(b"no image")
    features = features_of_pixels(images)
    rows, vectors = (np.concatenate(each) for each in zip(*features.batches(), strict=True))
    assert features.bad.num == 1
    assert features.bad.first[0][0] == "disc/00.png"
    names = [name.as_py() for name in images.ids]
    how = Preprocessing(height=SIDE_PX, width=SIDE_PX)
    for row, vector in zip(rows.tolist(), vectors, strict=True):
        pixels = load_pixels((tmp_path / "images" / names[row]).read_bytes(), how)
        np.testing.assert_allclose(vector, pixels.ravel() / 255, atol=1e-6)
    assert sorted(rows.tolist()) == [row for row in range(32) if names[row] != "disc/00.png"]


def test_vectors_are_found_by_their_ids(images: ClassImages) -> None:
    """In whatever order; ids that no image has are told, and none at all is refused."""
    ids = [name.as_py() for name in images.ids][::-1]
    vectors = _vectors(images)
    table = VectorTable.from_arrays(np.concatenate([vectors[::-1], vectors[:1]]), {"id": [*ids, "other.png"]})
    features = features_of_vectors(images, table, distance="euclidean")
    rows, found = (np.concatenate(each) for each in zip(*features.batches(), strict=True))
    np.testing.assert_array_equal(found, vectors[rows])
    assert (features.bad.num, features.bad.first) == (1, [("other.png", "no image has this id")])
    strange = VectorTable.from_arrays(vectors, {"id": [f"x{row}" for row in range(32)]})
    with pytest.raises(DataError) as error:
        list(features_of_vectors(images, strange, distance="euclidean").batches())
    assert str(error.value).startswith("vectors to measure relevance by: expected ids of ")


def test_ids_that_come_twice_are_refused(images: ClassImages) -> None:
    """Of vectors, in one batch or in two, and of images: a vector would stand for another picture."""
    ids, vectors = [name.as_py() for name in images.ids], _vectors(images)
    table = VectorTable.from_arrays(np.concatenate([vectors, vectors[:1] + 1]), {"id": [*ids, ids[0]]})
    with pytest.raises(DataError) as error:
        list(features_of_vectors(images, table, distance="euclidean").batches())
    assert str(error.value).startswith(
        f"ids of vectors: expected each once, for vectors are found by them, got {ids[0]!r} in several rows ("
    )
    twice = replace(images, ids=pa.array([*ids[:-1], ids[0]], pa.large_string()))
    with pytest.raises(DataError) as error:
        list(features_of_vectors(twice, table, distance="euclidean").batches())
    assert str(error.value).startswith(
        f"ids of images: expected each once, for vectors are found by them, got {ids[0]!r} in rows 0 and 31 ("
    )


def test_images_without_a_vector_are_counted(images: ClassImages) -> None:
    """They are in no triplet."""
    ids, vectors = [name.as_py() for name in images.ids], _vectors(images)
    table = VectorTable.from_arrays(vectors[::2], {"id": ids[::2]})
    sampled = sample_triplets(images, features_of_vectors(images, table, distance="euclidean"), count=500)
    assert (sampled.num_images, sampled.without_vector) == (16, 16)
    assert not (sampled.drawn.rows % 2).any()


def test_a_label_that_is_no_number_is_no_class(tmp_path: Path) -> None:
    """NaN is what pandas writes where a label of numbers is missing, and training takes it for none too."""
    write_shapes(tmp_path / "images", per_class=2)
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    labels = [float("nan") if row % 4 == 0 else float(row % 3) for row in range(len(names))]
    pq.write_table(pa.table({"image": names, "label": labels}), tmp_path / "t.parquet")
    images = read_classes(open_table(str(tmp_path / "t.parquet"), copy=["label"]), "label")
    assert images.num_classes == 3
    assert np.flatnonzero(images.labels < 0).tolist() == [0, 4]


def test_paths_hold_where_the_tables_folder_is_a_link(images: ClassImages, tmp_path: Path) -> None:
    """What opens them goes up from where the link leads."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er")
    write_triplets(images, _sampled(images, _vectors(images), count=20).drawn, tmp_path / "link" / "t.csv")
    with (tmp_path / "link" / "t.csv").open() as file:
        _, *rows = csv.reader(file)
    assert all((tmp_path / "link" / cell).is_file() for row in rows for cell in row)


@pytest.mark.parametrize("as_numbers", [False, True])
def test_written_table_is_one_that_training_reads(images: ClassImages, tmp_path: Path, as_numbers: bool) -> None:
    """By paths from its own folder, or by the rows of the table of images."""
    sampled = _sampled(images, _vectors(images), count=50)
    output = tmp_path / "deep" / "er" / "triplets.tsv"
    write_triplets(images, sampled.drawn, output, as_numbers=as_numbers)
    with output.open() as file:
        header, *rows = csv.reader(file, delimiter="\t")
    assert header == ["query", "positive", "negative"]
    if as_numbers:
        assert [list(map(int, row)) for row in rows] == sampled.drawn.rows.tolist()
        return
    opened = open_dataset(output, kind="triplet", columns={})
    assert isinstance(opened, TupleFiles)
    refs = list(opened.files.images)
    found = [[refs[image].path.resolve() for image in row] for row in opened.tuples.images.tolist()]  # type: ignore[union-attr]
    names = [(tmp_path / "images" / name.as_py()).resolve() for name in images.ids]
    assert found == [[names[row] for row in triplet] for triplet in sampled.drawn.rows.tolist()]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "--count: expected 1 or more, got 0"),
        ({"in_class": 1.5}, "--in-class: expected a share, 0 to 1, got 1.5"),
        ({"gap": -0.1}, "--gap: expected 0 to 1, got -0.1"),
        ({"seed": -1}, "seed: expected at least 0, got -1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(images: ClassImages, options: dict[str, float], message: str) -> None:
    """Before any image is read."""
    with pytest.raises(UsageError) as error:
        _sampled(images, _vectors(images), **options)
    assert str(error.value) == message
