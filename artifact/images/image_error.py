"""ImageError, of an image that cannot become pixels."""

from __future__ import annotations


class ImageError(ValueError):
    """An image that cannot become pixels; `str()` is the reason alone, the caller knows which image it was."""
