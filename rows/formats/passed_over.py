"""Counts of what a walk through a folder passes over, by suffix, and the line that tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from artifact.errors import DataError
from artifact.listing import listed
from rows.image_suffixes import OTHER_PICTURES

HIDDEN, UPWARD, UNLISTED = "hidden", "link to a folder above", "folder that cannot be listed"
REPEATED = "link to a folder that is linked too often"
LOOSE = "image in no class folder"
"""What is counted under other names than suffixes; junk of systems is counted under its own."""

_NO_SUFFIX = "without a suffix"
_MANY = 12
_PLURALS = {
    UPWARD: "links to a folder above",
    REPEATED: "links to folders that are linked too often",
    UNLISTED: "folders that cannot be listed",
    LOOSE: "images in no class folder",
}


def passed_over_facts(counts: Mapping[str, int]) -> dict[str, int]:
    """{suffix or other name: how many} for machines, the most first."""
    return {kind or _NO_SUFFIX: number for kind, number in _ordered(counts)}


def passed_over_line(counts: Mapping[str, int], unlisted: Sequence[str] = ()) -> str | None:
    """`passed over: 12 .dng, 3 hidden; .dng: pictures that are not read, ...`; None where nothing was.

    Args:
        counts: as FolderImages.passed_over.
        unlisted: folders that cannot be listed, each with the reason.
    """
    if not any(counts.values()):
        return None
    pictures = [kind for kind, _ in _ordered(counts) if kind in OTHER_PICTURES]
    clauses = [f"passed over: {counted(counts)}"]
    if pictures:
        named = " ".join(pictures[:_MANY])
        clauses.append(f"{named}: pictures of formats that are not read, convert them to JPEG or PNG")
    if unlisted:
        clauses.append(f"cannot be listed: {listed(unlisted, limit=3)}")
    return "; ".join(clauses)


def no_images(
    what: str, counts: Mapping[str, int], *, expected: str, got: str, where: object, mend: str | None = None
) -> DataError:
    """The refusal of a folder without the images that are expected, which says what is there instead.

    Args:
        counts: as FolderImages.passed_over.
    """
    besides = f"; passed over: {counted(counts)}" if any(counts.values()) else ""
    return DataError(what, expected=expected, got=got + besides, where=where, mend=mend)


def loses_images(counts: Mapping[str, int]) -> bool:
    """Whether pictures are among them, or folders that may hold some: then the user is warned."""
    return any(
        kind in OTHER_PICTURES or kind in (UNLISTED, REPEATED, LOOSE) for kind, number in counts.items() if number
    )


def counted(counts: Mapping[str, int]) -> str:
    """`12 .dng, 3 .heic, 1 link to a folder above`; "nothing" where all are 0, as in a class folder that is empty."""
    ordered = _ordered(counts)
    shown = [f"{number:,} {_word(kind, number)}" for kind, number in ordered[:_MANY]]
    rest = sum(number for _, number in ordered[_MANY:])
    if rest:
        shown.append(f"{rest:,} of other kinds")
    return ", ".join(shown) or "nothing"


def _ordered(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Pictures first, other suffixes, then what systems left there, and of each the most; those of 0 left out."""

    def place(each: tuple[str, int]) -> tuple[int, int, str]:
        kind, number = each
        rank = 0 if kind in OTHER_PICTURES else 1 if kind in _PLURALS else 2 if kind.startswith(".") or not kind else 3
        return rank, -number, kind

    return sorted(((kind, number) for kind, number in counts.items() if number > 0), key=place)


def _word(kind: str, number: int) -> str:
    if not kind:
        return _NO_SUFFIX
    return _PLURALS.get(kind, kind) if number != 1 else kind
