"""A Scorer of a region artifact: regions of pictures in, a vector each out; a picture is read and run once a batch."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from artifact.errors import InvalidRequestError
from artifact.images.decoding import decode_image
from artifact.images.image_error import ImageError
from artifact.images.preprocessing import resize_pixels
from artifact.images.region import PX, SHARE, Region
from rows.images import ImageRef
from serving.client.batches.region_runner import MOST_BOXES, NUMBERS_OF_BOXES, padded_boxes
from serving.client.connection import Outputs
from serving.client.connections.local import LocalConnection
from serving.client.options import ScorerOptions
from serving.client.scorer import Scorer
from serving.embedded.server import Server
from tests.shared.region_artifact import DIM, NAME, SPEC, publish_regions, region_vectors

NAN = float("nan")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_regions(tmp_path_factory.mktemp("regions") / "repository")


@pytest.fixture(scope="module", params=["in-process", "embedded"])
def place(request: pytest.FixtureRequest, repository: Path) -> Iterator[dict[str, Any]]:
    """How a Scorer reaches the artifact."""
    if request.param == "in-process":
        yield {"repository": repository}
    else:
        with Server(repository, grpc_port=0) as server:
            yield {"url": f"127.0.0.1:{server.port}"}


def encoded(width: int, height: int, *, seed: int, kind: str = "PNG", orientation: int = 1) -> bytes:
    """A noisy picture as a file."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (6, 8, 3), np.uint8)
    image = Image.fromarray(blocks).resize((width, height), Image.Resampling.NEAREST)
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    image.save(file, kind, exif=exif) if kind == "JPEG" else image.save(file, kind)
    return file.getvalue()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five pictures of several sizes: one JPEG that EXIF turns, so that its width is its file's height."""
    folder = tmp_path_factory.mktemp("pictures")
    sizes = [(40, 30), (64, 48), (31, 57), (90, 20)]
    paths = [folder / f"{number}.png" for number in range(len(sizes))]
    for number, (path, size) in enumerate(zip(paths, sizes, strict=True)):
        path.write_bytes(encoded(*size, seed=number))
    turned = folder / "turned.jpg"
    turned.write_bytes(encoded(48, 32, seed=9, kind="JPEG", orientation=6))
    return [*paths, turned]


def expected(refs: list[ImageRef]) -> np.ndarray:
    """The vectors of regions one by one, by plain loops."""
    vectors = []
    for ref in refs:
        pixels = decode_image(ref.whole.read())
        height, width = pixels.shape[:2]
        shares = (0.0, 0.0, 1.0, 1.0) if ref.region is None else ref.region.shares(width, height)
        boxes = np.array([[shares]], np.float32)
        vectors.append(region_vectors(resize_pixels(pixels, SPEC)[None], boxes)[0, 0])
    return np.array(vectors)


def regions_in(files: list[Path], *, each: int = 7) -> list[ImageRef]:
    """Regions of every file, in pixels and in shares, with padding and without, file after file."""
    random, refs = np.random.default_rng(0), []
    for file in files:
        height, width = decode_image(file.read_bytes()).shape[:2]
        for number in range(each):
            x, y = np.sort(random.random((2, 2)), axis=1)
            unit = (PX, SHARE)[number % 2]
            scale = (width, height) if unit == PX else (1, 1)
            box = (x[0] * scale[0], y[0] * scale[1], x[1] * scale[0], y[1] * scale[1])
            region = Region(box=tuple(map(float, box)), unit=unit, padding=0.1 * (number % 3))
            refs.append(ImageRef(path=file, region=region))
        refs.append(ImageRef(path=file))
    return refs


@pytest.mark.parametrize("send", ["pixels", "encoded"])
def test_regions_have_the_vectors_of_plain_loops(place: dict[str, Any], files: list[Path], send: str) -> None:
    """In table order and shuffled; a picture without a region is a box of all of it."""
    refs = regions_in(files)
    mixed = [refs[place] for place in np.random.default_rng(1).permutation(len(refs))]
    with Scorer(NAME, send=send, **place) as scorer:
        for rows in (refs, mixed):
            np.testing.assert_allclose(scorer.embed(rows), expected(rows), atol=1e-5)


@pytest.mark.parametrize("send", ["pixels", "encoded"])
def test_bad_boxes_are_bad_rows_and_not_the_end_of_their_picture(
    place: dict[str, Any], files: list[Path], send: str
) -> None:
    """NaN, outside, without an area, of another picture; and a file that is none spoils its own rows alone."""
    good = Region(box=(2, 2, 20, 18))
    bad = {
        "no box": Region(),
        "outside": Region(box=(500, 2, 600, 9)),
        "area": Region(box=(5, 5, 5, 9)),
        "ends before": Region(box=(9, 5, 2, 9)),
        "picture of 7x7": Region(box=(2, 2, 9, 9), size=(7, 7)),
    }
    refs = [ImageRef(path=files[0], region=region) for region in (good, *bad.values(), good)]
    refs += [ImageRef(data=b"no image", region=good), ImageRef(path=files[1], region=good)]
    with Scorer(NAME, send=send, **place) as scorer:
        answers = list(scorer.embed_iter(refs, bad="yield"))
    for reason, answer in zip(bad, answers[1:6], strict=True):
        assert isinstance(answer, ImageError)
        assert reason in str(answer)
    assert isinstance(answers[7], ImageError)
    for at in (0, 6, 8):
        np.testing.assert_allclose(answers[at], expected([refs[at]])[0], atol=1e-5)


def test_what_is_no_box_names_its_row(repository: Path, files: list[Path]) -> None:
    """As any image that cannot be read."""
    rows = [ImageRef(path=files[0]), ImageRef(path=files[0], region=Region(box=(0, 0, NAN, 4)))]
    with Scorer(NAME, repository=repository) as scorer, pytest.raises(InvalidRequestError, match="row 1"):
        scorer.embed(rows)


class Counting(LocalConnection):
    """The real thing, which remembers the shapes of what it ran."""

    def __init__(self, repository: Path) -> None:
        super().__init__(NAME, ScorerOptions(repository=repository))
        self.shapes: list[tuple[int, int]] = []

    def run_pixels(self, feeds: Mapping[str, Any]) -> Outputs:
        self.shapes.append(feeds["boxes"].shape[:2])
        return super().run_pixels(feeds)


def test_a_picture_is_run_once_with_all_of_its_boxes(repository: Path, files: list[Path]) -> None:
    """Five pictures of nine regions each are five rows of nine boxes, made up to twelve."""
    connection = Counting(repository)
    refs = [
        ImageRef(path=file, region=Region(box=(0.1, 0.1, 0.2 + number / 20, 0.9), unit=SHARE))
        for file in files
        for number in range(9)
    ]
    with Scorer(NAME, connection=connection) as scorer:
        np.testing.assert_allclose(scorer.embed(refs), expected(refs), atol=1e-5)
    assert sum(rows for rows, _ in connection.shapes) == 5
    assert {boxes for _, boxes in connection.shapes} == {12}


def test_a_picture_of_very_many_boxes_is_run_again(repository: Path, files: list[Path]) -> None:
    """The boxes of a request are bounded, whatever the table says."""
    connection = Counting(repository)
    refs = [
        ImageRef(path=files[1], region=Region(box=(0.1, 0.1, 0.2 + number / 400, 0.9), unit=SHARE))
        for number in range(150)
    ]
    with Scorer(NAME, connection=connection) as scorer:
        np.testing.assert_allclose(scorer.embed(refs), expected(refs), atol=1e-5)
    assert max(boxes for _, boxes in connection.shapes) == MOST_BOXES
    assert sum(rows for rows, _ in connection.shapes) == 3


def test_equal_regions_are_run_once(repository: Path, files: list[Path]) -> None:
    """As equal images are."""
    connection = Counting(repository)
    refs = [ImageRef(path=files[0], region=Region(box=(1, 1, 9, 9)))] * 6
    with Scorer(NAME, connection=connection) as scorer:
        assert scorer.embed(refs).shape == (6, DIM)
    assert connection.shapes == [(1, 1)]


def test_boxes_are_made_up_to_few_numbers() -> None:
    """So that requests to a server can run together."""
    box, error = (0.0, 0.0, 1.0, 1.0), ImageError("none")
    boxes = padded_boxes([[box] * 5, [box, error]])
    assert boxes.shape == (2, 8, 4)
    assert np.isnan(boxes[:, :, 0]).tolist() == [[False] * 5 + [True] * 3, [False] + [True] * 7]
    lengths = {padded_boxes([[box] * count]).shape[1] for count in range(1, MOST_BOXES + 1)}
    assert lengths == set(NUMBERS_OF_BOXES)


def test_lineage_says_regions(repository: Path) -> None:
    """Vectors of boxes have a space and a mode of their own."""
    with Scorer(NAME, repository=repository) as scorer:
        assert (scorer.lineage.mode, scorer.lineage.space) == ("regions", scorer.manifest.space)
