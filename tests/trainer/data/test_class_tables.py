"""Tables of images and classes: as good as class folders, in every format."""

import hashlib
import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError
from tests.shared.table_writers import (
    TABLE_WRITERS,
    png,
    prepare_table,
    write_csv,
    write_pngs,
    write_triplets,
)
from trainer.config.config import make_config
from trainer.data.held_out import can_validate
from trainer.loop.fit import fit
from trainer.loop.reading import read_split


@pytest.mark.parametrize("name", TABLE_WRITERS)
def test_table_of_classes_is_as_good_as_a_folder(tmp_path: Path, name: str) -> None:
    """Same split, same data hash, same classes as the images in class folders; numbers sort as numbers."""
    names = write_pngs(tmp_path, 30)
    labels = [(2, 10, 1)[row % 3] for row in range(30)]
    table = TABLE_WRITERS[name](tmp_path / name, {"image": names, "label": labels, "id": list(range(30))})
    for row, label in enumerate(labels):
        path = tmp_path / "folder" / str(label) / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((tmp_path / names[row]).read_bytes())
    of_table, warnings = prepare_table(table)
    of_folder, _ = prepare_table(tmp_path / "folder")
    assert warnings == []
    is_text = name in ("t.csv", "t.tsv")
    assert of_table.train.files.classes == (("1", "10", "2") if is_text else ("1", "2", "10"))
    assert of_table.data_sha256 == of_folder.data_sha256
    assert of_table.held_out is not None
    assert of_folder.held_out is not None
    assert sorted(of_table.held_out.hashes) == sorted(of_folder.held_out.hashes)
    assert can_validate(of_table.held_out)
    assert of_table.config.sampling.strategy == "balanced"
    classes = of_table.train.files.classes
    for digest, label in zip(of_table.train.hashes, of_table.train.labels, strict=True):
        row = next(row for row, name in enumerate(names) if hashlib.sha256(png(row)).hexdigest() == digest)
        assert classes[label] == str(labels[row])


@pytest.mark.parametrize("name", ["t.csv", "bytes.parquet"])
def test_size_of_a_table_follows_its_images(tmp_path: Path, name: str) -> None:
    """Conv4 takes images at their own size, 16 px here, whether the table names or holds them."""
    names = write_pngs(tmp_path, 12)
    table = TABLE_WRITERS[name](tmp_path / name, {"image": names, "label": ["a", "b"] * 6})
    assert prepare_table(table, size=None)[0].config.size == 16


def test_split_of_a_run_is_read_again_from_its_table(tmp_path: Path) -> None:
    """Same sides as in training, without turned classes; changed data are refused."""
    names = write_pngs(tmp_path, 24)
    classes = write_csv(tmp_path / "classes.csv", {"image": names, "label": ["a", "b"] * 12})
    tuples = write_triplets(tmp_path, [(3 * row, 3 * row + 1, 3 * row + 2) for row in range(8)])
    for number, (table, options) in enumerate(((classes, {"augment": {"turns": True}}), (tuples, {}))):
        run = fit(
            make_config({"images": table, "kind": "triplet", "size": 16, "dim": 2, "epochs": 1} | options),
            tmp_path / f"run{number}",
        )
        prepared, _ = prepare_table(table)
        train, held_out = read_split(run, report=lambda event: None)
        assert prepared.held_out is not None
        assert held_out is not None
        assert (train.hashes, held_out.hashes) == (prepared.train.hashes, prepared.held_out.hashes)
        assert train.turns is None
    (tmp_path / names[0]).write_bytes(png(99))
    with pytest.raises(DataError) as caught:
        read_split(run, report=lambda event: None)
    assert str(caught.value) == f"images of the run: expected as they were in training, got changed ({tuples})"


def test_whole_numbers_with_gaps_are_classes(tmp_path: Path) -> None:
    """As pandas and databases write them: in one file, in one of several, in JSON lines; the gaps are no class."""
    names = write_pngs(tmp_path, 20)
    labels = [(3, 10, None)[row % 3] for row in range(20)]
    gaps = [None if label is None else float(label) for label in labels]
    nans = [float("nan") if label is None else label for label in gaps]
    (tmp_path / "shards").mkdir()
    parts = pa.table({"image": names[:9], "label": [3, 10, 3] * 3}), pa.table({"image": names[9:], "label": gaps[9:]})
    for number, part in enumerate(parts):
        moved = part.set_column(0, "image", pa.array([f"../{name}" for name in part["image"].to_pylist()]))
        parquet.write_table(moved, tmp_path / "shards" / f"{number}.parquet")
    parquet.write_table(pa.table({"image": names, "label": gaps}), tmp_path / "gaps.parquet")
    parquet.write_table(pa.table({"image": names, "label": pa.array(nans)}), tmp_path / "nan.parquet")
    decimals = pa.array([None if label is None else Decimal(label) for label in labels], pa.decimal128(9, 2))
    parquet.write_table(pa.table({"image": names, "label": decimals}), tmp_path / "decimal.parquet")
    rows = [json.dumps({"image": name, "label": label}) for name, label in zip(names, nans, strict=True)]
    (tmp_path / "t.jsonl").write_text("\n".join(rows))
    for table in ("shards", "gaps.parquet", "nan.parquet", "decimal.parquet", "t.jsonl"):
        prepared, warnings = prepare_table(tmp_path / table)
        assert prepared.train.files.classes == ("3", "10")
        assert "without a class were left out" in warnings[0]
        assert prepared.num_images == (20 - 3 if table == "shards" else 20 - 6)
