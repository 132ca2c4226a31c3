"""Images that are written as text into a cell: data: URIs and base64.

Such a text is never a file name, and never an id: it is as long as its image. Bare base64 is told by the bytes that it
begins with, for names may be made of the same letters; `data:` says it itself. Spaces, quotes, Python's b'...' and HTML
around it do not make a name of it, and neither does damage further in.

Decision a reader would question: a URL is a name however long it is (presigned ones have a thousand letters), and so is
what ends as an image file does: what an operating system thinks of the length is for that to say.
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote, unquote_to_bytes

from artifact.images.signatures import is_picture
from rows.image_suffixes import has_image_suffix
from rows.images import ImageRef
from rows.location import is_url

SHORTEST_BASE64 = 64
"""Letters of bare base64; no image is smaller."""

_AROUND = "\\s'\"\ufeff"
_URI = re.compile(rf"[{_AROUND}]*data:", re.IGNORECASE)
_BYTES_AS_TEXT = re.compile(rf"[{_AROUND}]*b['\"][^/]{{0,40}}\\x", re.IGNORECASE)
_OPENING = re.compile(rf"[{_AROUND}]*(?:b(?=['\"]))?[{_AROUND}]*", re.IGNORECASE)
_PLAIN = frozenset("acefghijklmnopqrstuvwxyzACEFGHIJKLMNOPQRSTUVWXYZ0123456789/._")
"""First letters of which nothing is to be stripped."""

_MARK = re.compile(r"base64,", re.IGNORECASE)
_MARK_WITHIN = 200
"""Letters in which the mark of a data: URI stands, where something is before it, such as HTML."""

_END = re.compile(r"[\"'<>()]|$")
_HEAD = re.compile(r"[A-Za-z0-9+/_-]{24}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\s]+={0,2}\s*")
_LONGEST_NAME, _LONGEST_PATH = 255, 4096
"""What an operating system takes."""

_LINES = (64, 76)
"""Letters of a line of base64, in mail and in certificates."""


def is_written_image(text: str) -> bool:
    """Whether the text is an image, or a failed attempt at one, and no file name."""
    is_plain = text[:1] in _PLAIN  # as most names are, of which there are millions
    if not is_plain and (_URI.match(text) or _BYTES_AS_TEXT.match(text)):
        return True
    if len(text) < SHORTEST_BASE64 or is_url(text):
        return False
    return _body(text) is not None or (len(text) > _LONGEST_NAME and _is_too_long(text))


def written_image(text: str) -> ImageRef | None:
    """The image that a text holds, or why it holds none; None where it is a name."""
    if not is_written_image(text):
        return None
    if found := _URI.match(text):
        return _of_uri(text[found.end() :].rstrip(" \t\r\n'\""))
    if _BYTES_AS_TEXT.match(text):
        return ImageRef(fault="Python's way to show bytes, b'\\x...', from which they cannot be had: write base64")
    body = _body(text)
    if body is not None:
        return _decoded(body, "base64")
    if _BASE64.fullmatch(text):
        return ImageRef(fault=f"{len(text)} letters, no file name, and as base64 no image: {text[:20]}...")
    return ImageRef(fault=f"{len(text)} letters, too long for a file name: {text[:40]}...")


def _body(text: str) -> str | None:
    """The base64 in a text, without what stands around it; None where the text does not begin as a picture's does."""
    at = 0 if text[0] in _PLAIN or (start := _OPENING.match(text)) is None else start.end()
    if "," in text[:_MARK_WITHIN] and (mark := _MARK.search(text, 0, _MARK_WITHIN)):
        at = mark.end()
        end = _END.search(text, at)
        if _begins_picture(text, at) or (len(text) > _LONGEST_NAME and not _ends_as_image(text)):
            return text[at : end.start() if end is not None else None]
    # a dot is not among the letters of base64, but it is in most names
    if "." in text and (len(text) <= _LONGEST_NAME or _ends_as_image(text)):
        return None
    return text[at:].rstrip(" \t\r\n'\"") if _begins_picture(text, at) else None


def _ends_as_image(path: str) -> bool:
    return has_image_suffix(path.rpartition("/")[2])


def _begins_picture(text: str, at: int) -> bool:
    found = _HEAD.match(text, at)
    if found is None:
        head = text[at : at + 40]
        if not any(letter in head for letter in "% \n\r\t"):
            return False
        found = _HEAD.match("".join(unquote(head).split()))
    if found is None:
        return False
    return is_picture(binascii.a2b_base64(found[0].replace("-", "+").replace("_", "/")))


def _is_too_long(text: str) -> bool:
    if len(text) > _LONGEST_PATH:
        return True
    return not _ends_as_image(text) and any(len(part) > _LONGEST_NAME for part in text.split("/"))


def _of_uri(text: str) -> ImageRef:
    """The image of a URI, from behind its `data:` on."""
    head, comma, body = text.partition(",")
    if not comma:
        return ImageRef(fault=f"a data: URI without a comma: data:{text[:35]}")
    if head.lower().rstrip().endswith("base64"):
        return _decoded(body, "a data: URI")
    return ImageRef(data=unquote_to_bytes(body))


def _decoded(text: str, what: str) -> ImageRef:
    if "%" in text:
        text = unquote_to_bytes(text).decode("ascii", "replace")
    letters = _with_pluses(text).replace("-", "+").replace("_", "/")
    try:
        return ImageRef(data=base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True))
    except (binascii.Error, ValueError) as error:
        return ImageRef(fault=f"{what} that cannot be decoded ({str(error).lower()}): {text[:40]}...")


def _with_pluses(text: str) -> str:
    """The letters without the white space between lines; other spaces are what a web form makes of each +."""
    text = "".join(line.strip(" \t") for line in text.split("\n")) if "\n" in text else text.strip()
    pieces = text.replace("\r", "").replace("\t", "").split(" ")
    are_lines = len(pieces[0]) in _LINES and all(len(piece) == len(pieces[0]) for piece in pieces[1:-1])
    return ("" if are_lines else "+").join(pieces)
