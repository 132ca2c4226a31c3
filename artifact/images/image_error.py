"""ImageError, of an image that cannot become pixels, and the words of a library's errors in it."""

from __future__ import annotations


class ImageError(ValueError):
    """An image that cannot become pixels; `str()` is the reason alone, the caller knows which image it was."""


def in_one_line(error: BaseException) -> str:
    """What an error says, for a reason; its class where it says nothing."""
    return " ".join(str(error).split())[:200] or type(error).__name__
