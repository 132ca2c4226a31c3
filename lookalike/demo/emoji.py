"""Emoji: one symbol drawn by several artists, as class folders of PNG files, half of the symbols never trained on.

Six sets of drawings (emoji_packages.py), each symbol of at least four drawings a class named by its code point
(emoji_symbols.py): about 1,080 classes and 6,000 pictures. They are fetched and rendered once, on white, into
$XDG_CACHE_HOME/lookalike/emoji; a second demo needs neither network nor npm. Which half a symbol belongs to follows
from a hash of its code point, so it never moves when a set gains a drawing.
Licences: Apache-2.0 (noto, noto-v1, fxemoji), MIT (fluent-emoji-flat), CC-BY-4.0 (twemoji, emojione).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from artifact.errors import DataError, LookalikeError, OutputError
from artifact.locks import FileLock
from lookalike import console
from lookalike.demo.emoji_packages import PACKAGES, Package, fetch, read_json
from lookalike.demo.emoji_symbols import icons_by_symbol

SIDE_PX = 96
MIN_DRAWINGS = 4
_RENDERING = 1
"""Counts up when the pictures that come out of the same packages change."""


def prepare_emoji() -> Path:
    """The folder of all drawings in the cache; the first time they are fetched and rendered.

    Raises:
        LookalikeError: no npm, no network, or no resvg-py; the second time none of them is needed.
        OutputError: the cache cannot be written.
    """
    return cached_drawings(PACKAGES, cache_folder())


def write_emoji(folder: Path) -> tuple[Path, Path]:
    """Write the images; returns the folders of training and held-out images, one folder per symbol in each."""
    drawings = prepare_emoji()
    train, held_out = folder / "train", folder / "held_out"
    for symbol in sorted(path for path in drawings.iterdir() if path.is_dir()):
        shutil.copytree(symbol, (held_out if is_held_out(symbol.name) else train) / symbol.name)
    return train, held_out


def is_held_out(symbol: str) -> bool:
    """Half of the symbols, by their code point in lower-case hex."""
    return hashlib.sha256(symbol.encode()).digest()[0] % 2 == 1


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/lookalike/emoji, or ~/.cache/lookalike/emoji."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "lookalike" / "emoji"


def cached_drawings(packages: Sequence[Package], cache: Path) -> Path:
    """The folder of rendered drawings <code point>/<set>.png in the cache, made on the first call.

    Whatever interrupts it, the folder is there whole or not at all, and archives that came in whole stay.
    """
    made_of = [str((_RENDERING, SIDE_PX, MIN_DRAWINGS)), *(package.integrity for package in packages)]
    target = cache / f"png-{hashlib.sha256(' '.join(made_of).encode()).hexdigest()[:12]}"
    if target.is_dir():
        return target
    _check_renderer()
    with _claimed(cache):
        if target.is_dir():  # the demo that had the cache made it
            return target
        archives = {package.name: fetch(package, cache) for package in packages}
        console.out.print("  rendering, once")
        with tempfile.TemporaryDirectory(dir=cache, prefix=".png-") as stage:
            pictures = Path(stage) / "png"
            render_drawings(archives, pictures)
            os.sync()  # else a power cut could leave the folder under its final name with empty files
            pictures.rename(target)
    return target


def render_drawings(archives: Mapping[str, Path], folder: Path) -> None:
    """Render every symbol of at least MIN_DRAWINGS drawings to <folder>/<code point>/<set>.png.

    Two sets can share a drawing; of equal pictures of a symbol only one counts, for finding it again would be no feat.

    Args:
        archives: {set: its npm archive}.
        folder: new.
    """
    sets = {name: (read_json(path, "icons.json"), read_json(path, "chars.json")) for name, path in archives.items()}
    for symbol, icons in icons_by_symbol(sets).items():
        if len(icons) < MIN_DRAWINGS:
            continue
        drawings: dict[bytes, str] = {}
        for name, icon in icons.items():
            drawings.setdefault(_render(to_svg(sets[name][0], icon), f"{icon} of {archives[name]}"), name)
        if len(drawings) < MIN_DRAWINGS:
            continue
        (folder / symbol).mkdir(parents=True)
        for png, name in drawings.items():
            (folder / symbol / f"{name}.png").write_bytes(png)
    if not folder.is_dir():
        raise DataError("emoji packages", expected=f"symbols of {MIN_DRAWINGS} drawings or more", got="none")


def to_svg(icons: Mapping[str, Any], name: str) -> str:
    """An icon of an icons.json as an SVG document; aliases are followed and their mirrorings and turns applied."""
    icon: dict[str, Any] = {}
    turns, mirror_x, mirror_y = 0, False, False
    while True:
        found = icons["icons"].get(name) or icons.get("aliases", {}).get(name)
        if found is None:
            raise DataError(
                f"icon {name!r}", expected="a drawing or an alias of one", got="none", where=icons["prefix"]
            )
        turns += found.get("rotate", 0)
        mirror_x ^= found.get("hFlip", False)
        mirror_y ^= found.get("vFlip", False)
        icon = {**found, **icon}
        if "body" in found:
            break
        name = found["parent"]
    left, top = (icon.get(key, icons.get(key, 0)) for key in ("left", "top"))
    width, height = (icon.get(key, icons.get(key, 16)) for key in ("width", "height"))  # Iconify's own default
    x, y = left + width / 2, top + height / 2
    change = f"translate({x} {y}) rotate({90 * turns}) scale({-1 if mirror_x else 1} {-1 if mirror_y else 1})"
    side = max(width, height)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{SIDE_PX}" height="{SIDE_PX}" viewBox="{x - side / 2} {y - side / 2} {side} {side}">'
        f'<g transform="{change} translate({-x} {-y})">{icon["body"]}</g></svg>'
    )


def _render(svg: str, what: str) -> bytes:
    import resvg_py

    try:
        return resvg_py.svg_to_bytes(
            svg_string=svg, width=SIDE_PX, height=SIDE_PX, background="#ffffff", skip_system_fonts=True
        )
    except ValueError as error:
        raise DataError(f"cannot render {what}", got=str(error)) from None


def _check_renderer() -> None:
    try:
        import resvg_py  # noqa: F401
    except ImportError:
        raise LookalikeError(
            "the emoji drawings are SVG",
            expected="the package resvg-py",
            got="none",
            mend="pip install 'lookalike[demo]'",
        ) from None


@contextmanager
def _claimed(cache: Path) -> Iterator[None]:
    """One demo at a time fills the cache; what a killed one left half done is removed."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / ".lock", wait=True, create=True):
            for left in [*cache.glob(".npm-*"), *cache.glob(".png-*")]:
                shutil.rmtree(left, ignore_errors=True)
            yield
    except OSError as error:
        raise OutputError("the cache of emoji drawings", got=error.strerror or str(error), where=cache) from None
