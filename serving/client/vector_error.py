"""VectorError, of an image that was read and has no vector that is of use."""

from __future__ import annotations

from artifact.images.image_error import ImageError

NOT_FINITE = "the network gave a vector that is not finite"
"""Why there is no vector: NaN or infinity, which nothing downstream could compare."""


class VectorError(ImageError):
    """An image that was read, and it is the network that gave nothing of use; `str()` is the reason alone."""
