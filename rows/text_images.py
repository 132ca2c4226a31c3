"""Images that are written as text into a cell: data: URIs and base64.

Such a text is never a file name, and never an id: it is as long as its image. Bare base64 is told by its length and
the bytes that it begins with, for names may be made of the same letters; `data:` says it itself.
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from artifact.images.signatures import is_picture
from rows.images import ImageRef

SHORTEST_BASE64 = 64
"""Letters of bare base64; no image is smaller."""

_BYTES_AS_TEXT = re.compile(r"b['\"]\\x")
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\s]+={0,2}\s*")
_LONGEST_NAME, _LONGEST_PATH = 255, 4096
"""What an operating system takes."""


def is_written_image(text: str) -> bool:
    """Whether the text is an image, or a failed attempt at one, and no file name."""
    if text[:5].lower() == "data:" or _BYTES_AS_TEXT.match(text):
        return True
    if len(text) < SHORTEST_BASE64:
        return False
    return len(text) > _LONGEST_PATH or _is_bare(text) or any(len(part) > _LONGEST_NAME for part in text.split("/"))


def written_image(text: str) -> ImageRef | None:
    """The image that a text holds, or why it holds none; None where it is a name."""
    if not is_written_image(text):
        return None
    if text[:5].lower() == "data:":
        return _of_uri(text)
    if _is_bare(text):
        return _decoded(text, "base64")
    if _BYTES_AS_TEXT.match(text):
        return ImageRef(fault="Python's way to show bytes, b'\\x...', from which they cannot be had: write base64")
    if _BASE64.fullmatch(text):
        return ImageRef(fault=f"{len(text)} letters, no file name, and as base64 no image: {text[:20]}...")
    return ImageRef(fault=f"{len(text)} letters, too long for a file name: {text[:40]}...")


def _is_bare(text: str) -> bool:
    # the longest ones are not read twice; a dot, as in a file's name, is not among these letters
    if not _BASE64.fullmatch(text if len(text) < _LONGEST_PATH else text[:_LONGEST_PATH]):
        return False
    head = "".join(text[:40].split()).replace("-", "+").replace("_", "/")
    return len(head) >= 24 and is_picture(binascii.a2b_base64(head[:24]))


def _of_uri(text: str) -> ImageRef:
    head, comma, body = text.partition(",")
    if not comma:
        return ImageRef(fault=f"a data: URI without a comma: {text[:40]}")
    if head.lower().rstrip().endswith(";base64"):
        return _decoded(unquote_to_bytes(body).decode("ascii", "replace") if "%" in body else body, "a data: URI")
    return ImageRef(data=unquote_to_bytes(body))


def _decoded(text: str, what: str) -> ImageRef:
    letters = "".join(text.split()).replace("-", "+").replace("_", "/")
    try:
        return ImageRef(data=base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True))
    except (binascii.Error, ValueError) as error:
        return ImageRef(fault=f"{what} that cannot be decoded ({str(error).lower()}): {text[:40]}...")
