"""Foreign networks of scenes, adopted: what a detector's vectors and a U-Net's bottleneck tell on scenes never seen.

    python -m benchmarks adopted          a quarter of an hour

A one-stage detector and a U-Net (scene_networks.py) are trained on scenes, exported as their users would, and adopted:
the detector by its features at each box's middle and by its map pooled in each box. Of the objects of unseen scenes,
whose identities were never trained on: how many are found, how many boxes there are for each, and whether the nearest
vector of another scene is of the same identity, beside the crops' raw pixels. Of scenes seen again in other light:
whether the pooled bottleneck knows them.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from analysis.measures.intervals import mean_interval
from benchmarks.scene_networks import MEAN, STD, export_detector, export_unet, train_detector, train_unet
from benchmarks.sets.scenes import HEIGHT, WIDTH, annotations, prepare_scenes
from export.adoption.adopt import adopt
from export.adoption.adopt_detector import adopt_detector
from export.adoption.detected import DetectorOutputs
from serving.client.scorer import Scorer

SIZE = (192, 256)
SEEDS, STEPS, LEAST_OVERLAP = (0, 1, 2), 300, 0.5
BOTTLENECK, GRID = "bottleneck", "grid:4x4"
_CROP_PX = 16


def run(*, seeds: tuple[int, ...] = SEEDS, steps: int = STEPS, **sets: int) -> dict[str, Any]:
    """{"by_seed", "mean", "interval"} of each figure."""
    train, unseen = prepare_scenes(**sets)
    by_seed = [_one_seed(train, unseen, seed, steps) for seed in seeds]
    figures: dict[str, Any] = {"size": list(SIZE), "steps": steps, "by_seed": by_seed}
    for name in by_seed[0]:
        values = np.array([each[name] for each in by_seed])
        low, high = mean_interval(values) if len(values) > 1 else (float(values[0]),) * 2
        figures[name] = {"mean": round(float(values.mean()), 4), "interval": [round(low, 4), round(high, 4)]}
    return figures


def _one_seed(train: Path, unseen: Path, seed: int, steps: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        detector = export_detector(
            train_detector(train, size=SIZE, steps=steps, seed=seed), folder / "detector.onnx", size=SIZE
        )
        unet = export_unet(train_unet(train, size=SIZE, steps=steps, seed=seed), folder / "unet.onnx", size=SIZE)
        examples = sorted((train / "images").iterdir())[:4]
        for features in ("features", "map"):
            asked = DetectorOutputs(boxes="boxes", scores="scores", features=features, limit=40)
            adopted = adopt_detector(detector, asked, mean=MEAN, std=STD, name=features, examples=examples)
            adopted.publish(folder / "models")
        adopt(unet, mean=MEAN, std=STD, output=BOTTLENECK, pool=GRID, name="unet").publish(folder / "models")
        figures = _objects(unseen, folder / "models")
        return figures | {"scenes known again": _known_again(unseen, folder / "models")}


def _objects(unseen: Path, models: Path) -> dict[str, float]:
    content = json.loads(annotations(unseen).read_text())
    files = {each["id"]: unseen / "images" / each["file_name"] for each in content["images"]}
    objects = content["annotations"]
    figures: dict[str, float] = {}
    for model in ("features", "map"):
        with Scorer(model, repository=models) as scorer:
            found = dict(zip(files, scorer.detect(list(files.values())), strict=True))
        vectors, crops, kept = [], [], []
        for one in objects:
            x, y, width, height = one["bbox"]
            box = np.array([x / WIDTH, y / HEIGHT, (x + width) / WIDTH, (y + height) / HEIGHT])
            there = found[one["image_id"]]
            overlaps = _overlaps(there.boxes, box)
            if len(overlaps) and overlaps.max() >= LEAST_OVERLAP:
                vectors.append(there.vectors[int(overlaps.argmax())])
                kept.append(one)
                picture = Image.open(files[one["image_id"]]).convert("RGB").crop((x, y, x + width, y + height))
                crops.append(np.asarray(picture.resize((_CROP_PX, _CROP_PX)), np.float32).reshape(-1))
        num_boxes = sum(len(each.boxes) for each in found.values())
        figures |= {"objects found": len(kept) / len(objects), "boxes an object": num_boxes / len(objects)}
        figures[f"nearest right, {model}"] = _nearest_right(np.array(vectors), kept)
    figures["nearest right, raw pixels"] = _nearest_right(np.array(crops), kept)
    return figures


def _nearest_right(vectors: np.ndarray, objects: list[dict[str, Any]]) -> float:
    """How often the nearest by cosine in another scene is of the same identity."""
    unit = vectors - vectors.mean(axis=0)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-9)
    scenes, identities = (np.array([each[key] for each in objects]) for key in ("image_id", "category_id"))
    near = unit @ unit.T
    near[scenes[:, None] == scenes] = -2
    return float((identities[near.argmax(axis=1)] == identities).mean())


def _known_again(unseen: Path, models: Path) -> float:
    files = sorted((unseen / "images").iterdir())
    pictures = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    with Scorer("unet", repository=models) as scorer:
        bright, dim = scorer.embed(pictures), scorer.embed([(each * 0.7).astype(np.uint8) for each in pictures])
    unit, other = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (bright, dim))
    return float(((other @ unit.T).argmax(axis=1) == np.arange(len(files))).mean())


def _overlaps(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    sides = np.maximum(np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2]), 0)
    inside = sides.prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return np.asarray(inside / (areas - inside))
