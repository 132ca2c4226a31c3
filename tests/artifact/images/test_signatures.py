"""Signatures of files that are not read: told apart from those that are, by their first bytes alone."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from artifact.images.decoding import ImageError, decode_image
from artifact.images.limits import DEFAULT_LIMITS
from artifact.images.signatures import _SIGNATURES


@pytest.mark.parametrize("at_and_signature", [(at, signature) for at, signature, _ in _SIGNATURES])
def test_no_format_that_is_read_takes_another(at_and_signature: tuple[int, bytes]) -> None:
    """So the plugins may be asked first, and the long look is for what none of them takes."""
    at, signature = at_and_signature
    data = (bytes(at) + signature).ljust(200, b"\0")
    Image.init()
    for name in DEFAULT_LIMITS.formats:
        accept = Image.OPEN.get(name, (None, None))[1]
        assert accept is None or accept(data[:16]) is not True, name
    with pytest.raises(ImageError) as caught:
        decode_image(data)
    assert "not an image in any of" not in str(caught.value)


def test_dicom_behind_the_header_of_a_tiff_is_named() -> None:
    """A preamble that begins as a TIFF: the signature stands behind it."""
    file = io.BytesIO()
    Image.new("RGB", (9, 9), "red").save(file, "TIFF")
    data = file.getvalue()
    with pytest.raises(ImageError, match="a DICOM file"):
        decode_image(data[:128] + b"DICM" + data[132:])
