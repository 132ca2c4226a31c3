"""Symbols of the emoji drawings: icon names of each set to Unicode code points.

Three of the sets tell the code point of every icon (chars.json); three carry names only. Those names are looked up
among the names of the other sets, then among those of Unicode. Decision a reader would question: one set is named after
Unicode ("whitedownpointinglefthand") and two after the annotations of CLDR ("backhand index pointing down"), and a few
names mean different symbols in the two ("grinning face with smiling eyes" is U+1F601 in Unicode, U+1F604 in CLDR), so
each set looks in its own list first. What is in neither is dropped: 344 of fxemoji's 1,034 names.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Mapping
from typing import Any

NAMED_AFTER_UNICODE = frozenset({"fxemoji"})
_FLAGS = frozenset({0x1F38C, 0x1F3C1, 0x1F3F3, 0x1F3F4, 0x1F6A9})
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_REGIONAL_LETTERS = range(0x1F1E6, 0x1F200)


def icons_by_symbol(sets: Mapping[str, tuple[Mapping[str, Any], Mapping[str, str]]]) -> dict[str, dict[str, str]]:
    """Map every symbol to the icon that each set has for it.

    Args:
        sets: {set: (its icons.json, its chars.json)}; chars.json maps code points ("1f600", "2764-fe0f") to icon
            names and is empty where the set does not tell them.

    Returns:
        {code point in lower-case hex: {set: icon name}}, in order of code points. No flags, no skin tones, and nothing
        of several code points (ZWJ sequences, key caps); the variation selector U+FE0F does not count.
    """
    annotated = _annotated_names(sets)
    unicode = _unicode_names()
    symbols: dict[str, dict[str, str]] = {}
    for name, (icons, chars) in sets.items():
        if chars:
            found = [(_without_selector(code), icon) for code, icon in chars.items()]
        else:
            lists = (unicode, annotated) if name in NAMED_AFTER_UNICODE else (annotated, unicode)
            named = ((_key(icon), icon) for icon in [*icons["icons"], *icons.get("aliases", {})])
            found = [(lists[0].get(key) or lists[1].get(key) or "", icon) for key, icon in named]
        for code, icon in found:
            if _is_symbol(code):
                symbols.setdefault(code, {}).setdefault(name, icon)
    return dict(sorted(symbols.items(), key=lambda item: int(item[0], 16)))


def _annotated_names(sets: Mapping[str, tuple[Mapping[str, Any], Mapping[str, str]]]) -> dict[str, str]:
    """{name: code points} of the sets that tell both; sequences too, so that their names mean no single symbol."""
    names: dict[str, str] = {}
    for icons, chars in sets.values():
        codes: dict[str, str] = {}
        for code, icon in chars.items():
            names.setdefault(_key(icon), _without_selector(code))
            codes.setdefault(icon, _without_selector(code))
        for alias, target in icons.get("aliases", {}).items():
            if set(target) == {"parent"} and target["parent"] in codes:  # a mirrored parent is another symbol
                names.setdefault(_key(alias), codes[target["parent"]])
    return names


def _unicode_names() -> dict[str, str]:
    named = ((code, unicodedata.name(chr(code), "")) for code in range(0xA9, min(0x1FB00, sys.maxunicode)))
    return {_key(name): f"{code:x}" for code, name in named if name}


def _key(name: str) -> str:
    """Letters and digits alone, since the sets differ in case and in what stands between words."""
    return "".join(letter for letter in name.lower() if letter.isascii() and letter.isalnum())


def _without_selector(code: str) -> str:
    return "-".join(part for part in code.lower().split("-") if part != "fe0f")


def _is_symbol(code: str) -> bool:
    if not code or "-" in code:
        return False
    number = int(code, 16)
    return number not in _FLAGS and number not in _SKIN_TONES and number not in _REGIONAL_LETTERS
