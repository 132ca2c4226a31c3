"""Pictures with objects, and the same objects written as a COCO file, as a YOLO data set, and as a table of boxes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASSES = ("cat", "dog", "Vögel")


@dataclass
class Scene:
    """A picture, and of each of its objects the class and the box x, y, width, height in pixels.

    Attributes:
        pixels: uint8 [h, w, 3].
    """

    name: str
    pixels: np.ndarray
    objects: list[tuple[int, tuple[int, int, int, int]]] = field(default_factory=list)

    def crops(self) -> list[np.ndarray]:
        """The pixels of each object, by plain slices."""
        return [self.pixels[y : y + height, x : x + width] for _, (x, y, width, height) in self.objects]


def make_scenes(folder: Path, num_objects: tuple[int, ...] = (2, 0, 3, 1), seed: int = 0) -> list[Scene]:
    """Noise of several sizes with boxes drawn at random, in the folder's `images`."""
    random = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    scenes = []
    for number, count in enumerate(num_objects):
        height, width = int(random.integers(30, 50)), int(random.integers(40, 60))
        scene = Scene(f"{number:03}.png", random.integers(0, 256, (height, width, 3), np.uint8))
        for _ in range(count):
            x, y = int(random.integers(0, width - 10)), int(random.integers(0, height - 10))
            sides = int(random.integers(5, width - x)), int(random.integers(5, height - y))
            scene.objects.append((int(random.integers(len(CLASSES))), (x, y, *sides)))
        Image.fromarray(scene.pixels).save(folder / "images" / scene.name)
        scenes.append(scene)
    return scenes


def coco_facts(scenes: list[Scene]) -> dict[str, Any]:
    """The content of a COCO file; categories are numbered from 1, and images from 100."""
    objects = [
        {"image_id": 100 + number, "category_id": kind + 1, "bbox": list(box), "area": box[2] * box[3], "iscrowd": 0}
        for number, scene in enumerate(scenes)
        for kind, box in scene.objects
    ]
    return {
        "info": {"description": "noise", "version": 1.5},
        "images": [
            {
                "id": 100 + number,
                "file_name": scene.name,
                "width": scene.pixels.shape[1],
                "height": scene.pixels.shape[0],
            }
            for number, scene in enumerate(scenes)
        ],
        "annotations": [{"id": 7 + number, **each} for number, each in enumerate(objects)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(CLASSES, start=1)],
    }


def write_coco(file: Path, facts: dict[str, Any]) -> Path:
    """The file, with letters as they are."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(facts, ensure_ascii=False))
    return file


def write_yolo(folder: Path, scenes: list[Scene], *, settings: str | None = None) -> Path:
    """Label files beside `images`; an image without an object has none. Gives the folder."""
    (folder / "labels").mkdir(exist_ok=True)
    for scene in scenes:
        height, width = scene.pixels.shape[:2]
        lines = [
            f"{kind} {(x + w / 2) / width:.9f} {(y + h / 2) / height:.9f} {w / width:.9f} {h / height:.9f}"
            for kind, (x, y, w, h) in scene.objects
        ]
        if lines:
            (folder / "labels" / f"{Path(scene.name).stem}.txt").write_text("\n".join(lines) + "\n")
    names = "\n".join(f"  - {name}" for name in CLASSES)
    (folder / "data.yaml").write_text(settings or f"train: images\nnames:\n{names}\n", encoding="utf-8")
    return folder


def write_boxes(file: Path, scenes: list[Scene]) -> Path:
    """A CSV with the columns image, x, y, width, height and label."""
    lines = [
        f"images/{scene.name},{x},{y},{width},{height},{CLASSES[kind]}"
        for scene in scenes
        for kind, (x, y, width, height) in scene.objects
    ]
    file.write_text("\n".join(["image,x,y,width,height,label", *lines]) + "\n", encoding="utf-8")
    return file
