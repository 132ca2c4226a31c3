"""A table of triplets over few images: the job as it is against the same job made to run every cell.

30,000 rows over 3,000 JPEG files of 160x120, MobileNetV3-small at 96 px in this process, vectors of 128. To make the
job run every cell, each cell of its table has a name of its own: a hard link to the same file, so the bytes, their
place in the page cache, the network and the program are the same, and only the names say that the images are others.
That table is of fewer rows, for it is slow; all are told in rows/s, of rounds in turn.

An image runs once in each part that it stands in, so the size of the parts decides the ratio: the job with all rows in
one part is told beside that with parts of the default size.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from artifact.images.cores import available_cores
from artifact.images.preprocessing import Preprocessing, load_pixels
from artifact.kinds import KINDS
from artifact.model.file import append_manifest, content_hash
from artifact.model.golden import golden_images, make_golden
from artifact.model.manifest import OPSET, Manifest
from artifact.model.parts import Content
from artifact.repository.publishing import publish
from export.graph import export_branch
from rows.tables import open_table
from serving.client.scorer import Scorer
from serving.jobs.scoring import DEFAULT_ROWS_PER_PART, JobResult, score_table
from trainer.networks.base_networks import branch_of, build_base

NETWORK, SIZE_PX, EMBEDDING_DIM = "mobilenetv3_small_100", 96, 128
STREAMS = KINDS["triplet"].streams
NUM_ROWS, NUM_IMAGES = 30_000, 3_000
ROWS_OF_EVERY_CELL = 2_000
ROUNDS = 3


def run(
    *, num_rows: int = NUM_ROWS, num_images: int = NUM_IMAGES, every_cell: int = ROWS_OF_EVERY_CELL
) -> dict[str, Any]:
    """{rows_per_s and ratio to `every_cell` of the job as it is and of one in a single part: medians of the rounds}."""
    with tempfile.TemporaryDirectory(prefix="lookalike-tuples-") as name:
        folder = Path(name)
        repository = _publish_network(folder)
        images = _write_images(folder / "images", num_images)
        triplets = _draw_triplets(num_rows, num_images)
        table = _write_table(folder / "triplets.csv", [[images[i] for i in row] for row in triplets])
        links = _write_table(folder / "every_cell.csv", _links(folder / "links", images, triplets[:every_cell]))
        ways = {
            "as_it_is": (table, DEFAULT_ROWS_PER_PART),
            "one_part": (table, num_rows),
            "every_cell": (links, DEFAULT_ROWS_PER_PART),
        }
        rounds: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        with Scorer("triplets", repository=repository) as scorer:
            scorer.embed(images[:64])  # warm
            for turn in range(ROUNDS):
                for way, (rows, rows_per_part) in ways.items():
                    output = folder / f"{way}-{turn}"
                    result = score_table(open_table(rows, streams=STREAMS), scorer, output, rows_per_part=rows_per_part)
                    rounds[way].append(_facts(result))
    rows_per_s = {way: statistics.median(each["rows_per_s"] for each in rounds[way]) for way in ways}
    return {
        "network": f"{NETWORK} at {SIZE_PX} px, {EMBEDDING_DIM} dims",
        "images": f"{num_images} JPEG files of 160x120",
        "threads": available_cores(),
        "rows": {"as_it_is": num_rows, "one_part": num_rows, "every_cell": every_cell},
        "rows_per_part": {way: rows_per_part for way, (_, rows_per_part) in ways.items()},
        "rows_per_s": {way: round(value, 1) for way, value in rows_per_s.items()},
        "ratio": {way: round(value / rows_per_s["every_cell"], 2) for way, value in rows_per_s.items()},
        "rounds": rounds,
    }


def _facts(result: JobResult) -> dict[str, float]:
    assert result.num_errors == 0
    rows_per_s = result.num_rows / result.seconds
    return {"seconds": round(result.seconds, 2), "rows_per_s": round(rows_per_s, 1), "images_run": result.num_images}


def _publish_network(folder: Path) -> Path:
    """A branch artifact of the triplet kind with random weights, whose values the time does not depend on."""
    torch.manual_seed(0)
    base = build_base(NETWORK, size=SIZE_PX)
    branch = branch_of(base, embedding_dim=EMBEDDING_DIM, normalize=True).eval()
    pixels = Preprocessing(height=SIZE_PX, width=SIZE_PX)
    graph = export_branch(branch, preprocessing=pixels)
    model = graph.SerializeToString(deterministic=True)
    images = golden_images()
    with torch.no_grad():
        vectors = branch(torch.from_numpy(np.stack([load_pixels(image, pixels) for image in images]))).numpy()
    manifest = Manifest(
        name="triplets",
        kind="triplet",
        mode="branch",
        streams=list(STREAMS),
        embedding_dim=EMBEDDING_DIM,
        distance="euclidean",
        normalized=True,
        margin=0.2,
        loss="triplet",
        preprocessing=pixels.to_dict(),
        threshold=None,
        base=base.to_dict(),
        training={},
        precision="fp32",
        opset=OPSET,
        space="random weights",
        content=Content(sha256=content_hash(model), size=len(model)),
        golden=make_golden(images, vectors),
    )
    append_manifest(folder / "triplets.onnx", model, manifest)
    publish(folder / "triplets.onnx", folder / "repository")
    return folder / "repository"


def _write_images(folder: Path, count: int) -> list[Path]:
    """Coarse blocks with noise: as smooth and as rough as photographs are."""
    folder.mkdir()
    random = np.random.default_rng(0)
    paths = [folder / f"{number:05d}.jpg" for number in range(count)]
    for path in paths:
        blocks = random.integers(0, 256, (6, 8, 3)).repeat(20, axis=0).repeat(20, axis=1)
        noisy = (blocks + random.integers(-20, 21, blocks.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(path, quality=90)
    return paths


def _draw_triplets(num_rows: int, num_images: int) -> list[list[int]]:
    """Three different images each, any of them as likely."""
    random = np.random.default_rng(1)
    return [random.choice(num_images, 3, replace=False).tolist() for _ in range(num_rows)]


def _links(folder: Path, images: list[Path], triplets: list[list[int]]) -> list[list[Path]]:
    """A link of its own to the image of every cell."""
    folder.mkdir()
    rows = []
    for number, triplet in enumerate(triplets):
        row = [folder / f"{number:05d}-{stream}.jpg" for stream in STREAMS]
        for image, link in zip(triplet, row, strict=True):
            os.link(images[image], link)
        rows.append(row)
    return rows


def _write_table(file: Path, rows: list[list[Path]]) -> Path:
    lines = [",".join(path.relative_to(file.parent).as_posix() for path in row) for row in rows]
    file.write_text("\n".join([",".join(STREAMS), *lines]) + "\n")
    return file
