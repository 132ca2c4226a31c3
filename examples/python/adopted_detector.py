"""Somebody else's detector: a vector of each object that it finds, with box and score, and a page of near duplicates.

    python adopted_detector.py detector.onnx photos found --boxes boxes --scores scores --features features

The values are named as Netron shows them; boxes are corners in pixels of the network's input (docs/adopt.md has the
other forms); --mean and --std are those of its training. Adopts the network into found/models, scores the folder of
pictures into found/vectors and prints a JSON line for each object. The page is found/duplicates.html: the parts of the
pictures that are nearest to one another.
"""

import argparse
import json
import sys
from pathlib import Path

from pyarrow import parquet

from export.adoption.adopt_detector import adopt_detector
from export.adoption.detected import DetectorOutputs
from lookalike.cli import main
from rows.image_suffixes import SUFFIXES
from rows.vectors.table import VectorTable
from serving.client.scorer import Scorer
from serving.jobs.scoring import score_table
from serving.jobs.tables import open_scored_table

NUM_EXAMPLES = 8
"""Pictures that adoption is proved on; the artifact keeps two of them."""


def words() -> argparse.Namespace:
    """Those of the command line."""
    parser = argparse.ArgumentParser(description="A vector of each object that a detector finds.")
    for place in ("detector", "photos", "output"):
        parser.add_argument(place, type=Path)
    for value in ("boxes", "scores", "features"):
        parser.add_argument(f"--{value}", default=value)
    parser.add_argument("--mean", type=float, default=0.0, help="what the training subtracted, for pixels in [0, 1]")
    parser.add_argument("--std", type=float, default=1.0, help="what it divided by")
    parser.add_argument(
        "--share", default="0.2", help="of the objects: so many have their nearest within the threshold"
    )
    return parser.parse_args()


def score_detections(detector: str, repository: Path, photos: Path, output: Path) -> VectorTable:
    """A row for each object: id, image, object_id, score, box, embedding; a picture without any gives no row."""
    with Scorer(detector, repository=repository) as scorer:
        rows, _ = open_scored_table(str(photos), scorer.manifest, model=detector)
        result = score_table(rows, scorer, output)
    if result.num_errors:
        for bad in parquet.read_table(output / "errors.parquet").to_pylist():
            print(f"{bad['id']}: {bad['reason']}", file=sys.stderr)
    return VectorTable.open(output)


asked = words()
pictures = sorted(path for path in asked.photos.rglob("*") if path.suffix.lower() in SUFFIXES)
adopted = adopt_detector(
    asked.detector,
    DetectorOutputs(boxes=asked.boxes, scores=asked.scores, features=asked.features),
    mean=(asked.mean,) * 3,
    std=(asked.std,) * 3,
    examples=pictures[:NUM_EXAMPLES],
)
adopted.publish(asked.output / "models")

vectors = asked.output / "vectors"
found = score_detections(adopted.manifest.name, asked.output / "models", asked.photos, vectors)
columns = [found.column(name).to_pylist() for name in ("image", "score", "box")]
for name, image, score, box in zip(found.ids, *columns, strict=True):
    print(json.dumps({"object": name, "image": image, "score": score, "box": box}))
page = ["--page", str(asked.output / "duplicates.html"), "--output", str(asked.output / "duplicates.parquet")]
sys.exit(main(["duplicates", str(vectors), "--share", asked.share, *page]))
