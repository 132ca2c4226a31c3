"""Images that are written as text into cells: base64 of every kind and data: URIs, and never as names."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from artifact.images.image_error import ImageError
from rows.tables import open_table
from rows.text_images import is_written_image, written_image

WRITTEN: dict[str, Any] = {
    "bare": lambda data: base64.b64encode(data).decode(),
    "in lines": lambda data: base64.encodebytes(data).decode(),
    "for URLs, without padding": lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
    "a URI": lambda data: f"data:image/any;base64,{base64.b64encode(data).decode()}",
    "a URI in capitals": lambda data: f"DATA:;BASE64,{base64.b64encode(data).decode()}",
    "a URI behind a space": lambda data: f" data:image/any;base64, {base64.b64encode(data).decode()}",
    "a URI without its beginning": lambda data: f"base64,{base64.b64encode(data).decode()}",
    "a URI whose + became spaces": lambda data: f"data:;base64,{base64.b64encode(data).decode()}".replace("+", " "),
    "a URI in a style sheet": lambda data: f"url(data:image/any;base64,{base64.b64encode(data).decode()})",
    "Python's bytes": lambda data: str(base64.b64encode(data)),
    "in quotes": lambda data: f"'{base64.b64encode(data).decode()}'",
    "as in a URL": lambda data: quote(base64.b64encode(data), safe=""),
    "in lines that became spaces": lambda data: base64.encodebytes(data).decode().replace("\n", " "),
}


def encoded(form: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(4).integers(0, 256, (9, 9, 3), np.uint8)).save(file, form)
    return file.getvalue()


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
def test_written_images_are_their_bytes_and_no_names(form: str, written: str, tmp_path: Path) -> None:
    """In CSV, JSON lines, lists and Arrow tables; rows are called by their numbers."""
    data = encoded(form)
    text = WRITTEN[written](data)
    (tmp_path / "t.csv").write_text(f'image\n"{text}"\n"{text}"\n')
    (tmp_path / "t.jsonl").write_text(json.dumps({"image": text}) + "\n" + json.dumps({"image": text}))
    (tmp_path / "t.txt").write_text(f"{text}\n{text}")
    sources: list[Any] = [tmp_path / "t.csv", tmp_path / "t.jsonl", pa.table({"image": [text, text]})]
    for source in [*sources, *([tmp_path / "t.txt"] if "\n" not in text else [])]:
        batches = list(open_table(source).batches(1))
        assert [name for batch in batches for name in batch.ids] == ["row 0", "row 1"]
        assert [ref.read() for batch in batches for ref in batch.images["image"]] == [data, data]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("data:image/png;base64", "a data: URI without a comma"),
        ("data:image/png;base64,@@@@", "a data: URI that cannot be decoded"),
        ("b'" + "\\xff\\xd8" * 20 + "'", "write base64"),
        ("b'GIF89a\\x09\\x00" + "\\xff" * 20 + "'", "write base64"),
        ("/9j/4AAQSkZJRgABAQAAAQAB" + "A" * 80 + "%", "base64 that cannot be decoded"),
        ("'iVBORw0KGgoAAAANSUhEUgAA" + "A" * 900 + "...'", "base64 that cannot be decoded"),
        ('<img src="data:image/png;base64,' + "*" * 900 + '">', "base64 that cannot be decoded"),
        (base64.b64encode(b"text" * 700).decode(), "letters, no file name, and as base64 no image"),
        ("x" * 300, "300 letters"),
        ("a word " * 900, "6300 letters"),
    ],
)
def test_text_that_is_neither_an_image_nor_a_name_is_named_as_such(text: str, reason: str) -> None:
    """In short."""
    (batch,) = open_table(pa.table({"image": [text]})).batches(9)
    assert batch.ids == ["row 0"]
    with pytest.raises(ImageError, match=reason) as caught:
        batch.images["image"][0].read()
    assert len(str(caught.value)) < 200


URLS = [
    "https://bucket.s3.amazonaws.com/a.jpg?X-Amz-Credential=AKIA%2F2026&X-Amz-Signature=" + "a" * 64 + "F" * 900,
    "https://host/" + "x" * 300,
    "memory://bucket/" + "y" * 260 + "/a",
    "https://host/?picture=/9j/4AAQSkZJRgABAQAAAQAB" + "A" * 5000,
    "s3://bucket/" + "/".join(["folder"] * 900),
]


def test_urls_are_names_however_long(tmp_path: Path) -> None:
    """As presigned ones are; in CSV and in lists, and their ids too. So are keys that end as images do."""
    assert [is_written_image(url) for url in [*URLS, "./a/" + "k" * 300 + ".jpg"]] == [False] * (len(URLS) + 1)
    here = [url for url in URLS if not url.startswith("s3:")]  # whose package may not be there
    (tmp_path / "t.csv").write_text("image\n" + "\n".join(here))
    (tmp_path / "t.txt").write_text("\n".join(here))
    for table in ("t.csv", "t.txt"):
        (batch,) = open_table(tmp_path / table).batches(9)
        assert batch.ids == here
        assert [ref.fault for ref in batch.images["image"]] == [None] * len(here)


def test_names_are_names() -> None:
    """However long, if an operating system takes them; and those that begin as base64 of an image does."""
    names = [
        "/9j/a.png",
        "Qk/" + "a" * 80 + ".bmp",
        "a" * 200 + ".png",
        "/".join(["folder"] * 300),
        "UD.ppm",
        "data",
        "",
    ]
    names += ["base64,a.png", "'a b.png'", "b'1'.png", "/9j/4AAQSkZJRgABAQAAAQAB" + "A" * 80 + ".jpg"]
    names += ["Qk" + "x" * 70, "AAAA" + "0" * 60, "UD" + "a" * 80, "images/" + "b" * 60, "A" * 64]  # such as hashes
    assert [is_written_image(name) for name in names] == [False] * len(names)
    assert written_image("/9j/" + "a" * 90 + ".jpg") is None


def test_a_uri_without_base64_is_decoded_as_urls_are() -> None:
    """As vector graphics are written; the decoder says what they are."""
    ref = written_image("data:image/svg+xml,%3Csvg%3E")
    assert ref is not None
    assert ref.read() == b"<svg>"
