"""One reader of image sets: training, scoring, calibration and evaluation find the same images in every folder."""

from __future__ import annotations

import hashlib
import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artifact.images.limits import DEFAULT_LIMITS
from artifact.images.preprocessing import Preprocessing
from export.calibration import read_calibration
from rows.formats.folder import list_images
from rows.formats.passed_over import HIDDEN, UPWARD
from rows.image_suffixes import SUFFIXES
from rows.tables import open_table
from tests.shared.places import ROOT
from trainer.data.class_sets import open_class_folder
from trainer.data.images import read_images

PREPROCESSING = Preprocessing(height=8, width=8)


def _write(path: Path, seed: int, form: str = "PNG") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (9, 10, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, form)
    path.write_bytes(buffer.getvalue())


def _plain(root: Path) -> list[str]:
    """Twenty images in each of two classes; their names."""
    names = [f"{name}/{number:02d}.png" for name in ("cat", "dog") for number in range(20)]
    for seed, name in enumerate(names):
        _write(root / name, seed)
    return names


def _suffixes(root: Path) -> list[str]:
    """Every suffix, in either case; what has another one is passed over."""
    Image.init()
    names = []
    known = Image.registered_extensions()
    for seed, suffix in enumerate(sorted(SUFFIXES), start=100):
        if known.get(suffix) not in {*DEFAULT_LIMITS.formats, "MPO"}:
            continue
        for name in (f"a{suffix}", f"b{suffix.upper()}"):
            names.append(f"cat/{name}")
            _write(root / names[-1], seed * 2 + (name[0] == "b"), Image.registered_extensions()[suffix])
    for name in ("notes.txt", "Thumbs.db", "jpg", "photo.heic"):
        (root / "dog" / name).write_bytes(b"")
    return names


def _hidden(root: Path) -> list[str]:
    """Hidden files and folders, at every depth."""
    for name in (".hidden/a.png", "cat/.cache/a.png", "cat/.a.png", "cat/._00.png", "dog/deep/.b.png"):
        _write(root / name, 7)
    return []


def _deep(root: Path) -> list[str]:
    """Classes are first-level folders; a class's name may be the beginning of another's, and hold odd letters."""
    names = ["cat-like/a.png", "cat/de/ep/er.png", "Cat/a.png", "d o g/a b.png", "10/a.png", "9/a.png", "é/ü.png"]
    for seed, name in enumerate(names, start=50):
        _write(root / name, seed)
    return names


def _links(root: Path) -> list[str]:
    """Links to files and folders, also within the set: an image has as many names as ways to it."""
    elsewhere = root.parent / "elsewhere"
    for seed, name in enumerate(("eel/1.png", "eel/2.png", "3.png"), start=70):
        _write(elsewhere / name, seed)
    (root / "eel").symlink_to(elsewhere / "eel")
    (root / "cat" / "deep").symlink_to("../../elsewhere/eel")
    (root / "dog" / "three.png").symlink_to(elsewhere / "3.png")
    (root / "pup").symlink_to("dog")
    dogs = [f"pup/{number:02d}.png" for number in range(20)]
    return ["eel/1.png", "eel/2.png", "cat/deep/1.png", "cat/deep/2.png", "dog/three.png", "pup/three.png", *dogs]


def _circles(root: Path) -> list[str]:
    """Links to the set, above it, to themselves, from one folder to another and back: no walk ends in a circle."""
    elsewhere = root.parent / "elsewhere"
    _write(elsewhere / "far" / "x.png", 90)
    (elsewhere / "far" / "back").symlink_to(elsewhere)
    for name, target in {
        "itself": ".",
        "above": "..",
        "circle": "circle",
        "cat/up": "..",
        "cat/here": ".",
        "far": elsewhere / "far",
        "cat/to_dog": "../dog",
        "dog/to_cat": "../cat",
    }.items():
        (root / name).symlink_to(target)
    cats, dogs = ([f"{name}/{number:02d}.png" for number in range(20)] for name in ("cat", "dog"))
    there = [name.replace("dog/", "cat/to_dog/") for name in dogs] + [
        name.replace("cat/", "dog/to_cat/") for name in cats
    ]
    return ["far/x.png", *there]


def _not_utf8(root: Path) -> list[str]:
    """Such bytes show escaped, in names and classes."""
    _write(root / "caf\udce9" / "\udcff.png", 95)
    return [r"caf\xe9/\xff.png"]


ZOO: list[Callable[[Path], list[str]]] = [_suffixes, _hidden, _deep, _links, _circles]
if sys.platform != "darwin":  # APFS refuses names that are not UTF-8
    ZOO.append(_not_utf8)


@pytest.mark.parametrize("animal", ZOO)
def test_train_score_and_calibration_see_the_same_images(tmp_path: Path, animal: Callable[[Path], list[str]]) -> None:
    """The names that are expected, with the first-level folder as the class, and the same contents."""
    root = tmp_path / "set"
    expected = sorted(_plain(root) + animal(root))
    [batch] = open_table(root).batches(1000)
    scored = {name: ref.read() for name, ref in zip(batch.ids, batch.images["image"], strict=True)}
    assert batch.ids == expected
    assert batch.copied["label"].to_pylist() == [name.partition("/")[0] for name in expected]

    files = open_class_folder(root)
    assert list(files.names) == sorted(expected, key=lambda name: (name.partition("/")[0], name))
    assert [files.classes[label] for label in files.labels] == [name.partition("/")[0] for name in files.names]
    trained, bad = read_images(files, PREPROCESSING, max_cache_bytes=2**20)
    assert bad == []
    assert list(trained.hashes) == [hashlib.sha256(scored[name]).hexdigest() for name in files.names]

    calibrated = read_calibration(root, PREPROCESSING)
    assert list(calibrated.hashes) == [hashlib.sha256(scored[name]).hexdigest() for name in expected]


def test_loose_images_are_scored_and_calibrated_on_but_have_no_class(tmp_path: Path) -> None:
    """The one difference, and the label says so."""
    names = _plain(tmp_path)
    _write(tmp_path / "loose.png", 99)
    [batch] = open_table(tmp_path).batches(100)
    assert dict(zip(batch.ids, batch.copied["label"].to_pylist(), strict=True))["loose.png"] == ""
    assert read_calibration(tmp_path, PREPROCESSING).found == len(names) + 1
    assert list(open_class_folder(tmp_path).names) == names


def test_what_is_passed_over_is_counted_by_suffix(tmp_path: Path) -> None:
    """Hidden ones and links upward under names of their own; what lies in hidden folders is not counted."""
    root = tmp_path / "set"
    _plain(root)
    for name in ("notes.txt", "cat/a.TXT", "cat/README", "dog/x.heic", ".DS_Store", "dog/.a.png"):
        (root / name).write_bytes(b"")
    (root / ".git").mkdir()
    (root / ".git" / "a.png").write_bytes(b"")
    (root / "above").symlink_to("..")
    (root / "circle").symlink_to("circle")
    images = list_images(root)
    assert len(images) == 40
    assert images.passed_over == {".txt": 2, "": 2, ".heic": 1, HIDDEN: 3, UPWARD: 1}
    assert images.by_folder == {
        "": {".txt": 1, "": 1, HIDDEN: 2, UPWARD: 1},
        "cat": {".txt": 1, "": 1},
        "dog": {".heic": 1, HIDDEN: 1},
    }
    assert images.take(np.array([3, 1])).names == ["cat/03.png", "cat/01.png"]
    shutil.rmtree(root / "cat")
    assert [ref.path for ref in list_images(root)[:2]] == [root / "dog/00.png", root / "dog/01.png"]


def test_suffixes_are_those_of_what_can_be_decoded() -> None:
    """Against Pillow's own list, but for images of floating-point numbers; the documents name them."""
    Image.init()
    decoded = {*DEFAULT_LIMITS.formats, "MPO"}
    known = {suffix for suffix, form in Image.registered_extensions().items() if form in decoded}
    assert known - {".pfm"} == SUFFIXES
    listed = (ROOT / "docs" / "tables.md").read_text().partition("that end in ")[2].partition(", in any")[0]
    assert listed.split() == sorted(SUFFIXES)
