"""Split folders: what is taken for splits of one data set, and which commands are meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from rows.formats.split_folders import find_splits, role_of


def names(**folders: str) -> list[str]:
    """Two images in each class folder of each first-level folder; "-" stands for images in no class folder."""
    found = []
    for first, classes in folders.items():
        for name in classes.split():
            found += [f"{first}/{'' if name == '-' else name + '/'}{number}.png" for number in (0, 1)]
    return found


@pytest.mark.parametrize(
    ("role", "called"),
    [
        (
            "train",
            [
                "train",
                "Training",
                "TRAIN",
                "train_set",
                "training-data",
                "train images",
                "train2017",
                "1_train",
                "trainval",
            ],
        ),
        ("validation", ["val", "valid", "Validation", "dev", "eval", "val_set", "val_2014", "02-Val"]),
        ("test", ["test", "Testing", "test_set", "held_out", "holdout", "query", "Gallery"]),
        ("unlabelled", ["unlabeled", "Unlabelled", "extra", "unsup"]),
        (
            None,
            [
                "1",
                "2017",
                "train_01",
                "1train",
                "trainer",
                "trains",
                "tests",
                "valley",
                "contest",
                "developer",
                "value",
                "train1",
            ],
        ),
    ],
)
def test_names_of_splits(role: str | None, called: list[str]) -> None:
    """In any case, and with the words people put behind them."""
    assert [role_of(name) for name in called] == [role] * len(called)


@pytest.mark.parametrize(
    "folders",
    [
        {"train": "a b c", "val": "a b c", "test": "a b c"},
        {"Training": "a b c d", "Testing": "a b c"},
        {"train": "a b c d", "valid": "a b x"},
        {"val": "a b", "test": "a b"},
        {"train": "a", "test": "a"},
        {"train": "a b", "val": "a b", "test": "-"},
        {"train": "a b", "val": "a b", "test": "a b", "unlabeled": "-"},
        {"train2017": "a b", "val2017": "a b"},
        {"1_train": "a b", "2_val": "a b"},
        {"digits_train": "a b", "digits_test": "a b"},
        {"query": "a b", "gallery": "a b"},
    ],
)
def test_folders_with_the_same_folders_are_surely_splits(folders: dict[str, str]) -> None:
    """Two or more of them, with mostly the same names in each; loose images beside them change nothing."""
    found = find_splits([*names(**folders), "cover.png"])
    assert found is not None
    assert found.is_sure
    assert found.folders == tuple(sorted(folders))


def test_a_folder_beside_splits_is_none() -> None:
    """Where most are splits with the same folders: they are splits, whatever lies beside them."""
    found = find_splits(names(train="a b", val="a b", test="a b", samples="-", drawings="x y"))
    assert found is not None
    assert found.is_sure
    assert found.folders == ("test", "train", "val")


@pytest.mark.parametrize(
    "folders",
    [
        {"train": "a b", "test": "x y"},
        {"train": "a b", "test": "-"},
        {"train": "a b c", "query": "x y", "gallery": "x y"},
        {"train": "a b", "unlabeled": "-"},
    ],
)
def test_folders_with_other_folders_may_be_splits(folders: dict[str, str]) -> None:
    """Held-out classes, and a test set without classes."""
    found = find_splits(names(**folders))
    assert found is not None
    assert not found.is_sure


@pytest.mark.parametrize(
    "folders",
    [
        {"train": "-", "test": "-"},
        {"train": "a b"},
        {"train": "a b", "bus": "a b"},
        {"train": "a b", "test": "x y", "bus": "a b"},
        {"train": "a b", "test": "a b", "bus": "a b", "car": "a b"},
        {"bullet_train": "a b", "steam_train": "a b"},
        {"train": "front", "test": "-"},
        {"cat": "train val", "dog": "train val"},
    ],
)
def test_classes_are_no_splits(folders: dict[str, str]) -> None:
    """Images directly in the folders, one folder alone, and another class beside them."""
    assert find_splits(names(**folders)) is None


def test_commands_are_quoted_for_a_shell() -> None:
    """Validation where there is one with classes, else the test set; the last split is what is scored."""
    three = find_splits(names(train="a b", val="a b", test="a b"))
    two = find_splits(names(train="a b", test="a b"))
    flat = find_splits(names(train="a b", test="-"))
    assert three is not None
    assert two is not None
    assert flat is not None
    later = ", each with your other options"
    assert three.commands(Path("my data")) == (
        "`lookalike train 'my data/train' --validation 'my data/val'` and later `lookalike score 'my data/test'`"
        f"{later}"
    )
    assert two.commands(Path("d")) == (
        f"`lookalike train d/train --validation d/test` and later `lookalike score d/test`{later}"
    )
    assert flat.commands(Path("d")) == f"`lookalike train d/train` and later `lookalike score d/test`{later}"
