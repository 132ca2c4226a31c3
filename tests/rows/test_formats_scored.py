"""A table of every format, scored by a real artifact in this process, gives the vectors of the images themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import feather, parquet

from rows.tables import open_table
from rows.vectors.table import VectorTable
from serving.client.scorer import Scorer
from serving.jobs.scoring import score_table
from tests.shared.row_tables import write_members
from tests.shared.scored_images import expected_vectors, publish_models

NUM_IMAGES = 9


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("scored")
    repository = publish_models(folder / "repository", folder / "files", models=["triplet_branch"])
    with Scorer("triplet_branch", repository=repository, threads=1) as opened:
        yield opened


def write(folder: Path, form: str) -> tuple[Any, list[Path]]:
    """The table, and the PNG files of its images in its order."""
    (folder / "images").mkdir()
    pixels = np.random.default_rng(5).integers(0, 256, (NUM_IMAGES, 12, 10, 3), dtype=np.uint8)
    files = [folder / "images" / f"{i}.png" for i in range(NUM_IMAGES)]
    for file, image in zip(files, pixels, strict=True):
        Image.fromarray(image).save(file)
    names, data = [f"images/{file.name}" for file in files], [file.read_bytes() for file in files]
    path = folder / f"t.{form}"
    if form in ("csv", "csv.gz", "tsv", "jsonl"):
        text = "image\n" + "\n".join(names) if "sv" in form else "\n".join(f'{{"image": "{name}"}}' for name in names)
        with fsspec.open(str(path), "w", compression="infer") as file:
            file.write(text + "\n")
    elif form == "txt":
        path.write_text("\n".join(names))
    elif form == "parquet":
        parquet.write_table(pa.table({"image": [{"bytes": value, "path": None} for value in data]}), path)
    elif form == "feather":
        feather.write_feather(pa.table({"image": data}), str(path))
    elif form == "npy":
        np.save(path, pixels)
    elif form == "npz":
        np.savez_compressed(path, x_train=pixels)
    elif form in ("tar", "tar.gz"):
        write_members(path, {f"{i:02d}.png": value for i, value in enumerate(data)})
    elif form == "memory":
        return pa.table({"image": data}), files
    elif form == "stream":
        table = pa.table({"image": [str(file) for file in files]})
        return pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=2)), files
    elif form == "bucket":
        store = fsspec.filesystem("memory")
        store.put(str(folder), "/scored", recursive=True)
        return "memory://scored/images", files
    else:
        return folder / "images", files
    return path, files


FORMS = "folder csv csv.gz tsv jsonl txt parquet feather npy npz tar tar.gz memory stream bucket"


@pytest.mark.parametrize("form", FORMS.split())
def test_vectors_of_a_table_are_those_of_its_images(form: str, scorer: Scorer, tmp_path: Path) -> None:
    """Against NumPy's product of the decoded files."""
    source, files = write(tmp_path, form)
    result = score_table(open_table(source), scorer, tmp_path / "output", rows_per_part=4)
    assert (result.num_scored, result.num_errors) == (NUM_IMAGES, 0)
    np.testing.assert_allclose(
        VectorTable.open(tmp_path / "output").matrix, expected_vectors(files), rtol=1e-5, atol=1e-5
    )
