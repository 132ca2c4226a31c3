"""The options that set the limits of images, `max_megapixels` and `max_image_mb`: which values make sense."""

from __future__ import annotations

from artifact.errors import UsageError
from artifact.images.limits import MAX_LIMIT


def require_limits(max_megapixels: float | None, max_image_mb: float | None) -> None:
    """Raise UsageError for a limit that would take nothing, or is a mistake; None is one that was not given."""
    for name, value in (("max_megapixels", max_megapixels), ("max_image_mb", max_image_mb)):
        if value is not None and not 0 < value <= MAX_LIMIT:
            raise UsageError(name, expected=f"more than 0, at most {MAX_LIMIT:,.0f}", got=f"{value:g}")
