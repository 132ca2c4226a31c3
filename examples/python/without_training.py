"""Vectors of a folder of pictures without training, and the pairs that are most alike by each of three ways.

    python examples/python/without_training.py FOLDER [NETWORK LAYER [--pretrained]]

The ways: the pixels themselves, the network as it is, and the network as far as a layer (`lookalike layers NETWORK`
lists them; conv4 and @8 where none is named). Random weights are a baseline: add --pretrained for published ones.
Artifacts and vectors stay in FOLDER.vectors; a JSON line for each way is printed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from export.build import build, publish_built
from serving.client.scorer import Scorer
from trainer.config.config import make_config
from trainer.loop.fit import fit

IMAGES = {".png", ".jpg", ".jpeg", ".webp", ".npy"}


def vectors_of(files: list[Path], output: Path, **settings: object) -> np.ndarray:
    """float32 [files, n] of one way, its artifact published beside them."""
    run = fit(make_config({"epochs": 0, "kind": "siamese"} | settings), output / "runs" / output.name)
    publish_built(build(run, "branch"), output / "models")
    with Scorer(output.name, repository=output / "models") as scorer:
        vectors = scorer.embed(files)
    np.save(output / "vectors.npy", vectors)
    return vectors


def most_alike(vectors: np.ndarray) -> tuple[int, int]:
    """The two rows with the largest cosine."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    first, second = np.unravel_index(cosines.argmax(), cosines.shape)
    return int(first), int(second)


def main() -> int:
    """Three ways, one after the other."""
    words = [word for word in sys.argv[1:] if word != "--pretrained"]
    folder, network, layer = (*words, "conv4", "@8")[:3] if len(words) == 1 else words
    weights = {"pretrained": True} if "--pretrained" in sys.argv else {}
    files = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in IMAGES)
    if len(files) < 2:
        print(f"{folder}: expected two pictures or more", file=sys.stderr)
        return 1
    ways: dict[str, dict[str, object]] = {
        "pixels": {"base": "pixels"},
        "whole": {"base": network} | weights,
        "layer": {"base": network, "cut": layer} | weights,
    }
    for name, settings in ways.items():
        vectors = vectors_of(files, Path(f"{folder.rstrip('/')}.vectors") / name, **settings)
        first, second = most_alike(vectors)
        pair = [str(files[row].relative_to(folder)) for row in (first, second)]
        print(json.dumps({"way": name, "numbers": vectors.shape[1], "most_alike": pair}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
