"""Signatures of files: what a file is by its first bytes, and of those that are not read in words that say what to do.

A name that ends in .jpg says nothing: what was downloaded may be an error page, a pointer to a file, a raw picture.
"""

from __future__ import annotations

import re

_NOT_READ = "which is not read"
_CONVERT = f"{_NOT_READ}; convert it to JPEG or PNG"
_RAW = f"a camera's raw file, {_NOT_READ}; export it as JPEG or TIFF"
_VIDEO = f"a video, {_NOT_READ}; take a frame out of it"

_PICTURES = {
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "GIF": re.compile(rb"GIF8[79]a"),
    "WEBP": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "BMP": re.compile(rb"BM....\0\0\0\0", re.DOTALL),
    "TIFF": re.compile(rb"II[*+]\0|MM\0[*+]"),
    "PPM": re.compile(rb"P[1-6]\s"),
}
_BRANDS = {
    "HEIC": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"),
    "AVIF": (b"avif", b"avis"),
}
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\x0a", f"a JPEG XL image, {_CONVERT}"),
    (0, b"\x00\x00\x00\x0cJXL \r\n\x87\n", f"a JPEG XL image, {_CONVERT}"),
    (0, b"\x00\x00\x00\x0cjP  \r\n\x87\n", f"a JPEG 2000 image, {_CONVERT}"),
    (0, b"\xff\x4f\xff\x51", f"a JPEG 2000 image, {_CONVERT}"),
    (0, b"II\xbc", f"a JPEG XR image, {_CONVERT}"),
    (0, b"8BPS", f"a Photoshop file (PSD), {_NOT_READ}; export it as PNG or JPEG"),
    (0, b"%PDF", f"a PDF file, {_NOT_READ}; export its pages as PNG or JPEG"),
    (0, b"%!PS", f"a PostScript file, {_CONVERT}"),
    (0, b"\xc5\xd0\xd3\xc6", f"a PostScript file, {_CONVERT}"),
    (0, b"gimp xcf", f"a GIMP file (XCF), {_NOT_READ}; export it as PNG or JPEG"),
    (0, b"\x00\x00\x01\x00", f"an icon (ICO), {_CONVERT}"),
    (0, b"\x00\x00\x02\x00", f"a cursor (CUR), {_CONVERT}"),
    (0, b"icns", f"an icon (ICNS), {_CONVERT}"),
    (0, b"\x76\x2f\x31\x01", f"an OpenEXR image, {_CONVERT}"),
    (0, b"#?RADIANCE", f"a Radiance HDR image, {_CONVERT}"),
    (0, b"#?RGBE", f"a Radiance HDR image, {_CONVERT}"),
    (0, b"DDS ", f"a DirectDraw surface (DDS), {_CONVERT}"),
    (0, b"qoif", f"a QOI image, {_CONVERT}"),
    (0, b"AT&TFORM", f"a DjVu file, {_CONVERT}"),
    (0, b"SIMPLE  =", f"a FITS file, {_CONVERT}"),
    (128, b"DICM", f"a DICOM file, {_CONVERT}"),
    (0, b"FUJIFILMCCD-RAW", _RAW),
    (0, b"IIRO", _RAW),
    (0, b"IIRS", _RAW),
    (0, b"MMOR", _RAW),
    (0, b"IIU\x00", _RAW),
    (0, b"\x00MRM", _RAW),
    (0, b"FOVb", _RAW),
    (4, b"ftypcrx ", _RAW),
    (4, b"ftyp", _VIDEO),
    (4, b"moov", _VIDEO),
    (4, b"mdat", _VIDEO),
    (8, b"AVI ", _VIDEO),
    (0, b"\x1a\x45\xdf\xa3", _VIDEO),
    (0, b"\x00\x00\x01\xba", _VIDEO),
    (0, b"\x00\x00\x01\xb3", _VIDEO),
    (0, b"FLV\x01", _VIDEO),
    (0, b"version https://git-lfs", "a Git LFS pointer and not the file that it stands for; run git lfs pull"),
    (0, b"/annex/objects/", "a git-annex pointer and not the file that it stands for; run git annex get"),
    (0, b"\x00\x05\x16\x07", "an Apple resource fork (._NAME) without a picture; leave it out"),
    (0, b"\x00\x05\x16\x00", "an Apple resource fork without a picture; leave it out"),
    (0, b"\x00\x00\x00\x01Bud1", "a .DS_Store file of macOS; leave it out"),
    (0, b"PK\x03\x04", "a ZIP archive; unpack it"),
    (0, b"\x1f\x8b", "a gzip file; unpack it"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
    (0, b"Rar!", "a RAR archive; unpack it"),
    (0, b"\x93NUMPY", "a NumPy array in a file of its own; give it as a table of images"),
    (0, b"PAR1", "a Parquet file; give it as a table of images"),
    (0, b"\x89HDF", f"an HDF5 file, {_CONVERT}"),
    (0, b"iVBORw0KGgo", "base64 text and not bytes; decode it first"),
    (0, b"/9j/", "base64 text and not bytes; decode it first"),
    (0, b"data:image/", "a data: URI and not bytes; decode it first"),
)
_MARKUP = (
    (b"<svg", f"an SVG drawing, {_NOT_READ}; render it as PNG"),
    (b"<!doctype html", "an HTML page (an error page of a download?)"),
    (b"<html", "an HTML page (an error page of a download?)"),
    (b"<head", "an HTML page (an error page of a download?)"),
    (b"<body", "an HTML page (an error page of a download?)"),
    (b"<error", "an XML answer of a server (an error of a download?)"),
)


def picture_format(head: bytes) -> str | None:
    """Pillow's name of the format that these first bytes begin, or `HEIC`; None where they begin no picture."""
    if head[4:8] == b"ftyp":
        return heif_kind(head)
    return next((name for name, beginning in _PICTURES.items() if beginning.match(head)), None)


def is_picture(head: bytes) -> bool:
    """Whether a picture begins so, or a film in boxes as HEIC is."""
    return head[4:8] == b"ftyp" or picture_format(head) is not None


def name_of_unread(data: bytes) -> str | None:
    """What a file is that is not read, and the remedy; None where its first bytes say nothing of the kind."""
    if data[4:8] == b"ftyp":
        kind = heif_kind(data)
        if kind == "AVIF":
            return None
        if kind is not None:
            return f"a HEIC image, {_CONVERT}"
    for at, signature, name in _SIGNATURES:
        if data.startswith(signature, at):
            return name
    start = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(b"<"):
        return next((name for mark, name in _MARKUP if mark in start), "an XML or HTML text")
    if start.startswith((b'{"', b"{\n", b'[{"')):
        return "a JSON text (an error of a download?)"
    if len(data) >= 8 and not data[:4096].strip(b"\x00"):
        return "only zeros (a download that broke off?)"
    return None


def heif_kind(data: bytes) -> str | None:
    """`AVIF` or `HEIC` by the brands of a file of boxes; None where it is another."""
    size = min(int.from_bytes(data[:4], "big"), 256)
    main, others = data[8:12], [data[at : at + 4] for at in range(16, size - 3, 4)]
    for brand in [main, *others]:
        for name, brands in _BRANDS.items():
            if brand in brands:
                return name
    return "HEIC" if main in (b"mif1", b"msf1", b"mif2") else None
