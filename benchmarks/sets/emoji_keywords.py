"""Emoji with their keywords: a flag for each keyword that many symbols have, half of the symbols never trained on.

The drawings are those of `lookalike demo`; the keywords are emojilib's (npm, MIT), pinned by its SHA-512. Symbols
without any of the kept keywords are left out.
"""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path

from benchmarks.sets.emoji_folders import prepare_emoji_folders
from benchmarks.sets.made_once import CACHE, made_once
from lookalike.demo.emoji_packages import Package, fetch, read_json

KEYWORDS = Package(
    name="emojilib",
    version="4.0.3",
    integrity="KbWiYre9aRSaPbHrHZIz9zmoM+21LAsK1VFJtnTh1VCtWE/rNMDviGhQTmselFl95dhqtGlY22iH0leG5BuW0g==",
    scope="",
)
MIN_SYMBOLS = 20
"""That have a keyword which is kept."""


def prepare_emoji_keywords() -> tuple[Path, Path]:
    """Folders to train on and never seen, each with its pictures and `table.csv`: file, then a flag a keyword."""
    return made_once(f"emoji-keywords-{MIN_SYMBOLS}", _write)


def _write(train: Path, unseen: Path) -> None:
    found = read_json(fetch(KEYWORDS, CACHE), "dist/emoji-en-US.json")
    keywords = {_code(symbol): set(words) for symbol, words in found.items()}
    sides = dict(zip((train, unseen), prepare_emoji_folders(), strict=True))
    symbols = {side: sorted(path.name for path in folder.iterdir()) for side, folder in sides.items()}
    counts = Counter(word for names in symbols.values() for name in names for word in keywords.get(_plain(name), set()))
    kept = sorted(word for word, count in counts.items() if count >= MIN_SYMBOLS)
    for side, folder in sides.items():
        side.mkdir(parents=True)
        with (side / "table.csv").open("w", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(["file", *kept])
            for name in symbols[side]:
                own = keywords.get(_plain(name), set())
                flags = [int(word in own) for word in kept]
                for picture in sorted((folder / name).iterdir()) if any(flags) else ():
                    shutil.copyfile(picture, side / f"{name}-{picture.name}")
                    table.writerow([f"{name}-{picture.name}", *flags])


def _code(symbol: str) -> str:
    """Its code points in hexadecimal, as folders are called, without the one that only asks for colour."""
    return _plain("-".join(f"{ord(each):04x}" for each in symbol))


def _plain(code: str) -> str:
    return "-".join(part for part in code.split("-") if part != "fe0f")
