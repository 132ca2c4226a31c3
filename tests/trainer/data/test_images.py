"""Image folders: what is found, what is read, what is refused, and how it is split."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import trainer.data.dataset
from artifact.errors import DataError
from artifact.preprocessing import Preprocessing, load_pixels
from trainer.config.config import make_config
from trainer.data.class_sets import open_class_folder
from trainer.data.image_files import check_classes
from trainer.data.images import Images, _way_name, read_images
from trainer.data.split import split_classes, split_images, without_copies
from trainer.loop.preparation import prepare, small_size

PREPROCESSING = Preprocessing(height=12, width=12)


def _write(path: Path, seed: int, *, size: tuple[int, int] = (16, 12)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).save(path)
    return path


def _folder(root: Path, counts: dict[str, int]) -> Path:
    for position, (name, count) in enumerate(counts.items()):
        for index in range(count):
            _write(root / name / f"{index:02d}.png", 1000 * position + index)
    return root


def _read(root: Path, *, max_cache_bytes: int = 2**20, max_bad_images: int = 0) -> Images:
    return read_images(
        open_class_folder(root), PREPROCESSING, max_cache_bytes=max_cache_bytes, max_bad_images=max_bad_images
    )[0]


def test_scan_takes_first_level_folders_as_classes(tmp_path: Path) -> None:
    """Nested folders join their class; hidden ones, other suffixes and loose files are passed over."""
    _folder(tmp_path, {"cat": 2, "dog": 1})
    _write(tmp_path / "cat" / "kittens" / "a.JPG", 1)
    _write(tmp_path / "cat" / ".cache" / "b.png", 2)
    _write(tmp_path / "dog" / ".c.png", 3)
    _write(tmp_path / ".git" / "d.png", 4)
    _write(tmp_path / "loose.png", 5)
    (tmp_path / "dog" / "notes.txt").write_text("good dog")
    (tmp_path / "empty").mkdir()
    files = open_class_folder(tmp_path)
    assert files.names == ("cat/00.png", "cat/01.png", "cat/kittens/a.JPG", "dog/00.png")
    assert files.classes == ("cat", "dog")
    assert files.labels.tolist() == [0, 0, 0, 1]


def test_scan_refuses_what_is_no_folder_of_folders(tmp_path: Path) -> None:
    """Missing, a file, empty, and images that lie loose."""
    cases = {tmp_path / "gone": "nothing there", _write(tmp_path / "x.png", 0): "a file"}
    for path, got in cases.items():
        with pytest.raises(DataError) as caught:
            open_class_folder(path)
        expected = f"image folder: expected a folder with one folder of images per class, got {got} ({path})"
        assert str(caught.value) == expected
    mend = "put the images of each class into a folder of their own"
    with pytest.raises(DataError) as caught:
        open_class_folder(tmp_path)
    got = "images outside any class folder"
    assert str(caught.value) == f"image folder: expected one folder of images per class, got {got} ({tmp_path}); {mend}"
    (tmp_path / "void").mkdir()
    with pytest.raises(DataError, match="got no image in any folder"):
        open_class_folder(tmp_path / "void")


def test_check_classes_refuses_folders_without_a_tuple(tmp_path: Path) -> None:
    """One class, two classes for a quartet, and classes of one image, each by name."""
    one = open_class_folder(_folder(tmp_path / "one", {"cat": 3}))
    two = open_class_folder(_folder(tmp_path / "two", {"cat": 3, "dog": 2}))
    lonely = open_class_folder(_folder(tmp_path / "lonely", {"cat": 3, "dog": 1, "eel": 2, "fox": 1}))
    check_classes(two, kind="triplet")
    for files, kind, message in (
        (one, "triplet", "classes for a triplet model: expected at least 2 (a negative needs another), got 1: cat"),
        (
            two,
            "quartet",
            "classes for a quartet model: expected at least 3 (a quartet's anchor and two negatives are of three"
            " classes), got 2: cat, dog",
        ),
        (
            lonely,
            "siamese",
            "images of a class: expected at least 2 in every class (a positive needs another image), got 1 in dog, fox",
        ),
    ):
        with pytest.raises(DataError) as caught:
            check_classes(files, kind=kind)
        mend = "; add images to these folders, or move them away" if files is lonely else ""
        assert str(caught.value) == f"{message} ({files.root}){mend}"


def test_bad_images_are_counted_and_named_with_their_reasons(tmp_path: Path) -> None:
    """Truncated, text, empty, 1x1 and gigantic files in one line; a limit lets them be skipped."""
    _folder(tmp_path, {"cat": 3, "dog": 3})
    whole = _write(tmp_path / "cat" / "cut.png", 9, size=(64, 64)).read_bytes()
    (tmp_path / "cat" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cat" / "text.jpg").write_text("I am no image")
    (tmp_path / "dog" / "empty.png").write_bytes(b"")
    _write(tmp_path / "dog" / "tiny.png", 3, size=(1, 1))
    Image.new("1", (20000, 20000)).save(tmp_path / "dog" / "wall.png")
    with pytest.raises(DataError) as caught:
        _read(tmp_path)
    assert str(caught.value) == (
        "5 of 11 images cannot be used: expected every file readable, got"
        " cat/cut.png: cannot be decoded: image file is truncated;"
        " cat/text.jpg: not an image in any of JPEG, PNG, WEBP, GIF, BMP, TIFF, PPM (starts with b'I am no ');"
        " dog/empty.png: empty (0 bytes);"
        " dog/tiny.png: 1x1 pixels, under the limit of 2 px a side;"
        " dog/wall.png: 20000x20000 pixels, over the limit of 67 megapixels"
        f" ({tmp_path}); mend or remove them, or skip them with --set max_bad_images=5"
    )
    with pytest.raises(DataError, match="expected at most 4 unreadable"):
        _read(tmp_path, max_bad_images=4)
    images, bad = read_images(open_class_folder(tmp_path), PREPROCESSING, max_cache_bytes=2**20, max_bad_images=5)
    assert len(images) == 6
    assert images.files.names[:3] == ("cat/00.png", "cat/01.png", "cat/02.png")
    assert [image.name for image in bad] == [
        "cat/cut.png",
        "cat/text.jpg",
        "dog/empty.png",
        "dog/tiny.png",
        "dog/wall.png",
    ]


@pytest.mark.parametrize("cached", [0, 3, 100])
def test_pixels_are_those_of_the_shared_preprocessing_cached_or_not(tmp_path: Path, cached: int) -> None:
    """Any budget gives the same pixels in the asked order, also through a view."""
    _folder(tmp_path, {"cat": 4, "dog": 4})
    images = _read(tmp_path, max_cache_bytes=cached * 12 * 12 * 3)
    assert images.store.num_kept == min(cached, 8)
    expected = np.stack([load_pixels((tmp_path / n).read_bytes(), PREPROCESSING) for n in images.files.names])
    order = np.array([7, 0, 3, 3, 5])
    np.testing.assert_array_equal(images.pixels(order), expected[order])
    view = images.take(np.array([6, 1, 2]))
    assert view.files.names == ("dog/02.png", "cat/01.png", "cat/02.png")
    assert view.labels.tolist() == [1, 0, 0]
    np.testing.assert_array_equal(view.pixels(np.array([2, 0])), expected[[2, 6]])


def test_an_image_that_changes_while_training_is_named(tmp_path: Path) -> None:
    """Beyond the cache files are read again, and may be gone by then."""
    images = _read(_folder(tmp_path, {"cat": 2, "dog": 2}), max_cache_bytes=0)
    (tmp_path / "dog" / "01.png").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        images.pixels(np.array([3]))
    assert str(caught.value) == f"image that was readable before: got empty (0 bytes) ({tmp_path / 'dog' / '01.png'})"


def test_small_size_follows_the_images(tmp_path: Path) -> None:
    """The median shorter side, from 16 to 64 px."""
    for name, size, expected in (("s", (8, 9), 16), ("m", (40, 28), 28), ("l", (300, 200), 64)):
        for index in range(3):
            _write(tmp_path / name / "a" / f"{index}.png", index, size=size)
        assert small_size(open_class_folder(tmp_path / name)) == expected


def _sides(images: Images, rows: np.ndarray) -> set[str]:
    return {images.files.names[row] for row in rows}


def test_split_images_keeps_copies_on_one_side(tmp_path: Path) -> None:
    """Whatever the seed, no content stands on both sides; two of each class are held out and two stay."""
    _folder(tmp_path, {"cat": 20, "dog": 6, "eel": 3})
    for index in range(15):
        shutil.copy(tmp_path / "cat" / f"{index:02d}.png", tmp_path / "cat" / f"copy{index}.png")
    shutil.copy(tmp_path / "cat" / "00.png", tmp_path / "dog" / "cat.png")
    images = _read(tmp_path)
    seen = set()
    for seed in range(8):
        train, held = split_images(images, 0.2, seed=seed)
        assert sorted([*train, *held]) == list(range(len(images)))
        assert {images.hashes[i] for i in train}.isdisjoint(images.hashes[i] for i in held)
        contents = {
            name: {images.hashes[i] for i in held if images.files.names[i].startswith(name)} for name in ("cat", "eel")
        }
        assert (len(contents["cat"]), len(contents["eel"])) == (4, 0)
        assert np.array_equal(held, split_images(images, 0.2, seed=seed)[1])
        seen.add(tuple(held))
    assert len(seen) > 1


def test_split_images_takes_pairs_from_some_of_many_small_classes(tmp_path: Path) -> None:
    """60 classes of 5 images at 20 %: 30 classes give two images each, not all of them a third of what they have."""
    images = _read(_folder(tmp_path, {f"c{index:02d}": 5 for index in range(60)}))
    train, held = split_images(images, 0.2, seed=0)
    assert sorted(np.bincount(images.labels[held], minlength=60).tolist()) == [0] * 30 + [2] * 30
    assert len(train) + len(held) == 300
    few = split_images(images, 0.01, seed=0)[1]
    assert len(few) == 2 * 25  # enough classes for a figure that means something


def test_split_images_depends_on_content_and_not_on_names(tmp_path: Path) -> None:
    """The same pictures under other names are split the same way."""
    first = _read(_folder(tmp_path / "a", {"cat": 10, "dog": 10}))
    for index in range(10):
        for name in ("cat", "dog"):
            (tmp_path / "b" / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(tmp_path / "a" / name / f"{index:02d}.png", tmp_path / "b" / name / f"{(index * 7) % 10}.png")
    second = _read(tmp_path / "b")
    held = [{images.hashes[i] for i in split_images(images, 0.3, seed=0)[1]} for images in (first, second)]
    assert held[0] == held[1]
    assert len(held[0]) == 6


def test_split_classes_holds_out_whole_classes(tmp_path: Path) -> None:
    """At least two, chosen by content; too few classes are refused with a way out."""
    images = _read(_folder(tmp_path, dict.fromkeys("abcdefghij", 3)))
    train, held = split_classes(images, 0.3, seed=0, min_train=2)
    classes = {name.split("/")[0] for name in _sides(images, held)}
    assert len(classes) == 3
    assert classes.isdisjoint(name.split("/")[0] for name in _sides(images, train))
    with pytest.raises(DataError) as caught:
        split_classes(images, 0.9, seed=0, min_train=3)
    assert str(caught.value) == (
        f"classes to hold 0.9 of them out: expected at least 12, got 10 ({tmp_path}); use --validation images:0.1"
    )


def test_without_copies_drops_what_is_trained_on(tmp_path: Path) -> None:
    """Held-out images that are byte-equal to training images would be found at distance 0."""
    train = _read(_folder(tmp_path / "train", {"cat": 3, "dog": 3}))
    _folder(tmp_path / "other", {"cat": 2})
    _write(tmp_path / "other" / "dog" / "new.png", 77)
    held_out, dropped = without_copies(_read(tmp_path / "other"), train)
    assert dropped == 2
    assert held_out.files.names == ("dog/new.png",)
    assert held_out.files.classes == ("dog",)


def test_links_upward_are_no_class(tmp_path: Path) -> None:
    """A link to the folder itself, above it or in a circle; a link to a class folder elsewhere is one."""
    root = _folder(tmp_path / "images", {"cat": 2, "dog": 2})
    _folder(tmp_path / "elsewhere", {"eel": 2})
    for name, target in (("itself", "."), ("above", ".."), ("circle", "circle"), ("eel", "../elsewhere/eel")):
        (root / name).symlink_to(target)
    assert open_class_folder(root).classes == ("cat", "dog", "eel")


@pytest.mark.parametrize(("turns", "mirrors"), [(True, False), (False, True), (True, True), (False, False)])
def test_turned_and_mirrored_images_are_classes_of_their_own(tmp_path: Path, turns: bool, mirrors: bool) -> None:
    """Against Pillow's own transpose; the pixels are stored once."""
    images = _read(_folder(tmp_path, {"cat": 2, "dog": 3}))
    view = images.with_turns(turns=turns, mirrors=mirrors)
    ways = (4 if turns else 1) * (2 if mirrors else 1)
    assert (len(view), len(view.files.classes)) == (5 * ways, 2 * ways)
    assert view.store is images.store
    upright = images.pixels(np.arange(5))
    pixels = view.pixels(np.arange(len(view)))
    for index, label in enumerate(view.labels.tolist()):
        name, _, way = view.files.classes[label].partition(" ")
        assert view.files.names[index].split("/")[0] == name
        picture = Image.fromarray(upright[index % 5])
        if "mirrored" in way:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        for angle, turn in ((90, "ROTATE_90"), (180, "ROTATE_180"), (270, "ROTATE_270")):
            if str(angle) in way:
                picture = picture.transpose(Image.Transpose[turn])
        np.testing.assert_array_equal(pixels[index], np.asarray(picture))
    order = np.random.default_rng(0).permutation(len(view))
    some = view.take(order[: len(order) // 2])
    np.testing.assert_array_equal(some.pixels(np.arange(len(some))), pixels[order[: len(some)]])
    assert len({pixels[index].tobytes() for index in range(len(view))}) == len(view)


def test_turned_classes_are_named() -> None:
    """Mirrored first, then turned counterclockwise."""
    assert [_way_name(way) for way in range(8)] == [
        "",
        " turned 90",
        " turned 180",
        " turned 270",
        " mirrored",
        " mirrored, turned 90",
        " mirrored, turned 180",
        " mirrored, turned 270",
    ]


def test_turned_classes_are_trained_on_and_not_held_out(tmp_path: Path) -> None:
    """P and K follow the number of classes with the turned ones."""
    _folder(tmp_path, {"cat": 12, "dog": 12})
    config = make_config({"images": tmp_path, "kind": "triplet", "size": 12, "augment": {"turns": True}})
    prepared = prepare(config, report=lambda event: None)
    assert prepared.held_out is not None
    assert (len(prepared.train.files.classes), len(prepared.held_out.files.classes)) == (8, 2)
    assert prepared.num_classes == 2
    assert (prepared.config.sampling.classes_per_batch, prepared.config.sampling.images_per_class) == (8, 12)


def test_small_data_leave_nothing_on_disk_unless_a_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few megabytes are decoded again in a second."""
    _folder(tmp_path / "images", {"cat": 6, "dog": 6})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    values = {"images": tmp_path / "images", "kind": "triplet", "size": 12}
    prepare(make_config(values), report=lambda event: None)
    assert not (tmp_path / "home").exists()
    monkeypatch.setattr(trainer.data.dataset, "_WORTH_A_FILE", 1000)
    prepare(make_config(values | {"max_disk_mb": 0}), report=lambda event: None)
    assert not (tmp_path / "home").exists()
    for options, folder in (({}, "home/lookalike/pixels"), ({"cache": tmp_path / "mine"}, "mine")):
        prepared = prepare(make_config(values | options), report=lambda event: None)
        assert (tmp_path / folder / "CACHEDIR.TAG").is_file()
        assert sum(file.stat().st_size for file in (tmp_path / folder).rglob("*.pixels")) == 12 * 12 * 12 * 3
        assert prepared.train.store.num_kept == 12
