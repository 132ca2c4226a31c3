"""Scenes: cut-outs of people, animals and things on photographs, with a box, a mask and an identity for each object.

The cut-outs and the photographs come with Debian's package of Scratch 1.4 (CC-BY-SA-3.0), which is fetched and never
kept with the project. An identity is one of its characters in all of its poses; half of them, by their names, and half
of the photographs, are never trained on. Every object is another view: turned, mirrored or not, larger or smaller, in
other light; objects hide a part of others. Boxes and masks are those of what can be seen.

    train/ and unseen/, in each   images/00000.jpg and so on, 640x480, about ten objects in each
                                  instances.json in the format of COCO; the category is the identity
"""

from __future__ import annotations

import io
import json
import re
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from artifact.images.mask import Inside
from benchmarks.sets.debian import DebianPackage, fetch, members
from benchmarks.sets.made_once import CACHE, made_once
from lookalike.demo.emoji import is_held_out

PACKAGE = DebianPackage(
    name="scratch",
    version="1.4.0.6~dfsg1-6.1",
    sha256="36c582eb93110f64f06c4e685c41e933ccba2fa68db12f79b10bfe840b21fc10",
)
WIDTH, HEIGHT = 640, 480
OBJECTS = 10
"""In each scene, unless there is no room for so many."""
_SIDES_PX = (56, 150)
_LEAST_SEEN = 0.6
"""Of an object that others hide."""
_TRIES = 40
_NO_IDENTITIES = ("Letters",)
_NUMBERED = ("anjuli", "anna", "breakdancer", "chamak", "dan", "jodi")
"""People whose poses are told apart by a number alone; of all others it tells another character."""
_LEAST_OPAQUE = 128


def prepare_scenes(*, train_scenes: int = 600, unseen_scenes: int = 250, seed: int = 0) -> tuple[Path, Path]:
    """Folders of the scenes to train on and of those never seen; made once for each choice of numbers."""
    name = f"scenes-{train_scenes}-{unseen_scenes}-{seed}"
    return made_once(name, lambda train, unseen: _write(train, unseen, train_scenes, unseen_scenes, seed))


def annotations(folder: Path) -> Path:
    """The COCO file of a folder that `prepare_scenes` gave; its images lie in `images` beside it."""
    return folder / "instances.json"


def identity_of(name: str) -> str:
    """The character of a cut-out's file name: what stands before the pose."""
    first = name.partition("-")[0]
    bare = re.sub(r"\d+$", "", first)
    return bare if bare in _NUMBERED else first


def _write(train: Path, unseen: Path, train_scenes: int, unseen_scenes: int, seed: int) -> None:
    cutouts, photographs = _read(fetch(PACKAGE, CACHE))
    for which, (folder, count, held_out) in enumerate(((train, train_scenes, False), (unseen, unseen_scenes, True))):
        identities = {name: poses for name, poses in sorted(cutouts.items()) if is_held_out(name) == held_out}
        grounds = [picture for name, picture in sorted(photographs.items()) if is_held_out(name) == held_out]
        write_scenes(folder, identities, grounds, count, seed=[seed, which])


def write_scenes(
    folder: Path,
    identities: dict[str, list[Image.Image]],
    grounds: list[Image.Image],
    count: int,
    *,
    seed: list[int],
) -> None:
    """Write `count` scenes into a folder that is not there yet.

    Args:
        identities: {name: RGBA cut-outs}; every one is shown about as often.
        grounds: RGB photographs.
    """
    (folder / "images").mkdir(parents=True)
    names = list(identities)
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    queue: list[int] = []
    for number in range(count):
        random = np.random.default_rng([*seed, number])
        while len(queue) < OBJECTS:  # each identity comes once before any comes again
            queue += random.permutation(len(names)).tolist()
        chosen, queue = queue[:OBJECTS], queue[OBJECTS:]
        ground = grounds[int(random.integers(len(grounds)))].resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        scene, seen = _compose(ground, [identities[names[each]] for each in chosen], random)
        file_name = f"{number:05}.jpg"
        scene.save(folder / "images" / file_name, quality=int(random.integers(75, 95)))
        images.append({"id": number, "file_name": file_name, "width": WIDTH, "height": HEIGHT})
        for identity, inside in zip(chosen, seen, strict=True):
            if inside is not None:
                objects.append(_annotation(len(objects), number, identity, inside))
    categories = [{"id": number, "name": name} for number, name in enumerate(names)]
    content = {"images": images, "annotations": objects, "categories": categories}
    annotations(folder).write_text(json.dumps(content))


def _compose(
    ground: Image.Image, cutouts: list[list[Image.Image]], random: np.random.Generator
) -> tuple[Image.Image, list[Inside | None]]:
    """The scene, and of each cut-out the pixels that can be seen of it; None where there was no room."""
    scene, seen = ground.copy(), [None] * len(cutouts)  # type: list[Inside | None]
    sizes: list[int] = [0] * len(cutouts)
    for place, poses in enumerate(cutouts):
        view = _view(poses[int(random.integers(len(poses)))], random)
        opaque = np.asarray(view.getchannel("A")) >= _LEAST_OPAQUE
        if not opaque.any():
            continue
        for _ in range(_TRIES):
            x, y = int(random.integers(WIDTH - view.width + 1)), int(random.integers(HEIGHT - view.height + 1))
            inside = np.zeros((HEIGHT, WIDTH), bool)
            inside[y : y + view.height, x : x + view.width] = opaque
            left = [None if other is None else other & ~inside for other in seen]
            if all(part is None or part.sum() >= _LEAST_SEEN * size for part, size in zip(left, sizes, strict=True)):
                scene.paste(view, (x, y), view)
                seen, sizes[place] = left, int(inside.sum())
                seen[place] = inside
                break
    return scene, seen


def _view(cutout: Image.Image, random: np.random.Generator) -> Image.Image:
    """One view of a cut-out, RGBA: turned, mirrored or not, scaled, in other light."""
    view = cutout.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else cutout
    view = view.rotate(float(random.uniform(-25, 25)), Image.Resampling.BICUBIC, expand=True)
    view = view.crop(view.getchannel("A").getbbox())
    scale = float(random.uniform(*_SIDES_PX)) / max(view.size)
    view = view.resize(
        (max(8, round(view.width * scale)), max(8, round(view.height * scale))), Image.Resampling.BICUBIC
    )
    alpha, lit = view.getchannel("A"), view.convert("RGB")
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        lit = change(lit).enhance(float(np.exp(random.uniform(-0.4, 0.4))))
    tint = np.exp(random.uniform(-0.15, 0.15, 3))
    lit = Image.fromarray((np.asarray(lit) * tint).clip(0, 255).astype(np.uint8))
    lit.putalpha(alpha)
    return lit


def _annotation(number: int, image: int, category: int, inside: Inside) -> dict[str, Any]:
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    box = [x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y]
    down = inside.T.ravel()
    ends = [*(np.flatnonzero(np.diff(down)) + 1).tolist(), down.size]
    counts = np.diff([0, *([0] if down[0] else []), *ends]).tolist()
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": box,
        "area": int(inside.sum()),
        "segmentation": {"size": [HEIGHT, WIDTH], "counts": counts},
        "iscrowd": 0,
    }


def _read(archive: Path) -> tuple[dict[str, list[Image.Image]], dict[str, Image.Image]]:
    """{identity: RGBA cut-outs} and {name: RGB photograph}."""
    cutouts: dict[str, list[Image.Image]] = defaultdict(list)
    photographs: dict[str, Image.Image] = {}
    for name, content in sorted(members(archive, (".png", ".gif", ".jpg"))):
        path = PurePosixPath(name)
        if "Media" not in path.parts:
            continue
        if "Backgrounds" in path.parts:
            photographs[path.stem] = Image.open(io.BytesIO(content)).convert("RGB")
        elif "Costumes" in path.parts and not set(_NO_IDENTITIES) & set(path.parts):
            picture = Image.open(io.BytesIO(content)).convert("RGBA")
            cutouts[identity_of(path.stem)].append(picture.crop(picture.getchannel("A").getbbox()))
    return cutouts, photographs
