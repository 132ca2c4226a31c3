"""Tables to train on, of every format and both shapes, and their preparation."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from trainer.config.config import make_config
from trainer.loop.preparation import Prepared, prepare

Columns = Mapping[str, Sequence[Any]]


def png(seed: int) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (16, 18, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def write_pngs(folder: Path, count: int, *, first: int = 0) -> list[str]:
    """Images folder/images/NN.png; their names relative to the folder."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    names = [f"images/{number:02d}.png" for number in range(first, first + count)]
    for number, name in enumerate(names, start=first):
        (folder / name).write_bytes(png(number))
    return names


def write_csv(path: Path, columns: Columns) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def _write_jsonl(path: Path, columns: Columns) -> Path:
    rows = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_parquet(path: Path, columns: Columns) -> Path:
    pq.write_table(pa.table(dict(columns)), path, row_group_size=5)
    return path


def _embedded(values: Sequence[Any], folder: Path) -> list[Any]:
    return [(folder / value).read_bytes() if isinstance(value, str) and "/" in value else value for value in values]


def write_bytes(path: Path, columns: Columns) -> Path:
    """The same images, inside the table."""
    return write_parquet(path, {name: _embedded(values, path.parent) for name, values in columns.items()})


def _write_structs(path: Path, columns: Columns) -> Path:
    """The same images as {bytes, path}, half of them as paths alone."""

    def cell(row: int, value: Any) -> Any:
        if not (isinstance(value, str) and "/" in value):
            return value
        return {"bytes": (path.parent / value).read_bytes() if row % 2 else None, "path": value}

    return write_parquet(path, {name: [cell(*pair) for pair in enumerate(cells)] for name, cells in columns.items()})


def _write_parts(path: Path, columns: Columns) -> Path:
    """A folder of two Parquet files, with absolute paths."""
    path.mkdir()
    table = pa.table(
        {
            name: [str(path.parent / value) if isinstance(value, str) and "/" in value else value for value in values]
            for name, values in columns.items()
        }
    )
    pq.write_table(table.slice(0, 7), path / "a.parquet")
    pq.write_table(table.slice(7), path / "b.parquet")
    return path


TABLE_WRITERS: dict[str, Callable[[Path, Columns], Path]] = {
    "t.csv": write_csv,
    "t.tsv": write_csv,
    "t.jsonl": _write_jsonl,
    "t.parquet": write_parquet,
    "bytes.parquet": write_bytes,
    "structs.parquet": _write_structs,
    "parts": _write_parts,
}


def prepare_table(images: Path, kind: str = "triplet", **options: Any) -> tuple[Prepared, list[str]]:
    events: list[dict[str, Any]] = []
    config = make_config({"images": images, "kind": kind, "size": 16, "dim": 4} | options)
    prepared = prepare(config, report=events.append)
    return prepared, [event["message"] for event in events if event["event"] == "warning"]


def refusal(error: type[Exception], *arguments: Any, **options: Any) -> str:
    with pytest.raises(error) as caught:
        prepare_table(*arguments, **options)
    return str(caught.value)


def write_triplets(folder: Path, rows: Sequence[Sequence[int]], name: str = "t.csv") -> Path:
    columns = {
        stream: [f"images/{row[position]:02d}.png" for row in rows]
        for position, stream in enumerate(("anchor", "positive", "negative"))
    }
    return write_csv(folder / name, columns)
