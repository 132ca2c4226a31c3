"""One table of 23 images in every format: image i is a file with the number i in it, or pixels of value i."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import feather, parquet

from rows.images import ImageRef

NUM_ROWS = 23


def rows() -> list[dict[str, Any]]:
    """Columns `id`, `image`, `label` and `x`, all text."""
    return [{"id": f"{i:03d}", "image": f"pics/{i}.png", "label": f"0{i % 3}", "x": str(i)} for i in range(NUM_ROWS)]


def number(ref: ImageRef) -> int:
    """Which image it is."""
    return int(ref.pixels[0, 0, 0]) if ref.pixels is not None else int(ref.read())


def write_images(folder: Path) -> None:
    """The files that `image` names."""
    (folder / "pics").mkdir(exist_ok=True)
    for i, row in enumerate(rows()):
        (folder / row["image"]).write_text(str(i))


def write_text(folder: Path, name: str) -> Path:
    separator = "\t" if ".tsv" in name.lower() else ","
    if "sv" in name.lower():
        text = separator.join(rows()[0]) + "\n" + "".join(separator.join(row.values()) + "\n" for row in rows())
    else:
        text = "\n".join(json.dumps(row) for row in rows()) + "\n\n"
    (folder / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return folder / name


def write_parquet(folder: Path, name: str) -> Path:
    parquet.write_table(pa.Table.from_pylist(rows()), folder / name, row_group_size=5)
    return folder / name


def write_arrow(folder: Path, name: str) -> Path:
    table = pa.Table.from_pylist(rows())
    if name.endswith(".feather"):
        feather.write_feather(table, str(folder / name), chunksize=4)
    else:
        with pa.ipc.new_stream(str(folder / name), table.schema) as writer:
            writer.write_table(table, max_chunksize=4)
    return folder / name


def write_list(folder: Path, name: str) -> Path:
    (folder / name).write_text("\r\n".join(row["image"] for row in rows()) + "\n\n")
    return folder / name


def write_members(path: Path, members: Mapping[str, bytes]) -> Path:
    """A tar of these members in their order, compressed by its name."""
    mode: Any = f"w:{path.suffix[1:].replace('tgz', 'gz')}" if path.suffix != ".tar" else "w"
    with tarfile.open(path, mode) as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def tar_members(first: int = 0, end: int = NUM_ROWS) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for i, row in list(enumerate(rows()))[first:end]:
        found |= {f"{row['id']}.jpg": str(i).encode(), f"{row['id']}.cls": row["label"].encode()}
        found |= {f"{row['id']}.txt": row["x"].encode()}
    return found


def write_tar(folder: Path, name: str) -> Path:
    return write_members(folder / name, tar_members())


def write_array(folder: Path, name: str) -> Path:
    images = np.arange(NUM_ROWS, dtype=np.uint8)[:, None, None, None].repeat(4, 1).repeat(5, 2).repeat(3, 3)
    if name.endswith(".npy"):
        np.save(folder / name, images)
    else:
        label = np.array([row["label"] for row in rows()])
        np.savez_compressed(folder / name, images=images, label=label, x=np.arange(NUM_ROWS))
    return folder / name


_BY_FORMAT: dict[Callable[[Path, str], Path], str] = {
    write_text: ".csv .csv.gz .TSV .tsv.gz .jsonl .jsonl.gz .ndjson",
    write_parquet: ".parquet .pq",
    write_arrow: ".arrow .feather",
    write_list: ".txt .lst",
    write_tar: ".tar .tar.gz .tgz .tar.bz2 .tar.xz",
    write_array: ".npy .npz",
}
WRITERS: dict[str, Callable[[Path], Path]] = {
    suffix: partial(writer, name=f"t{suffix}") for writer, suffixes in _BY_FORMAT.items() for suffix in suffixes.split()
}
"""Suffix -> how to write the table into a folder; gives its path."""
