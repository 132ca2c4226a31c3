"""Images read once: bad ones told, pixels kept or decoded again, turned and mirrored classes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import trainer.data.dataset
from artifact.errors import DataError
from artifact.images.preprocessing import load_pixels
from tests.shared.class_folders import PREPROCESSING, read_folder, write_classes, write_noise
from trainer.config.config import make_config
from trainer.data.class_sets import open_class_folder
from trainer.data.images import _way_name, read_images
from trainer.loop.preparation import prepare


def test_bad_images_are_counted_and_named_with_their_reasons(tmp_path: Path) -> None:
    """Truncated, text, empty, 1x1 and gigantic files in one line; a limit lets them be left out."""
    write_classes(tmp_path, {"cat": 3, "dog": 3})
    whole = write_noise(tmp_path / "cat" / "cut.png", 9, size=(64, 64)).read_bytes()
    (tmp_path / "cat" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cat" / "text.jpg").write_text("I am no image")
    (tmp_path / "dog" / "empty.png").write_bytes(b"")
    write_noise(tmp_path / "dog" / "tiny.png", 3, size=(1, 1))
    Image.new("1", (20000, 20000)).save(tmp_path / "dog" / "wall.png")
    with pytest.raises(DataError) as caught:
        read_folder(tmp_path, max_bad_images=0)
    assert str(caught.value) == (
        "5 of 11 images cannot be used: expected every file readable, got"
        " cat/cut.png: cannot be decoded: image file is truncated;"
        " cat/text.jpg: not an image in any of JPEG, PNG, WEBP, GIF, BMP, TIFF, PPM (starts with b'I am no ');"
        " dog/empty.png: empty (0 bytes);"
        " dog/tiny.png: 1x1 pixels: a placeholder, not a picture;"
        " dog/wall.png: 20000x20000 pixels (400 megapixels), over the limit of 128 megapixels;"
        " raise it with --max-megapixels"
        f" ({tmp_path}); mend or remove them, or leave them out with --set max_bad_images=5"
    )
    with pytest.raises(DataError, match="expected at most 4 unreadable"):
        read_folder(tmp_path, max_bad_images=4)
    images, bad = read_images(open_class_folder(tmp_path), PREPROCESSING, max_cache_bytes=2**20)
    assert len(images) == len(read_folder(tmp_path, max_bad_images=5)) == 6
    assert images.files.names[:3] == ("cat/00.png", "cat/01.png", "cat/02.png")
    assert [image.name for image in bad] == [
        "cat/cut.png",
        "cat/text.jpg",
        "dog/empty.png",
        "dog/tiny.png",
        "dog/wall.png",
    ]


def test_images_none_of_which_can_be_read_are_refused(tmp_path: Path) -> None:
    """Nothing is left to do anything with."""
    for name in ("cat/a.png", "dog/b.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"^2 of 2 images cannot be used: expected one that is readable, got cat/a.png"):
        read_folder(tmp_path)


@pytest.mark.parametrize("cached", [0, 3, 100])
def test_pixels_are_those_of_the_shared_preprocessing_cached_or_not(tmp_path: Path, cached: int) -> None:
    """Any budget gives the same pixels in the asked order, also through a view."""
    write_classes(tmp_path, {"cat": 4, "dog": 4})
    images = read_folder(tmp_path, max_cache_bytes=cached * 12 * 12 * 3)
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
    images = read_folder(write_classes(tmp_path, {"cat": 2, "dog": 2}), max_cache_bytes=0)
    (tmp_path / "dog" / "01.png").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        images.pixels(np.array([3]))
    assert str(caught.value) == f"image that was readable before: got empty (0 bytes) ({tmp_path / 'dog' / '01.png'})"


@pytest.mark.parametrize(("turns", "mirrors"), [(True, False), (False, True), (True, True), (False, False)])
def test_turned_and_mirrored_images_are_classes_of_their_own(tmp_path: Path, turns: bool, mirrors: bool) -> None:
    """Against Pillow's own transpose; the pixels are stored once."""
    images = read_folder(write_classes(tmp_path, {"cat": 2, "dog": 3}))
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
    write_classes(tmp_path, {"cat": 12, "dog": 12})
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
    write_classes(tmp_path / "images", {"cat": 6, "dog": 6})
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
