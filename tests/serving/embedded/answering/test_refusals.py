"""Refusals as every transport can carry them: one printable line of less than 8 KiB."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from artifact.errors import InvalidRequestError, LookalikeError
from artifact.images.image_batch import BadImagesError, format_bad_images, parse_bad_images
from artifact.images.image_error import ImageError
from serving.embedded.answering.refusals import Code, refusal


def nobody(line: str) -> None:
    raise AssertionError(line)


@pytest.mark.parametrize("text", ["", "a", "a" * 7000, "50 % of 'é'", "%" * 2000, "é" * 1000])
def test_texts_that_fit_stay_as_they_are(text: str) -> None:
    """Up to 7,000 bytes as gRPC sends them."""
    assert refusal(InvalidRequestError(text), nobody) == (Code.INVALID_ARGUMENT, text)


@pytest.mark.parametrize("letter", ["a", "%", "é", "日", "\U0001f41e", "\x1b", "\u202e", "a\n", "'é%\x00"])
@pytest.mark.parametrize("count", [7_001, 10_000_000])
def test_texts_that_do_not_fit_keep_their_ends(letter: str, count: int) -> None:
    """And say how much is left out."""
    text = refusal(InvalidRequestError(f"begin {letter * (count // len(letter) + 1)} end"), nobody).text
    assert len(quote(text, safe="")) < 3 * 8192
    assert len(text.encode()) + 2 * sum(text.encode().count(byte) for byte in {*range(128, 256), ord("%")}) <= 7000
    assert text.startswith("begin ")
    assert text.endswith(" end")
    assert "characters ...]" in text
    assert text.isprintable()


def test_all_bad_images_of_the_largest_request_are_told() -> None:
    """Their message fits as it is, so that a client reads each row from it."""
    bad = [(row, stream, f"é {row} " * 99) for row in range(64) for stream in ("anchor", "positive", "negative")]
    text = refusal(BadImagesError(bad, len(bad)), nobody).text
    assert text == format_bad_images(bad, len(bad))
    assert [one[:2] for one in parse_bad_images(text)] == sorted(one[:2] for one in bad)


def test_faults_of_our_own_are_reported_in_one_line() -> None:
    """The client is told no more than the kind of it."""
    lines: list[str] = []
    assert refusal(ValueError("a\nb\x1b[2J"), lines.append) == (Code.INTERNAL, "internal error: ValueError")
    assert lines == ["internal error: ValueError: a b\\x1b[2J"]
    assert refusal(ImageError("a\nb"), nobody) == (Code.INVALID_ARGUMENT, "a b")
    assert refusal(LookalikeError("x"), nobody).code is Code.INTERNAL
