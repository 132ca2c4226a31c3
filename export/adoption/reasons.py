"""Words of refusals: the reasons of onnx and onnxruntime in one line, and lists of names that stay short."""

from __future__ import annotations

from collections.abc import Iterable


def first_line(error: BaseException) -> str:
    """The first line of an error from onnx or onnxruntime; the rest of it is for their developers."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def listed(names: Iterable[str], limit: int = 6) -> str:
    """Some names, quoted, with commas."""
    names = list(names)
    return ", ".join(repr(name) for name in names[:limit]) + (", ..." if len(names) > limit else "")
