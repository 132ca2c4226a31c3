"""Held-out tuples: apart by the images that they share, or of a table of their own."""

from pathlib import Path

import numpy as np

from artifact.errors import DataError
from tests.shared.table_writers import png, prepare_table, refusal, write_pngs, write_triplets
from trainer.data.held_out import can_validate
from trainer.data.split import split_tuples
from trainer.data.tuple_table import TupleRows


def test_held_out_tuples_share_no_image_where_that_can_be(tmp_path: Path) -> None:
    """Chains of shared images stay together, whatever the seed; one piece is split by row, and it is said."""
    write_pngs(tmp_path, 40)
    chains = [(9 * g + a, 9 * g + b, 9 * g + c) for g in range(4) for a, b, c in ((0, 1, 2), (2, 3, 4), (5, 6, 0))]
    table = write_triplets(tmp_path, chains)
    sides = set()
    for seed in range(6):
        prepared, warnings = prepare_table(table, validation="images:0.3", seed=seed)
        assert warnings == []
        assert prepared.held_out is not None
        assert prepared.held_out_tuples is not None
        assert set(prepared.train.hashes).isdisjoint(prepared.held_out.hashes)
        assert len({row // 3 for row in prepared.held_out_tuples.rows.tolist()}) == 1
        assert len(prepared.held_out_tuples) == 3
        sides.add(tuple(prepared.held_out_tuples.rows))
    assert len(sides) > 1
    star = write_triplets(tmp_path, [(0, number, number + 15) for number in range(1, 16)], "star.csv")
    prepared, warnings = prepare_table(star, validation="images:0.2")
    assert warnings == [
        "the tuples hang together by the images that they share, so images of held-out tuples are trained on in others,"
        " and the held-out figures are too good; name a table of other images with --validation"
    ]
    assert prepared.held_out_tuples is not None
    assert len(prepared.held_out_tuples) == 3


def test_split_of_tuples_depends_on_content_and_not_on_order(tmp_path: Path) -> None:
    """The rows of a table in another order are held out all the same."""
    write_pngs(tmp_path, 60)
    rows = [(3 * row, 3 * row + 1, 3 * row + 2) for row in range(20)]
    order = np.random.default_rng(0).permutation(20)
    held = []
    for name, chosen in (("a.csv", range(20)), ("b.csv", order)):
        prepared, _ = prepare_table(
            write_triplets(tmp_path, [rows[row] for row in chosen], name), validation="images:0.2"
        )
        assert prepared.held_out is not None
        held.append(set(prepared.held_out.hashes))
    assert held[0] == held[1]
    assert len(held[0]) == 12


def test_single_tuple_is_trained_on(tmp_path: Path) -> None:
    """Nothing can be held out of it."""
    write_pngs(tmp_path, 3)
    prepared, warnings = prepare_table(write_triplets(tmp_path, [(0, 1, 2)]))
    assert warnings == ["nothing was held out, so there are no held-out metrics: there is one tuple only"]
    assert prepared.held_out is None
    assert prepared.held_out_tuples is None
    assert prepared.tuples is not None


def test_component_split_matches_a_plain_search() -> None:
    """Against connected components found by growing sets, on random tables."""
    random = np.random.default_rng(3)
    for _ in range(20):
        num_images = int(random.integers(30, 90))
        tuples = np.stack([random.permutation(num_images)[:3] for _ in range(15)])
        hashes = tuple(f"{image:064x}" for image in range(num_images))

        rows = TupleRows(images=tuples, rows=np.arange(15))
        train, held, apart = split_tuples(rows, hashes, 0.3, seed=1)
        assert sorted([*train, *held]) == list(range(15))
        groups: list[set[int]] = []
        for row in tuples.tolist():
            joined = set(row).union(*(group for group in groups if group & set(row)))
            groups = [group for group in groups if not group & set(row)] + [joined]
        sizes = [sum(bool(group & set(row)) for row in tuples.tolist()) for group in groups]
        if apart:
            assert not set(tuples[train].ravel().tolist()) & set(tuples[held].ravel().tolist())
            assert 2 <= len(held) <= 4
        else:
            assert max(sizes) > 2


def test_validation_is_a_folder_or_a_table_of_its_own(tmp_path: Path) -> None:
    """Retrieval on classes, or order of tuples; what is trained on is left out of either."""
    write_pngs(tmp_path, 30)
    table = write_triplets(tmp_path, [(0, 1, 2), (3, 4, 5)])
    other = write_triplets(tmp_path, [(6, 7, 8), (9, 10, 0), (11, 12, 13)], "other.csv")
    prepared, warnings = prepare_table(table, validation=str(other))
    assert warnings == ["1 held-out tuples have images that are trained on and were left out"]
    assert prepared.held_out is not None
    assert prepared.held_out_tuples is not None
    assert prepared.held_out_tuples.rows.tolist() == [0, 2]
    assert len(prepared.held_out) == 6
    assert refusal(DataError, table, validation=str(table)) == (
        f"validation table: expected tuples of images that are not trained on, got none ({table}); name another table,"
        " or use --validation images:0.1"
    )
    for number in range(6):
        path = tmp_path / "classes" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number + 4))
    prepared, warnings = prepare_table(table, validation=str(tmp_path / "classes"), columns={"anchor": "anchor"})
    assert warnings == ["2 held-out images are copies of training images and were left out"]
    assert prepared.held_out_tuples is None
    assert prepared.held_out is not None
    assert prepared.held_out.files.names == ("a/2.png", "a/4.png", "b/3.png", "b/5.png")
    assert can_validate(prepared.held_out)


def test_classes_can_be_validated_on_tuples(tmp_path: Path) -> None:
    """Trained on a folder, judged by a table of tuples; those that show a training image are left out."""
    write_pngs(tmp_path, 12)
    for number in range(20, 28):
        path = tmp_path / "classes" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number if number < 27 else 11))
    table = write_triplets(tmp_path, [(0, 1, 2), (3, 4, 5), (6, 7, 11)])
    prepared, warnings = prepare_table(tmp_path / "classes", validation=str(table))
    assert warnings == ["1 held-out tuples have images that are trained on and were left out"]
    assert prepared.tuples is None
    assert (len(prepared.train), prepared.num_classes) == (8, 2)
    assert prepared.held_out_tuples is not None
    assert prepared.held_out_tuples.images.tolist() == [[0, 1, 2], [3, 4, 5]]
