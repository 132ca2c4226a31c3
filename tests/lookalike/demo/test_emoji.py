"""Emoji of the demo: packages in the form of Iconify's, read, rendered, cached, split; npm is a program on the PATH."""

import base64
import hashlib
import io
import json
import os
import stat
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from artifact.errors import DataError, LookalikeError
from lookalike.cli import main
from lookalike.demo import emoji, emoji_packages
from lookalike.demo.emoji_packages import PACKAGES, Package, fetch, npm_reason, read_json
from lookalike.demo.emoji_symbols import icons_by_symbol

NAMES = ("noto", "twemoji", "emojione", "fxemoji")
COLOURS = {"noto": "#ff0000", "twemoji": "#00ff00", "emojione": "#0000ff", "fxemoji": "#ffff00"}
CHARS = {
    "1f34e": "red-apple",
    "2764-fe0f": "red-heart",
    "1f604": "grinning-face-with-smiling-eyes",
    "1f436": "dog-face",
    "1f431": "cat-face",
    "1f3f4": "black-flag",
    "1f1e6-1f1e8": "flag-ascension-island",
    "1f3fb": "light-skin-tone",
    "1f44b-1f3fb": "waving-hand-light-skin-tone",
    "1f468-200d-1f373": "man-cook",
    "31-fe0f-20e3": "keycap-1",
}
UNICODE_NAMES = (
    "redapple",
    "heavyblackheart",
    "grinningfacewithsmilingeyes",
    "dogface",
    "catface",
    "foxgrin",
    "wavingblackflag",
)


def square(colour: str) -> str:
    return f'<path fill="{colour}" d="M0 0h8v8H0z"/>'


def icon_set(name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """icons.json and chars.json: two sets with code points, one with names of CLDR, one with those of Unicode."""
    icons = UNICODE_NAMES if name == "fxemoji" else tuple(CHARS.values())
    bodies = {icon: {"body": square(COLOURS[name])} for icon in icons}
    aliases = {"dog": {"parent": "dog-face"}, "apple-turned": {"parent": "red-apple", "hFlip": True}}
    sheet = {"prefix": name, "icons": bodies, "width": 16, "height": 16}
    return sheet | ({} if name == "fxemoji" else {"aliases": aliases}), CHARS if name in ("noto", "twemoji") else {}


def make_archive(file: Path, members: dict[str, Any]) -> Package:
    """An archive as npm packs it, and the pin that fits it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w:gz") as tar:
        for member, value in members.items():
            data = json.dumps(value).encode()
            info = tarfile.TarInfo(f"package/{member}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    digest = base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
    name, _, version = file.name.removesuffix(".tgz").rpartition("-")
    return Package(name=name, version=version, integrity=digest)


def make_packages(folder: Path, **changed: dict[str, Any]) -> list[Package]:
    packages = []
    for name in NAMES:
        icons, chars = icon_set(name)
        members = {"icons.json": icons | changed.get(name, {}), "chars.json": chars}
        packages.append(make_archive(folder / f"{name}-1.0.0.tgz", members))
    return packages


def put_npm(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program called npm, alone on the PATH with the shell's own tools."""
    folder.mkdir(exist_ok=True)
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(npm.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")


def test_symbols_are_single_code_points_and_names_find_theirs() -> None:
    """No flags, tones or sequences; a set without code points is read by names, its own kind of names first."""
    symbols = icons_by_symbol({name: icon_set(name) for name in NAMES})
    assert list(symbols) == ["2764", "1f34e", "1f431", "1f436", "1f601", "1f604"]
    assert symbols["1f34e"] == dict.fromkeys(NAMES[:3], "red-apple") | {"fxemoji": "redapple"}
    assert symbols["2764"]["fxemoji"] == "heavyblackheart"  # Unicode's name of what CLDR calls a red heart
    assert symbols["1f601"] == {"fxemoji": "grinningfacewithsmilingeyes"}
    assert set(symbols["1f604"]) == {"noto", "twemoji", "emojione"}


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ({"hFlip": True}, lambda image: image[:, ::-1]),
        ({"vFlip": True}, lambda image: image[::-1]),
        ({"rotate": 1}, lambda image: np.rot90(image, -1)),
        ({"rotate": 3, "hFlip": True}, lambda image: np.rot90(image[:, ::-1], 1)),
    ],
)
def test_aliases_are_mirrored_and_turned(change: dict[str, Any], moved: Any) -> None:
    """An alias is the picture of its parent, moved as numpy moves it: mirrored first, then turned clockwise."""
    sheet = {
        "prefix": "test",
        "width": 16,
        "height": 16,
        "icons": {"corner": {"body": square("#ff0000") + '<path fill="#0000ff" d="M8 0h8v4H8z"/>'}},
        "aliases": {"moved": {"parent": "corner"} | change, "again": {"parent": "moved"}},
    }
    corner, again = (pixels(emoji._render(emoji.to_svg(sheet, name), name)) for name in ("corner", "again"))
    assert corner[20, 20].tolist() == [255, 0, 0]
    assert corner[70, 70].tolist() == [255, 255, 255]
    np.testing.assert_array_equal(again, moved(corner))


def test_pictures_that_are_not_square_keep_their_shape() -> None:
    """A wide icon stands in the middle, with white above and below."""
    sheet = {"prefix": "test", "icons": {"wide": {"body": square("#000000"), "width": 8, "height": 4}}}
    picture = pixels(emoji._render(emoji.to_svg(sheet, "wide"), "wide"))
    assert picture[:20].min() == 255
    assert picture[30:60].max() == 0


def pixels(png: bytes) -> np.ndarray:
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    assert image.shape == (96, 96, 3)
    return image


def test_drawings_are_rendered_once_and_then_need_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Symbols of four drawings, one folder each; with the archives and npm gone the same folder is found again."""
    packages = make_packages(tmp_path)
    drawings = emoji.cached_drawings(packages, tmp_path)
    found = sorted(path.relative_to(drawings).as_posix() for path in drawings.glob("*/*"))
    assert found == [f"{symbol}/{name}.png" for symbol in ("1f34e", "1f431", "1f436", "2764") for name in sorted(NAMES)]
    assert pixels((drawings / "1f34e/noto.png").read_bytes())[10, 10].tolist() == [255, 0, 0]
    for package in packages:
        (tmp_path / package.file_name).unlink()
    monkeypatch.setenv("PATH", "")
    assert emoji.cached_drawings(packages, tmp_path) == drawings


def test_equal_drawings_of_a_symbol_count_once(tmp_path: Path) -> None:
    """A set that took over another's picture adds nothing to find, so three drawings are left: too few."""
    same = {"red-apple": {"body": square(COLOURS["noto"])}}
    icons, _ = icon_set("twemoji")
    packages = make_packages(tmp_path, twemoji={"icons": icons["icons"] | same})
    drawings = emoji.cached_drawings(packages, tmp_path)
    assert sorted(path.name for path in drawings.iterdir()) == ["1f431", "1f436", "2764"]


def test_interrupted_rendering_leaves_nothing_half(tmp_path: Path) -> None:
    """A drawing that cannot be rendered ends it: no folder, no leftovers, the archives still there."""
    icons, _ = icon_set("twemoji")
    packages = make_packages(tmp_path, twemoji={"icons": icons["icons"] | {"dog-face": {"body": "<path"}}})
    (tmp_path / ".png-of-a-killed-demo" / "png").mkdir(parents=True)
    with pytest.raises(DataError, match=r"cannot render dog-face of .*twemoji-1.0.0.tgz: got "):
        emoji.cached_drawings(packages, tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {".lock", *(package.file_name for package in packages)}


def test_half_of_the_symbols_are_held_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every symbol stands whole in one of the two folders, and which one never changes."""
    packages = make_packages(tmp_path / "lookalike" / "emoji")
    monkeypatch.setattr(emoji, "PACKAGES", packages)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    train, held_out = emoji.write_emoji(tmp_path / "images")
    assert [path.name for path in train.iterdir()] == ["1f431"]
    assert sorted(path.name for path in held_out.iterdir()) == ["1f34e", "1f436", "2764"]
    assert len(list((tmp_path / "images").glob("*/*/*.png"))) == 16
    codes = [f"{code:x}" for code in range(0x1F300, 0x1F700)]
    assert 470 < sum(map(emoji.is_held_out, codes)) < 554


def test_demo_without_npm_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 1, and what an earlier demo wrote is still there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    earlier = tmp_path / "out"
    earlier.mkdir()
    (earlier / ".lookalike-demo").touch()
    (earlier / "summary.json").write_text("{}")
    assert main(["demo", "--data", "emoji", "--output", str(earlier)]) == 1
    assert capsys.readouterr().err == (
        "lookalike: the emoji drawings come from npm packages: expected npm on the PATH, got none; "
        "install Node.js (https://nodejs.org), or run `lookalike demo --data digits`, which needs no network\n"
    )
    assert (earlier / "summary.json").exists()


def test_fetch_takes_what_npm_brings_and_then_needs_no_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """npm writes into a folder of its own; the archive appears under the name of the pin; no npm the second time."""
    package = make_archive(tmp_path / "made" / "noto-1.0.0.tgz", {"icons.json": {"prefix": "noto"}})
    asked = tmp_path / "asked"
    put_npm(tmp_path / "bin", f'echo "$2" > {asked}; cp {tmp_path}/made/noto-1.0.0.tgz iconify.tgz', monkeypatch)
    cache = tmp_path / "cache"
    cache.mkdir()
    archive = fetch(package, cache)
    assert asked.read_text() == "@iconify-json/noto@1.0.0\n"
    assert [path.name for path in cache.iterdir()] == ["noto-1.0.0.tgz"]
    assert read_json(archive, "icons.json") == {"prefix": "noto"}
    monkeypatch.setenv("PATH", "")
    assert fetch(package, cache) == archive


def test_fetch_refuses_another_archive_than_the_pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other bytes are refused with both digests, and do not stay; a damaged copy in the cache is fetched again."""
    put_npm(tmp_path / "bin", "echo other > iconify.tgz", monkeypatch)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / PACKAGES[0].file_name).write_bytes(b"damaged")
    with pytest.raises(DataError) as raised:
        fetch(PACKAGES[0], cache)
    other = base64.b64encode(hashlib.sha512(b"other\n").digest()).decode()
    assert str(raised.value) == (
        f"npm package @iconify-json/noto@1.2.9: expected sha512-{PACKAGES[0].integrity}, got sha512-{other}; "
        "the registry or a mirror changed it: see `npm config get registry`"
    )
    assert [path.read_bytes() for path in cache.iterdir()] == [b"damaged"]


def test_fetch_without_network_tells_the_reason_of_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence among npm's lines; nothing stays."""
    (tmp_path / "error.txt").write_text(NO_NETWORK)
    put_npm(tmp_path / "bin", f"cat {tmp_path}/error.txt >&2; exit 1", monkeypatch)
    cache = tmp_path / "cache"
    cache.mkdir()
    with pytest.raises(LookalikeError) as raised:
        fetch(PACKAGES[2], cache)
    assert str(raised.value) == (
        "cannot fetch @iconify-json/fxemoji@1.2.2 with npm: got request to https://registry.npmjs.org/@iconify-json"
        "%2ffxemoji failed, reason: getaddrinfo ENOTFOUND registry.npmjs.org; check the network, then run again"
    )
    assert not list(cache.iterdir())


def test_npm_reason_is_a_sentence_where_there_is_one() -> None:
    """As npm 10 and 11 write to stderr; a code alone where there is no more."""
    refused = "npm error code ECONNREFUSED\nnpm error syscall connect\nnpm error errno ECONNREFUSED\n"
    assert npm_reason(f"{refused}npm error FetchError: request failed\n") == "FetchError: request failed"
    assert npm_reason("npm error code E401\n") == "code E401"
    assert npm_reason("npm warn config\n") == ""


def test_packages_without_a_part_are_named(tmp_path: Path) -> None:
    """A package without chars.json, and one that is no archive at all."""
    make_archive(tmp_path / "noto-1.0.0.tgz", {"icons.json": {}})
    with pytest.raises(DataError, match=r"emoji package without a readable chars.json: got KeyError .*noto-1.0.0.tgz"):
        read_json(tmp_path / "noto-1.0.0.tgz", "chars.json")
    (tmp_path / "text.tgz").write_text("text")
    with pytest.raises(DataError, match=r"without a readable icons.json: got ReadError"):
        read_json(tmp_path / "text.tgz", "icons.json")


def test_pins_are_six_sets_with_digests() -> None:
    """Each a SHA-512 in base64, as npm's dist.integrity."""
    assert len({package.name for package in emoji_packages.PACKAGES}) == 6
    assert all(len(base64.b64decode(package.integrity)) == 64 for package in PACKAGES)


NO_NETWORK = """\
npm error code ENOTFOUND
npm error syscall getaddrinfo
npm error errno ENOTFOUND
npm error network request to https://registry.npmjs.org/@iconify-json%2ffxemoji failed, reason: getaddrinfo ENOTFOUND \
registry.npmjs.org
npm error network This is a problem related to network connectivity.
npm error network In most cases you are behind a proxy or have bad network settings.
npm error A complete log of this run can be found in: /home/someone/.npm/_logs/debug-0.log
"""
