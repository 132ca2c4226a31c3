"""Tables of tuples: what is read of them in every format, and what is refused."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact.errors import DataError, UsageError
from artifact.images.preprocessing import load_pixels
from tests.shared.table_writers import (
    TABLE_WRITERS,
    Columns,
    prepare_table,
    refusal,
    write_bytes,
    write_csv,
    write_pngs,
    write_triplets,
)
from trainer.data.held_out import can_validate
from trainer.loop.preparation import Prepared
from trainer.networks.base_networks import make_preprocessing
from trainer.sampling.batches import make_batches


def _contents(prepared: Prepared, columns: Columns, folder: Path) -> None:
    """Train and held-out tuples are those of the table, image by image, pixel by pixel."""
    sides = [(prepared.train, prepared.tuples), (prepared.held_out, prepared.held_out_tuples)]
    preprocessing = make_preprocessing(prepared.config, prepared.base)
    found = {}
    for images, tuples in sides:
        if images is None or tuples is None:
            continue
        assert len(set(images.hashes)) == len(images) == len(np.unique(tuples.images))
        pixels = images.pixels(np.arange(len(images)))
        for row, members in zip(tuples.rows.tolist(), tuples.images.tolist(), strict=True):
            found[row] = [pixels[member] for member in members]
    wanted = list(zip(*columns.values(), strict=True))
    assert sorted(found) == list(range(len(wanted)))
    for row, names in enumerate(wanted):
        for pixel, name in zip(found[row], names, strict=True):
            np.testing.assert_array_equal(pixel, load_pixels((folder / name).read_bytes(), preprocessing))


@pytest.mark.parametrize("kind", ["siamese", "triplet", "quartet"])
@pytest.mark.parametrize("name", TABLE_WRITERS)
def test_table_of_tuples_gives_its_tuples(tmp_path: Path, name: str, kind: str) -> None:
    """Rows as they stand, every image once, held-out ones apart, batches of all of them in every epoch."""
    streams = {"siamese": 2, "triplet": 3, "quartet": 4}[kind]
    names = write_pngs(tmp_path, 12 * streams)
    columns: dict[str, Sequence[Any]] = {
        stream: [names[(row * streams + position)] for row in range(12)]
        for position, stream in enumerate(
            ("left", "right") if kind == "siamese" else ("anchor", "positive", "negative", "negative2")[:streams]
        )
    }
    targets = {"different": [row % 3 == 0 for row in range(12)]} if kind == "siamese" else {}
    if name in ("t.csv", "t.tsv"):
        targets = {key: [int(value) for value in values] for key, values in targets.items()}
    table = TABLE_WRITERS[name](tmp_path / name, columns | targets)
    prepared, warnings = prepare_table(table, kind, validation="images:0.25")
    assert warnings == []
    assert prepared.tuples is not None
    assert prepared.held_out_tuples is not None
    assert (len(prepared.tuples), len(prepared.held_out_tuples)) == (9, 3)
    assert (prepared.num_images, prepared.num_classes) == (12 * streams, 0)
    assert not can_validate(prepared.held_out)
    _contents(prepared, columns, tmp_path)
    if kind == "siamese":
        for tuples in (prepared.tuples, prepared.held_out_tuples):
            assert tuples.different is not None
            assert tuples.different.tolist() == [row % 3 == 0 for row in tuples.rows]
    assert prepared.config.sampling.strategy == "tuples"
    config = prepared.config.model_copy(
        update={"sampling": prepared.config.sampling.model_copy(update={"tuples_per_batch": 4})}
    )
    batches = make_batches(config, prepared.train, prepared.tuples, loss=prepared.loss)
    assert batches.per_epoch == 3
    for epoch in range(2):
        dealt = [batch.rows[batch.tuples] for batch in batches.epoch(epoch) if batch.tuples is not None]
        assert sorted(np.concatenate(dealt).tolist()) == sorted(prepared.tuples.images.tolist())
        assert np.array_equal(
            np.concatenate(list(dealt[1:])),
            np.concatenate(
                [batch.rows[batch.tuples] for batch in batches.epoch(epoch, first=1) if batch.tuples is not None]
            ),
        )


@pytest.mark.parametrize("name", ["t.csv", "bytes.parquet"])
def test_bad_images_take_their_tuples_with_them(tmp_path: Path, name: str) -> None:
    """An unreadable image, a missing one and an empty cell: counted, named, and left out, up to a limit if given."""
    names = write_pngs(tmp_path, 30)
    (tmp_path / names[4]).write_bytes(b"no image")
    columns: dict[str, list[Any]] = {
        stream: names[10 * position : 10 * position + 10]
        for position, stream in enumerate(("anchor", "positive", "negative"))
    }
    columns["anchor"][7] = names[4]  # in two tuples
    columns["negative"][2] = None
    table = TABLE_WRITERS[name](tmp_path / name, columns)
    bad = names[4] if name == "t.csv" else "row 4, anchor"
    reason = "not an image in any of JPEG, PNG, WEBP, GIF, BMP, TIFF, PPM (starts with b'no image')"
    empty, lost = ("line 4", "lines 4, 6, 9") if name == "t.csv" else ("row 2", "rows 2, 4, 7")
    listed = f"{empty}, negative: no image: the cell is empty; {bad}: {reason}"
    assert refusal(DataError, table, max_bad_images=1) == (
        f"2 of 29 images cannot be used: expected at most 1 unreadable, got {listed} ({table}); mend or remove them, or"
        " leave them out with --set max_bad_images=2"
    )
    prepared, warnings = prepare_table(table)
    assert warnings == [f"2 images were left out, and 3 of 10 tuples with them ({lost}): {listed}"]
    assert prepared.tuples is not None
    assert prepared.held_out_tuples is not None
    assert sorted([*prepared.tuples.rows, *prepared.held_out_tuples.rows]) == [0, 1, 3, 5, 6, 8, 9]


def test_settings_of_classes_are_refused_for_tuples_before_images_are_read(tmp_path: Path) -> None:
    """Strategy, held-out classes, turned classes; none of the images exists."""
    names = [f"gone{number}.png" for number in range(6)]
    columns = {"anchor": names[:2], "positive": names[2:4], "negative": names[4:]}
    table = write_csv(tmp_path / "t.csv", columns)
    cases: list[tuple[dict[str, Any], str]] = [
        (
            {"sampling": {"strategy": "rounds"}},
            "sampling strategy for a table of tuples: expected tuples, got rounds (--set sampling.strategy=...)",
        ),
        (
            {"validation": "classes:0.2"},
            "validation of a table of tuples: expected images:SHARE, or another table or folder, got classes:0.2"
            " (--validation)",
        ),
        (
            {"augment": {"turns": True}},
            "augment.turns: expected images with classes, for it makes more of them, got a table of tuples"
            " (--set augment.turns=...)",
        ),
    ]
    for options, message in cases:
        assert refusal(UsageError, table, **options) == message


def test_data_hash_of_tuples_is_of_the_tuples_too(tmp_path: Path) -> None:
    """The same images in other tuples are other data; another name for the same is not."""
    names = write_pngs(tmp_path, 6)
    one = prepare_table(write_triplets(tmp_path, [(0, 1, 2), (3, 4, 5)], "a.csv"))[0].data_sha256
    other = prepare_table(write_triplets(tmp_path, [(0, 1, 5), (3, 4, 2)], "b.csv"))[0].data_sha256
    embedded = write_bytes(
        tmp_path / "c.parquet",
        {"anchor": [names[0], names[3]], "positive": [names[1], names[4]], "negative": [names[2], names[5]]},
    )
    assert one != other
    assert one == prepare_table(embedded)[0].data_sha256
