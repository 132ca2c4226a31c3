"""JPEG files of every way of coding, and segments and bytes put into them and taken out."""

from __future__ import annotations

from PIL import Image

from tests.shared.pictures import encode


def jpegs(image: Image.Image) -> dict[str, bytes]:
    """{name: file} of the picture."""
    return {
        "jpeg": encode(image, "JPEG", quality=85),
        "jpeg 4:4:4": encode(image, "JPEG", quality=85, subsampling="4:4:4"),
        "jpeg, optimised": encode(image, "JPEG", quality=60, optimize=True),
        "jpeg, progressive": encode(image, "JPEG", quality=85, progressive=True),
        "jpeg, restarts": encode(image, "JPEG", quality=85, restart_marker_blocks=3),
        "jpeg, grey": encode(image.convert("L"), "JPEG", quality=85),
        "jpeg, RGB": encode(image, "JPEG", quality=85, keep_rgb=True),
        "jpeg, CMYK": encode(image.convert("CMYK"), "JPEG", quality=85),
        "jpeg, CMYK progressive": encode(image.convert("CMYK"), "JPEG", quality=85, progressive=True),
    }


def scan_by_scan(image: Image.Image) -> list[bytes]:
    """A sequential file whose components come one by one: its header and each scan, without the end marker."""
    parts = [encode(plane, "JPEG", quality=85) for plane in image.convert("YCbCr").split()]
    header = parts[0][: parts[0].index(b"\xff\xda")]
    at = header.index(b"\xff\xc0")
    size = int.from_bytes(header[at + 2 : at + 4], "big")
    components = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    frame = b"\xff\xc0\x00\x11" + header[at + 4 : at + 9] + b"\x03" + components
    scans = [
        b"\xff\xda\x00\x08\x01" + bytes([number, 0, 0, 63, 0]) + part[scan_start(part) : -2]
        for number, part in enumerate(parts, start=1)
    ]
    return [header[:at] + frame + header[at + 2 + size :], *scans]


def without_end(jpeg: bytes) -> bytes:
    """The file without its end marker."""
    assert jpeg.endswith(b"\xff\xd9")
    return jpeg[:-2]


def with_bytes_before_end(jpeg: bytes, extra: bytes) -> bytes:
    """The file with bytes that belong to nothing before its end marker."""
    return without_end(jpeg) + extra + b"\xff\xd9"


def with_segment(jpeg: bytes, marker: int, body: bytes) -> bytes:
    """The file with a segment more behind its first marker."""
    return jpeg[:2] + bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


def scan_start(jpeg: bytes) -> int:
    """Where the coded bytes of the first scan begin."""
    at = jpeg.index(b"\xff\xda")
    return at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
