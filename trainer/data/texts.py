"""Texts of many rows, such as names and hashes, one after the other in an Arrow array.

Decision a reader would question: it is a sequence of str and no tuple of them, because a str of Python takes 50 bytes
more than its letters, which is as much again as a path or a hash, and a set of pictures may have a million.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import pyarrow as pa

from artifact.arrays import Indices

_AT_ONCE = 65_536


class Texts(Sequence[str]):
    """Texts by their place; equal to any other sequence of the same texts.

    Args:
        texts: in their order; an Arrow array of text is not copied.
    """

    def __init__(self, texts: Iterable[str] | pa.Array[Any]) -> None:
        self._texts: Any
        if isinstance(texts, pa.Array):
            self._texts = texts.cast(pa.large_string())
        else:
            self._texts = pa.array(texts, pa.large_string())

    @property
    def array(self) -> Any:
        """The same as Arrow's large_string."""
        return self._texts

    def take(self, rows: Indices) -> Texts:
        """Some of them, in the order asked for."""
        return Texts(self._texts.take(pa.array(rows)))

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Texts: ...
    def __getitem__(self, place: int | slice) -> str | Texts:
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            if step != 1:
                raise ValueError(f"expected a slice without a step, got {place}")
            return Texts(self._texts.slice(start, max(0, stop - start)))
        text: str = self._texts[int(place)].as_py()
        return text

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self._texts.slice(start, _AT_ONCE).to_pylist()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Texts):
            return bool(self._texts.equals(other._texts))
        if isinstance(other, Sequence) and not isinstance(other, str):
            return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment] # as of any sequence that compares by value and is long

    def __repr__(self) -> str:
        return f"Texts({list(self[:3])}{'...' if len(self) > 3 else ''}, {len(self)})"
