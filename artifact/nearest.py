"""The name that somebody meant: the most like a word among those that there are, whatever the case of its letters."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_ALIKE = 0.6


def nearest(word: str, names: Iterable[str], *, alike: float = _ALIKE) -> str | None:
    """The name most like a word, or None where none is.

    Args:
        word: what was written.
        names: those that there are; of names that differ in the case of letters alone the first.
        alike: the least likeness, of difflib's ratio between 0 and 1, letters compared without their case.
    """
    folded: dict[str, str] = {}
    for name in names:
        folded.setdefault(_folded(name), name)
    found = difflib.get_close_matches(_folded(word), folded, n=1, cutoff=alike)
    return folded[found[0]] if found else None


def _folded(text: str) -> str:
    return text.strip().casefold()
