"""Suffixes of image files: those that are read, and those of other pictures, which are read where they hold a JPEG.

Decision a reader would question: phones, chat programs and web pages give a JPEG the suffix of another format. So a
file that is called as some other picture is looked into, and its first bytes decide. Real HEIC, JPEG XL and camera raws
are passed over and told by suffix, not made a bad row each (docs/decisions/0017-folders.md). TIFF is not looked for
there, since most camera raws begin as a TIFF does, and what that decodes to is their thumbnail. Arrays are looked into
too: class folders of .npy files are common, and so are tables and labels of that suffix among images.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from artifact.images.limits import DEFAULT_LIMITS
from artifact.images.signatures import picture_format
from rows.picture_arrays import begins_one_picture

_SUFFIXES_OF = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif", ".avifs"),
}
SUFFIXES = frozenset(suffix for suffixes in _SUFFIXES_OF.values() for suffix in suffixes)
"""Of all formats that are decoded (artifact/images/decoding.py)."""

_RENAMED = ".pjpeg .pjp .jif .jfi .jps .jpg_large .jpg_orig .jpeg_large .png_large .jpg-large"
_CONTAINERS = ".heic .heif .heics .heifs .hif .jxl .jp2 .j2k .jpf .jpx .jpm .jpc .jxr .hdp .wdp .bpg .flif .qoi"
_RAWS = (
    ".dng .cr2 .cr3 .crw .nef .nrw .arw .srf .sr2 .orf .rw2 .raf .pef .srw .x3f .3fr .erf .kdc .dcr .mrw .iiq .rwl .raw"
)
_DRAWINGS = ".psd .psb .xcf .kra .svg .svgz .eps .ai .ico .cur .icns .tga .exr .hdr .dds .pcx .sgi .ras .xbm .xpm"
_SCIENCE = ".dcm .fits .nii .pfm .emf .wmf"
OTHER_PICTURES = frozenset(" ".join((_RENAMED, _CONTAINERS, _RAWS, _DRAWINGS, _SCIENCE)).split())
"""Suffixes of pictures that are looked into."""

ARRAYS = frozenset((".npy",))
"""Suffixes of arrays that are looked into: those of one picture are images (rows/picture_arrays.py)."""

HEAD_BYTES = 128
"""What `looks_like_image` looks at: the header of an array with room to spare."""

_LOOKED_FOR = {"JPEG", "PNG", "GIF", "WEBP", "AVIF"} & set(DEFAULT_LIMITS.formats)
_SUFFIX = re.compile(r"\.[a-z0-9][a-z0-9_~+-]{0,11}")


def suffix_of(name: str) -> str:
    """The suffix in lower case; "" where there is none, or what follows the last dot is no suffix but text."""
    suffix = os.path.splitext(name)[1].lower()
    return suffix if _SUFFIX.fullmatch(suffix) else ""


def has_image_suffix(name: str) -> bool:
    """True for a file name that is taken for an image: a known suffix in any case, not hidden."""
    return not name.startswith(".") and suffix_of(name) in SUFFIXES


def is_other_picture(name: str) -> bool:
    """True for a file name of a picture that has to be looked into."""
    return suffix_of(name) in OTHER_PICTURES


def is_looked_into(name: str) -> bool:
    """True for a file name of what may be an image: its first bytes decide."""
    return is_other_picture(name) or suffix_of(name) in ARRAYS


def looks_like_image(name: str, head: bytes) -> bool:
    """Whether a file that is looked into is an image, by its first bytes."""
    return begins_one_picture(head) if suffix_of(name) in ARRAYS else holds_image(head)


def holds_image(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a JPEG, PNG, GIF, WebP or, where it is decoded, AVIF."""
    return picture_format(head) in _LOOKED_FOR


def file_holds_image(path: str | Path) -> bool:
    """`looks_like_image` of a local file; False for one that cannot be read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would block for ever
            return False
        with open(path, "rb") as file:
            return looks_like_image(os.fspath(path), file.read(HEAD_BYTES))
    except (OSError, ValueError):
        return False
