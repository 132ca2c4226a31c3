"""The gate for images that callers hand over: the pixels of their file, a bad row, or an error that names the row."""

from __future__ import annotations

import asyncio
import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from artifact.errors import InvalidRequestError, UsageError
from artifact.images.decoding import decode_image
from artifact.images.image_error import ImageError
from rows.cells import image_of_cell
from serving.client.async_scorer import AsyncScorer
from serving.client.chunks import image_list
from serving.client.pictures import picture
from serving.client.scorer import Scorer
from serving.client.windows import ROWS_PER_WINDOW
from tests.shared.odd_pictures import BROKEN_EXIF, photo, rotated_exif
from tests.shared.pictures import encode
from tests.shared.scored_images import DIM, publish_models

PNG = encode(photo(20, 12), "PNG")
MODES = [
    *("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "LA", "PA", "RGBX", "RGBa", "La"),
    *("I", "I;16", "I;16L", "I;16B", "I;16N"),
]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gate")
    return publish_models(folder / "repository", folder / "files", models=["triplet_branch"])


def image_of(mode: str) -> Image.Image:
    """A photograph in a mode of Pillow."""
    values = np.asarray(photo(20, 12).convert("L")).astype(np.uint16) * 257
    if mode == "I":
        return Image.fromarray(values.astype(np.int32))
    if mode == "I;16N":  # which Pillow makes of nothing
        return Image.frombytes(mode, (20, 12), values.tobytes())
    if mode.startswith("I;16"):
        return Image.frombytes(mode, (20, 12), values.astype(">u2" if mode.endswith("B") else "<u2").tobytes())
    if mode == "La":
        return image_of("LA").convert("La")
    image = photo(20, 12)
    if mode in ("RGBA", "LA", "PA", "RGBa"):
        image.putalpha(photo(20, 12, seed=1).convert("L"))
    return image.convert(mode)


@pytest.mark.parametrize("mode", MODES)
def test_pillow_image_of_any_mode_gives_the_pixels_of_its_file(mode: str) -> None:
    """As PNG or TIFF has it; modes that neither can hold, as they are converted to one that can."""
    image = image_of(mode)
    got = picture(image).pixels
    assert got is not None
    near = {"HSV": "RGB", "RGBa": "RGBA", "La": "LA", "I;16N": "I;16L"}
    if mode == "La":
        plain = image.convert("LA")
    elif mode == "I;16N":
        plain = image_of("I;16L")
    else:
        plain = image.convert(near[mode]) if mode in near else image
    form = "PNG" if mode in ("1", "L", "P", "RGB", "RGBA", "LA", "I;16", "RGBa", "HSV") else "TIFF"
    expected = decode_image(encode(plain, form))
    assert np.array_equal(got, expected)
    assert len(np.unique(got)) > 1, "not black and not white alone"


def lazy(data: bytes) -> Image.Image:
    """An image that is opened and not loaded."""
    return Image.open(io.BytesIO(data))


def closed() -> Image.Image:
    """An image whose file is closed."""
    image = lazy(PNG)
    image.close()
    return image


BAD_ROWS: dict[str, tuple[Any, str]] = {
    "float": (lambda: Image.new("F", (9, 9), 0.5), "32-bit float pixels are not supported"),
    "more than 16 bits": (lambda: Image.new("I", (9, 9), 70_000), "32-bit integer pixels (70000 to 70000)"),
    "negative": (lambda: Image.new("I", (9, 9), -1), "32-bit integer pixels (-1 to -1)"),
    "cut JPEG": (lambda: lazy(encode(photo(), "JPEG")[:1500]), "cannot be decoded: image file is truncated"),
    "cut PNG": (lambda: lazy(PNG[:400]), "cannot be decoded: image file is truncated"),
    "closed": (closed, "cannot be decoded: Operation on closed image"),
    "no pixels": (lambda: Image.new("RGB", (0, 5)), "0x5 pixels: empty"),
    "one pixel": (lambda: Image.new("RGB", (1, 1)), "1x1 pixels: a placeholder, not a picture"),
    "None": (lambda: None, "no image: the cell is empty"),
    "NaN": (lambda: float("nan"), "no image: the cell is empty"),
    "NumPy's NaN": (lambda: np.float32("nan"), "no image: the cell is empty"),
    "pandas' NA": (lambda: pd.NA, "no image: the cell is empty"),
    "empty text": (lambda: "", "no image: the cell is empty"),
    "Arrow's null": (lambda: pa.scalar(None), "no image: the cell is empty"),
    "text that is no path": (lambda: "no such thing", "no such file: no such thing"),
    "a NUL in a path": (lambda: "a\x00b", "not a file name"),
    "bytes of no image": (lambda: bytearray(b"no image"), "not an image in any of"),
}

REFUSED: dict[str, tuple[Any, str]] = {
    "dtype S": (np.array([PNG])[0], "got numpy.bytes_ (row 3); NumPy has cut the zeros at its end; give bytes"),
    "an array of them": (np.array([PNG, PNG]), "got |S"),
    "float": (np.zeros((8, 8, 3), np.float32), "got float32 [8, 8, 3] (row 3); scale it to 0..255 and give uint8"),
    "bool": (np.zeros((8, 8, 3), bool), "got bool [8, 8, 3] (row 3)"),
    "16 bits": (np.zeros((8, 8, 3), np.uint16), "got uint16 [8, 8, 3] (row 3)"),
    "object": (np.array([PNG, None], object), "got object [2] (row 3)"),
    "grey": (np.zeros((8, 8), np.uint8), "got uint8 [8, 8] (row 3); give PIL.Image.fromarray(image)"),
    "alpha": (np.zeros((8, 8, 4), np.uint8), "got uint8 [8, 8, 4] (row 3); give a PIL image"),
    "channels first": (np.zeros((3, 8, 8), np.uint8), "(row 3); the channels are last: np.moveaxis(image, 0, -1)"),
    "no pixels": (np.zeros((0, 8, 3), np.uint8), "got uint8 [0, 8, 3] (row 3)"),
    "int": (5, "got int (row 3)"),
    "list": ([PNG], "got list (row 3)"),
    "dict": ({"image": PNG}, "got dict (row 3)"),
}


@pytest.mark.parametrize("what", BAD_ROWS)
def test_what_cannot_be_read_is_a_bad_row(repository: Path, what: str) -> None:
    """Named by row and stream with the reason; yielded where that is asked for; the others are scored."""
    make, reason = BAD_ROWS[what]
    with Scorer("triplet_branch", repository=repository, threads=1) as scorer:
        with pytest.raises(InvalidRequestError) as caught:
            scorer.embed([PNG, make(), PNG])
        assert str(caught.value).startswith(f"cannot read 1 of 3 images: [row 1, image] {reason}")
        answers = list(scorer.embed_iter([PNG, make(), PNG], bad="yield"))
        assert [isinstance(answer, ImageError) for answer in answers] == [False, True, False]
        streams = {"anchor": [PNG], "positive": [make()], "negative": [PNG]}
        with pytest.raises(InvalidRequestError) as caught:
            scorer.score(streams)
        assert str(caught.value).startswith(f"cannot read 1 of 3 images: [row 0, positive] {reason}")
        (scored,) = scorer.stream([{"image": [make(), PNG]}])
        assert scored.rows.tolist() == [1]


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_image_raises_and_names_the_row(repository: Path, what: str) -> None:
    """At once, from every entry, with what it is and how to mend it."""
    wrong, reason = REFUSED[what]
    with Scorer("triplet_branch", repository=repository, threads=1) as scorer:
        for act in (scorer.embed, lambda images: list(scorer.embed_iter(images, bad="yield"))):
            with pytest.raises(UsageError) as caught:
                act([PNG, PNG, PNG, wrong])
            assert reason in str(caught.value)
            assert "(row 3)" in str(caught.value)


def test_rows_are_numbered_over_all_windows(repository: Path) -> None:
    """Of one stream and of several, with and without an event loop."""
    images = [PNG] * (ROWS_PER_WINDOW + 2)
    wrong: list[Any] = [*images, 3.5]

    async def embed() -> None:
        async with AsyncScorer("triplet_branch", repository=repository, threads=1) as scorer:
            await scorer.embed(wrong)

    with Scorer("triplet_branch", repository=repository, threads=1) as scorer:
        with pytest.raises(UsageError, match=rf"got float \(row {len(images)}\)$"):
            scorer.embed(wrong)
        with pytest.raises(UsageError, match=rf"got float \(row {len(images)} of negative\)$"):
            scorer.score({"anchor": [*images, PNG], "positive": [*images, PNG], "negative": wrong})
    with pytest.raises(UsageError, match=rf"got float \(row {len(images)}\)$"):
        asyncio.run(embed())


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(PNG).decode(),
        base64.urlsafe_b64encode(PNG).decode().rstrip("="),
        f"data:image/png;base64,{base64.b64encode(PNG).decode()}",
        f"DATA:;BASE64,{base64.b64encode(PNG).decode()}",
        "data:image/png;base64,no",
        "x" * 5000,
        "foo://bar/baz.png",
        "sub/a.png",
        "",
    ],
    ids=lambda text: text[:24],
)
def test_text_means_in_a_list_what_it_means_in_a_table(text: str) -> None:
    """The same image or the same reason: from a list, a struct, a column of Arrow and the cell of a file."""
    [cell] = image_list(pa.array([text]))
    assert picture(text) == picture({"bytes": None, "path": text}) == picture(pa.scalar(text)) == cell
    assert cell == image_of_cell(text, Path())
    if "baz" not in text and "a.png" not in text:
        assert cell.path is None
    if base64.b64encode(PNG)[:40].decode() in text:
        assert cell.data == PNG


def test_encoded_text_is_scored_and_what_is_none_is_a_bad_row(repository: Path) -> None:
    """The vector of its bytes; a URI that cannot be decoded, a text too long for a name, a protocol nobody knows."""
    uri = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    with Scorer("triplet_branch", repository=repository, threads=1) as scorer:
        vectors = scorer.embed([PNG, uri, uri[22:]])
        assert np.array_equal(vectors, np.repeat(vectors[:1], 3, axis=0))
        bad = list(scorer.embed_iter(["data:image/png;base64,n", "x" * 5000, "foo://bar/baz.png"], bad="yield"))
    reasons = [str(error) for error in bad if isinstance(error, ImageError)]
    assert len(reasons) == 3
    for words, reason in zip(
        ["a data: URI that cannot be decoded", "5000 letters", "no protocol"], reasons, strict=True
    ):
        assert words in reason


def test_encoded_bytes_may_come_in_any_wrapping(repository: Path) -> None:
    """The same vector from bytes, memory, Arrow's and Hugging Face's values, and a path in a scalar."""
    struct = {"bytes": PNG, "path": "a.png"}
    images = [PNG, bytearray(PNG), memoryview(PNG), pa.py_buffer(PNG), pa.scalar(PNG), pa.scalar(struct), struct]
    with Scorer("triplet_branch", repository=repository, threads=1) as scorer:
        vectors = scorer.embed(images)
        series = scorer.embed(pd.Series(images[:2]))
        for one in (PNG, bytearray(PNG), memoryview(PNG), pa.py_buffer(PNG), lazy(PNG)):
            with pytest.raises(UsageError, match=r"^images: expected a list or another iterable of them, got one"):
                scorer.embed(one)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="NumPy has cut the zeros"):
            scorer.embed(np.array([PNG, PNG]))
    assert vectors.shape == (7, DIM)
    assert (vectors == vectors[0]).all()
    assert (series == vectors[:2]).all()


def test_orientation_of_pillow_images_is_applied_and_broken_exif_is_none() -> None:
    """Loaded or not; garbage leaves the picture upright."""
    image = photo(20, 12)
    turned = encode(image, "PNG", exif=rotated_exif())
    loaded = lazy(turned)
    loaded.load()
    for given in (lazy(turned), loaded):
        assert np.array_equal(picture(given).pixels, np.rot90(np.asarray(image), 3))
    broken = lazy(encode(image, "PNG", exif=BROKEN_EXIF))
    broken.load()
    assert np.array_equal(picture(broken).pixels, np.asarray(image))
    image.info["transparency"] = "half"  # as a text chunk of that name leaves it
    image.info["exif"] = "Exif"
    assert np.array_equal(picture(image).pixels, np.asarray(image))
