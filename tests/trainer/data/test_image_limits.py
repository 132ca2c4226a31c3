"""The limits of images in training: from the two settings to every place that reads, and on to publishing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artifact.errors import DataError, UsageError
from artifact.images.limits import Limits
from export.calibration import read_calibration
from export.deployment import served_limits
from tests.shared.class_folders import PREPROCESSING, write_classes, write_noise
from tests.shared.pixel_caches import open_cache
from trainer.config.config import TrainConfig, make_config, to_yaml
from trainer.data.class_sets import open_class_folder
from trainer.data.image_sides import median_side
from trainer.data.images import read_images
from trainer.loop.preparation import prepare
from trainer.pixels.cache_key import cache_key

LARGE = (200, 300)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_classes(tmp_path / "images", {"cat": 5, "dog": 5})
    write_noise(tmp_path / "images" / "dog" / "large.png", 9, size=LARGE)
    return tmp_path / "images"


def config_of(root: Path, **settings: object) -> TrainConfig:
    return make_config({"images": root, "kind": "siamese", "validation": "none"} | settings)


def test_larger_images_are_bad_ones_that_name_the_option(root: Path) -> None:
    """By pixels and by bytes; without max_bad_images they are left out and told."""
    reason = "200x300 pixels (0.1 megapixels), over the limit of 0.05 megapixels; raise it with --max-megapixels"
    with pytest.raises(DataError, match="1 of 11 images cannot be used") as caught:
        prepare(config_of(root, max_megapixels=0.05, max_bad_images=0), report=lambda event: None)
    assert f"dog/large.png: {reason}" in str(caught.value)
    with pytest.raises(
        DataError, match=r"large\.png: 180\d+ bytes, over the limit of 52429 bytes; raise it with --max-image-mb: "
    ):
        prepare(config_of(root, max_image_mb=0.05, max_bad_images=0), report=lambda event: None)
    events: list[dict[str, object]] = []
    prepared = prepare(config_of(root, max_megapixels=0.05), report=events.append)
    assert prepared.num_images == 10
    assert any(reason in str(event.get("message")) for event in events)
    assert prepare(config_of(root), report=lambda event: None).num_images == 11


def test_pixels_that_are_decoded_each_time_have_the_runs_limits(root: Path) -> None:
    """A file that grew over them since it was read is told as one that was readable before."""
    limits = Limits.of(max_megapixels=0.07, max_image_mb=64)
    images, _ = read_images(open_class_folder(root), PREPROCESSING, limits=limits, max_cache_bytes=0)
    everything = np.arange(11, dtype=np.int64)
    assert images.pixels(everything).shape == (11, 12, 12, 3)
    write_noise(root / "dog" / "large.png", 9, size=(300, 300))
    with pytest.raises(DataError, match=r"readable before: .*over the limit of 0\.07 megapixels"):
        images.pixels(everything)


def test_the_size_of_the_input_is_that_of_images_within_the_limits(root: Path) -> None:
    """Headers of larger ones do not count, as their pixels will not."""
    for path in root.glob("*/0*.png"):
        Image.new("RGB", (30, 40)).save(path)
    files = open_class_folder(root)
    for path in root.glob("cat/*.png"):
        Image.new("RGB", LARGE).save(path)
    write_noise(root / "dog" / "00.png", 3, size=LARGE)
    assert median_side(files) == 200
    assert median_side(files, Limits.of(max_megapixels=0.05, max_image_mb=64)) == 30


def test_limits_are_settings_that_old_runs_do_without(root: Path) -> None:
    """Their config.yaml has none, and gets the defaults; neither pixels nor their cache know of them."""
    config = config_of(root)
    assert (config.max_megapixels, config.max_image_mb, config.limits) == (128.0, 64.0, Limits())
    assert "max_megapixels: 128.0\nmax_image_mb: 64.0\n" in to_yaml(config)
    assert config_of(root, max_megapixels=0.5, max_image_mb=300).limits == Limits(
        max_pixels=500_000, max_bytes=300 * 2**20
    )
    for wrong in (0, -1, 1e9):
        with pytest.raises(UsageError, match=r"^max_megapixels: expected above 0.*\(--max-megapixels\)$"):
            config_of(root, max_megapixels=wrong)
    assert "limit" not in cache_key.__code__.co_names


def test_what_the_cache_holds_is_taken_whatever_its_size(root: Path, tmp_path: Path) -> None:
    """A limit guards decoding; pixels that are there already need none."""
    read_images(
        open_class_folder(root),
        PREPROCESSING,
        max_cache_bytes=0,
        cache=open_cache(tmp_path / "cache", preprocessing=PREPROCESSING),
    )
    limits = Limits.of(max_megapixels=0.05, max_image_mb=64)
    images, bad = read_images(
        open_class_folder(root),
        PREPROCESSING,
        limits=limits,
        max_cache_bytes=0,
        cache=open_cache(tmp_path / "cache", preprocessing=PREPROCESSING),
    )
    assert (len(images), bad) == (11, [])


def test_calibration_has_the_runs_limits(root: Path) -> None:
    """What it tells names the option as well."""
    told: list[dict[str, object]] = []
    with pytest.raises(DataError, match="got 10, and 1 that cannot be read"):
        read_calibration(root, PREPROCESSING, Limits.of(max_megapixels=0.05, max_image_mb=64), report=told.append)
    assert "over the limit of 0.05 megapixels; raise it with --max-megapixels" in str(told[-1]["message"])


def test_a_run_is_published_with_the_limits_that_were_chosen_for_it(root: Path) -> None:
    """Those that were left at their defaults leave what the model is served with."""
    assert served_limits(config_of(root)) == {"max_megapixels": None, "max_image_mb": None}
    chosen = config_of(root, max_megapixels=300)
    assert served_limits(chosen) == {"max_megapixels": 300.0, "max_image_mb": None}
