"""One attribute of an image: its type, the columns of its values, and what a cell of a table says of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from artifact.arrays import Vectors
from artifact.listing import listed
from artifact.nearest import nearest
from artifact.yes_no import yes_or_no

FLAG, NUMBER, CATEGORY = "flag", "number", "category"
TYPES = (FLAG, NUMBER, CATEGORY)

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One attribute.

    Attributes:
        name: of its column.
        type: `flag`, `number` or `category`.
        categories: of a category: its values, sorted, in the order of their columns; else empty.
        mean, scale: of a number: mean and standard deviation over the rows trained on; else 0 and 1.
        missing: share of the rows trained on that have no value.
    """

    name: str
    type: str
    categories: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0
    missing: float = 0.0

    def __post_init__(self) -> None:
        if self.type not in TYPES:
            raise ValueError(f"attribute {self.name!r}: expected a type of {', '.join(TYPES)}, got {self.type!r}")
        if (self.type == CATEGORY) != bool(self.categories) or len(set(self.categories)) != len(self.categories):
            raise ValueError(f"attribute {self.name!r}: expected categories, each once, of a category alone")
        if not (math.isfinite(self.mean) and math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"attribute {self.name!r}: expected a finite mean and a scale above 0")

    @property
    def width(self) -> int:
        """Columns of its own in an encoded row."""
        return len(self.categories) if self.type == CATEGORY else 2 if self.type == NUMBER else 1

    @property
    def values_text(self) -> str:
        """What a value may be, for messages."""
        texts = {FLAG: "1 or 0", NUMBER: "a number", CATEGORY: f"one of {listed(self.categories)}"}
        return texts[self.type]

    def __str__(self) -> str:
        """`size (number, mean 3, scale 2)`, for people."""
        facts = {
            FLAG: FLAG,
            NUMBER: f"{NUMBER}, mean {self.mean:.4g}, scale {self.scale:.4g}",
            CATEGORY: f"{CATEGORY}: {listed(self.categories)}",
        }
        return f"{self.name} ({facts[self.type]})"

    def says_nothing(self, value: Any) -> bool:
        """Whether a cell is a missing value of this attribute; the text `NaN` is, but for a category's."""
        return is_missing(value) or (self.type != CATEGORY and _reads_nan(value))

    def encode(self, value: Any) -> Vectors | None:
        """The columns of one value, float32 [width]; None where it is missing.

        Raises:
            ValueError: it is no value of this attribute; the message says which would be, the nearest first.
        """
        if self.says_nothing(value):
            return None
        if self.type == FLAG:
            says = yes_or_no(value)
            if says is None:
                raise self._not_a_value(value)
            return np.array([1.0 if says else -1.0], np.float32)
        if self.type == NUMBER:
            number = as_number(value)
            if number is None or not abs(number := (number - self.mean) / self.scale) <= _LARGEST:
                raise self._not_a_value(value)
            return np.array([number, 1.0], np.float32)
        text = as_category(value)
        if text not in self.categories:
            near = nearest(text, self.categories)
            raise self._not_a_value(value, f"; did you mean {near}?" if near is not None else "")
        return np.eye(1, self.width, self.categories.index(text), dtype=np.float32).reshape(-1)

    def _not_a_value(self, value: Any, mend: str = "") -> ValueError:
        return ValueError(f"attribute {self.name!r}: expected {self.values_text}, got {value!r}{mend}")

    def to_dict(self) -> dict[str, Any]:
        """As the manifest has it: what a type has no use for is left out."""
        fields = asdict(self)
        useless = {FLAG: ("categories", "mean", "scale"), NUMBER: ("categories",), CATEGORY: ("mean", "scale")}
        fields["categories"] = list(self.categories)
        return {key: value for key, value in fields.items() if key not in useless[self.type]}


def is_missing(value: Any) -> bool:
    """Whether a cell says nothing: null, NaN, or text without a letter."""
    return value is None or (isinstance(value, str) and not value.strip()) or bool(value != value)


def known_values(cells: Sequence[Any]) -> list[Any]:
    """The cells of a column, None in the place of what is missing; the text `NaN` is where all others are numbers or
    flags, for that is how such a number is written to text."""
    known = [None if is_missing(cell) else cell for cell in cells]
    others = [cell for cell in known if cell is not None and not _reads_nan(cell)]
    if any(as_number(cell) is None and yes_or_no(cell) is None for cell in others):
        return known
    return [None if _reads_nan(cell) else cell for cell in known]


def _reads_nan(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower() == "nan"


def as_number(value: Any) -> float | None:
    """A finite number of any type, or as text; None for anything else."""
    if not isinstance(value, str | int | float | Decimal | np.number | np.bool_):
        return None
    if isinstance(value, str) and "_" in value:  # which Python's own numbers may have
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def as_category(value: Any) -> str:
    """The text of a category: trimmed; of a whole number without a fraction, for a gap makes 3 a 3.0."""
    if isinstance(value, float | Decimal | np.floating) and math.isfinite(value) and value == int(value):
        value = int(value)
    return str(value).strip()


def as_list(values: Any) -> list[Any]:
    """Values of a sequence, of NumPy or of Arrow, as Python's own where they have such."""
    for method in ("to_pylist", "tolist"):
        if hasattr(values, method):
            found: list[Any] = getattr(values, method)()
            return found
    return list(values)
