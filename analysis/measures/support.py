"""Support of figures: how many observations each rests on, and whether so many can tell it.

Decisions a reader would question:
- A figure that rests on too few is given all the same, with its counts and the word beside it. Left out, it would be
  looked for; refused, nobody with forty pictures could begin.
- A share (recall, mAP, purity, an error rate) is told where Wilson's interval for so many yes-or-no answers is at most
  MAX_WIDTH wide: some 16 answers that are all right, or 93 of which half are. That is not the interval that is shown
  beside it, which draws whole classes and knows the values; it is what no set of so few can do better than.
- A rate of false accepts is told where MIN_FALSE_ACCEPTS different pairs may be accepted under it. One rule for the
  threshold of a run and for TAR at a rate: of four pairs nobody can tell what happens once in a hundred.
- Few classes do not make a figure one of too few: three products may be all there are. They have no interval, and the
  text says why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.measures.intervals import MIN_CLASSES, score_interval

MAX_WIDTH = 0.2
"""Of Wilson's interval: ten points either way."""

MIN_FALSE_ACCEPTS = 10

NO_INTERVAL = f"no interval below {MIN_CLASSES} classes"

_ONE = {
    "anchors": "anchor",
    "queries": "query",
    "classes": "class",
    "rows": "row",
    "images": "image",
    "tuples": "tuple",
    "same pairs": "same pair",
    "different pairs": "different pair",
}


@dataclass(frozen=True, kw_only=True)
class Support:
    """What one figure rests on.

    Attributes:
        counts: {"queries": 12, "classes": 4}, and so on.
        too_few: what so few cannot tell, and how many can, one entry each; empty where all is told.
        remark: what else is to be known of the counts.
    """

    counts: dict[str, int]
    too_few: tuple[str, ...] = ()
    remark: str | None = None

    @property
    def is_enough(self) -> bool:
        """Whether the counts can tell the figure."""
        return not self.too_few

    def __str__(self) -> str:
        parts = [_counted(count, what) for what, count in self.counts.items() if what != "classes"]
        text = " and ".join(parts)
        text += f" of {_counted(self.counts['classes'], 'classes')}" if "classes" in self.counts else ""
        text += f": too few {', and '.join(self.too_few)}" if self.too_few else ""
        return f"{text}; {self.remark}" if self.remark else text

    def to_dict(self) -> dict[str, Any]:
        """{each count, "is_enough", "text"}."""
        return {**self.counts, "is_enough": self.is_enough, "text": str(self)}


def support_of_share(
    value: float, count: int, what: str, *, num_classes: int | None = None, remark: str | None = None
) -> Support:
    """Support of a share that is the mean over so many observations.

    Args:
        value: in [0, 1].
        count: of the observations.
        what: they are, in the plural: "queries".
        num_classes: they are of; None where nobody knows.
        remark: what else is to be known of the counts.
    """
    counts = {what: count} | ({} if num_classes is None else {"classes": num_classes})
    return Support(counts=counts, too_few=_short_of_share(value, count, what), remark=remark)


def support_of_pairs(
    num_same: int,
    num_different: int,
    *,
    far: float | None = None,
    same_share: float | None = None,
    both_share: float | None = None,
    num_classes: int | None = None,
    remark: str | None = None,
) -> Support:
    """Support of a figure of same and different pairs, of whichever of the three it is made of.

    Args:
        num_same, num_different: pairs that were looked at.
        far: the rate of false accepts that was allowed.
        same_share: a share of the same pairs, such as those accepted or rejected.
        both_share: one that rests on both sorts, such as the equal error rate.
        num_classes: the pairs are of; None where nobody knows.
        remark: what else is to be known of the counts.
    """
    short: tuple[str, ...] = ()
    if far is not None and not tells_false_accepts(far, num_different):
        takes = f"{math.ceil(MIN_FALSE_ACCEPTS / far - 1e-9):,} different pairs" if far > 0 else "more than there are"
        short += (f"for {100 * far:g} % false accepts, which takes {takes}",)
    if same_share is not None:
        short += _short_of_share(same_share, num_same, "same pairs")
    if both_share is not None:
        rarer = "same pairs" if num_same <= num_different else "different pairs"
        short += _short_of_share(both_share, min(num_same, num_different), rarer)
    counts = {"same_pairs": num_same, "different_pairs": num_different}
    counts |= {} if num_classes is None else {"classes": num_classes}
    return Support(counts=counts, too_few=tuple(dict.fromkeys(short)), remark=remark)


def tells_false_accepts(far: float, num_different: int) -> bool:
    """Whether so many different pairs can tell that rate of false accepts."""
    return far * num_different >= MIN_FALSE_ACCEPTS


def fewest_for_share(value: float) -> int:
    """The smallest number of observations that tells a share of this value."""
    enough = 1
    while _width(value, enough) > MAX_WIDTH:
        enough += 1
    return enough


def _short_of_share(value: float, count: int, what: str) -> tuple[str, ...]:
    if count and _width(value, count) <= MAX_WIDTH:
        return ()
    within = f"to tell {100 * value:.0f} % to within {50 * MAX_WIDTH:g} points"
    return (f"{within}, which takes {fewest_for_share(value)} {what}",)


def _width(value: float, count: int) -> float:
    low, high = score_interval(value, count)
    return high - low


def _counted(count: int, what: str) -> str:
    words = what.replace("_", " ")
    return f"{count:,} {_ONE.get(words, words) if count == 1 else words}"


def as_facts(counts: Mapping[str, Support]) -> dict[str, dict[str, Any]]:
    """{figure: {each count, "is_enough", "text"}}."""
    return {name: support.to_dict() for name, support in counts.items()}
