"""The options of reading images, `max_megapixels`, `max_image_mb` and `read_timeout_s`: which values make sense."""

from __future__ import annotations

from artifact.errors import UsageError
from artifact.images.limits import MAX_LIMIT

DEFAULT_READ_TIMEOUT_S = 60.0
"""For one remote file: at the limit of 64 MiB a little more than 1 MB a second."""


def require_limits(max_megapixels: float | None, max_image_mb: float | None) -> None:
    """Raise UsageError for a limit that would take nothing, or is a mistake; None is one that was not given."""
    for name, value in (("max_megapixels", max_megapixels), ("max_image_mb", max_image_mb)):
        if value is not None and not 0 < value <= MAX_LIMIT:
            raise UsageError(name, expected=f"more than 0, at most {MAX_LIMIT:,.0f}", got=f"{value:g}")


def require_read_timeout(read_timeout_s: float) -> None:
    """Raise UsageError for a deadline that nothing can meet; inf is none."""
    if not read_timeout_s > 0:
        raise UsageError("read_timeout_s", expected="more than 0 seconds", got=f"{read_timeout_s:g}")
