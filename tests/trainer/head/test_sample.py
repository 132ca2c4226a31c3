"""Tests of samples by class and of the features that heads are fitted on."""

from pathlib import Path

import numpy as np
import torch

from artifact.arrays import Vectors
from artifact.images.decoding import Pixels
from tests.shared.class_folders import read_folder, write_classes
from trainer.head.features import training_features
from trainer.head.sample import sample_by_class
from trainer.networks.base_networks import branch_of, build_base
from trainer.networks.branch import Branch, evaluating


def test_few_images_are_all_taken() -> None:
    """In their order."""
    assert sample_by_class(np.array([3, 1, 3]), 3, seed=0).tolist() == [0, 1, 2]


def test_a_sample_takes_as_many_of_each_class_as_there_is_room_for() -> None:
    """Small classes stay whole, large ones are cut to one size; the seed decides which images."""
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, 5], [3, 40, 500, 1000]))
    rows = sample_by_class(labels, 200, seed=0)
    counts = np.bincount(labels[rows])
    assert counts.tolist() == [3, 40, 78, 0, 0, 78]
    assert (np.diff(rows) > 0).all()
    assert np.array_equal(rows, sample_by_class(labels, 200, seed=0))
    assert not np.array_equal(rows, sample_by_class(labels, 200, seed=1))


def test_of_too_many_classes_whole_ones_are_left_out() -> None:
    """Two images of a class are the fewest that tell how it varies."""
    labels = np.repeat(np.arange(100), 3)
    rows = sample_by_class(labels, 50, seed=0)
    assert np.bincount(labels[rows])[np.unique(labels[rows])].tolist() == [2] * 25


def _branch() -> Branch:
    base = build_base("conv4", size=12)
    return branch_of(base, embedding_dim=4, normalize=False)


def _features(branch: Branch, pixels: Pixels) -> Vectors:
    with evaluating(branch), torch.no_grad():
        found: Vectors = branch.features(torch.from_numpy(pixels)).numpy()
    return found


def test_features_are_those_of_trained_images_and_then_of_those_set_aside(tmp_path: Path) -> None:
    """Classes of both have numbers of their own, and turned images are classes."""
    images = read_folder(write_classes(tmp_path / "images", {"a": 3, "b": 4, "c": 2, "d": 3}))
    train = images.take(np.flatnonzero(images.labels < 2)).with_turns(turns=True, mirrors=False)
    aside = images.take(np.flatnonzero(images.labels >= 2))
    branch = _branch()
    found = training_features(branch, train, aside, folder=tmp_path, seed=0)
    assert (found.num_trained, found.num_images, len(found.values)) == (28, 33, 33)
    assert found.labels.tolist() == [*train.labels.tolist(), *(aside.labels + 8).tolist()]
    expected = np.concatenate([_features(branch, each.pixels(np.arange(len(each)))) for each in (train, aside)])
    np.testing.assert_allclose(found.values, expected, atol=1e-5)


def test_features_of_a_sample_stay_beside_their_labels(tmp_path: Path) -> None:
    """What is sampled of the two parts, and how many images there are in all."""
    images = read_folder(write_classes(tmp_path / "images", {"a": 9, "b": 9, "c": 9}))
    train, aside = (images.take(np.flatnonzero(mask)) for mask in (images.labels < 2, images.labels == 2))
    branch = _branch()
    found = training_features(branch, train, aside, folder=tmp_path, seed=0, max_images=13)
    assert (found.num_trained, found.num_images, len(found.values)) == (8, 27, 12)
    assert np.bincount(found.labels).tolist() == [4, 4, 4]
    whole = _features(branch, images.pixels(np.arange(27)))
    nearest = [int(np.abs(whole - row).max(axis=1).argmin()) for row in found.values]
    assert images.labels[nearest].tolist() == found.labels.tolist()
    assert len(set(nearest)) == 12


def test_classes_set_aside_stay_in_the_sample_of_very_many_classes(tmp_path: Path) -> None:
    """The choice of a head rests on all of them, and training classes make room."""
    images = read_folder(write_classes(tmp_path / "images", {f"c{number:03d}": 2 for number in range(64)}))
    train, aside = (images.take(np.flatnonzero(mask)) for mask in (images.labels < 62, images.labels >= 62))
    found = training_features(_branch(), train, aside, folder=tmp_path, seed=0, max_images=40)
    assert (found.num_trained, len(found.values), found.num_images) == (36, 40, 128)
    assert found.labels[36:].tolist() == [62, 62, 63, 63]
    assert np.unique(np.bincount(found.labels[:36])).tolist() == [0, 2]
    features, labels = found.of_unseen(train, aside)
    assert (len(features), labels.tolist()) == (4, aside.labels.tolist())


def test_many_images_set_aside_leave_room_for_the_others(tmp_path: Path) -> None:
    """They are a sample of their share, or of a tenth of all."""
    images = read_folder(write_classes(tmp_path / "images", {"a": 10, "b": 10, "c": 30, "d": 30}))
    train, aside = (images.take(np.flatnonzero(mask)) for mask in (images.labels < 2, images.labels >= 2))
    found = training_features(_branch(), train, aside, folder=tmp_path, seed=0, max_images=40)
    assert (found.num_trained, len(found.values)) == (20, 40)
