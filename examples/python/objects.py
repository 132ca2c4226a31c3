"""Objects of pictures as rows: a vector for each, and of each object the one of another picture that is most like it.

    python objects.py model_repository shapes instances_val.json vectors

The third is a COCO file, a YOLO data set (its folder or its data.yaml), or any table with columns of boxes; a model of
the repository runs in this process. Prints a JSON line for each object. A box that is none is told on stderr.
"""

import json
import sys
from pathlib import Path

import numpy as np
from pyarrow import parquet

from rows.regions import RegionOptions
from rows.vectors.table import VectorTable
from serving.client.scorer import Scorer
from serving.jobs.scoring import score_table
from serving.jobs.tables import open_scored_table


def score_objects(repository: str, model: str, table: str, output: Path) -> VectorTable:
    """A row for each object: id, object_id, label, box, embedding; goes on where an earlier call was stopped."""
    with Scorer(model, repository=repository) as scorer:
        # a tenth of the surroundings on each side; without `regions` the rows are the pictures, each once
        rows, _ = open_scored_table(table, scorer.manifest, model=model, regions=RegionOptions(padding=0.1))
        result = score_table(rows, scorer, output)
    if result.num_errors:
        for bad in parquet.read_table(output / "errors.parquet").to_pylist():
            print(f"{bad['id']}: {bad['reason']}", file=sys.stderr)
    return VectorTable.open(output)


def nearest_elsewhere(vectors: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """int64 [N]: of each of [N, n] the nearest by Euclidean distance of another picture; itself where there is none."""
    nearest = np.arange(len(vectors))
    for row, vector in enumerate(vectors):
        distances = np.linalg.norm(vectors - vector, axis=1)
        distances[pictures == pictures[row]] = np.inf
        if np.isfinite(distances).any():
            nearest[row] = distances.argmin()
    return nearest


def main() -> int:
    """Score the objects of the table named on the command line, and print of each its nearest."""
    repository, model, table, output = sys.argv[1:]
    scored = score_objects(repository, model, table, Path(output))
    pictures = np.array([name.rpartition("#")[0] for name in scored.ids])
    nearest = nearest_elsewhere(np.array(scored.matrix), pictures)
    labels = scored.column("label").to_pylist()
    for row, (name, box) in enumerate(zip(scored.ids, scored.column("box").to_pylist(), strict=True)):
        like = int(nearest[row])
        facts = {"object": name, "label": labels[row], "box": box, "like": scored.ids[like], "its_label": labels[like]}
        print(json.dumps(facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
