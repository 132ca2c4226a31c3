"""Licences known by their text, and the licence that an installed package comes under, as SPDX names.

Decision a reader would question: the text is read where the metadata says nothing. Packages of before 2024 write
`License: UNKNOWN` there and carry the licence as a file. A file with the words of two licences says nothing for sure.
"""

from __future__ import annotations

from importlib.metadata import Distribution
from pathlib import Path

_SIGNS: dict[str, tuple[str, ...]] = {
    "Apache-2.0": ("apache license, version 2.0", "apache license version 2.0"),
    "MIT": ("permission is hereby granted, free of charge, to any person obtaining a copy",),
    "BSD-3-Clause": ("neither the name of",),
    "BSD-2-Clause": ("redistribution and use in source and binary forms",),
}
"""What only that licence says, in lower case; the three-clause one says the two-clause one's words too."""

_OTHERS = ("general public license", "mozilla public license", "creative commons")
"""Words of licences that are not told apart here: beside them no other one is the whole truth."""

_FILES = ("LICENSE", "LICENCE", "COPYING")


def licence_of_text(text: str) -> str | None:
    """SPDX name of the licence whose words a text has; None for no known one, or for several."""
    words = " ".join(text.lower().split())
    if any(other in words for other in _OTHERS):
        return None
    found = [name for name, signs in _SIGNS.items() if any(sign in words for sign in signs)]
    if "BSD-3-Clause" in found and "BSD-2-Clause" in found:
        found.remove("BSD-2-Clause")
    return found[0] if len(found) == 1 else None


def licence_of_package(package: Distribution) -> str | None:
    """The SPDX expression of a package's metadata, else what its licence files say; None where neither is known."""
    if "License-Expression" in package.metadata:
        return package.metadata["License-Expression"]
    files = [Path(str(file.locate())) for file in package.files or [] if file.name.upper().startswith(_FILES)]
    found = {licence_of_text(file.read_text(errors="replace")) for file in files if file.is_file()}
    return found.pop() if len(found) == 1 else None
