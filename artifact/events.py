"""Progress events: what long work says of itself while it runs, as plain dicts with the key `event`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Report = Callable[[Mapping[str, Any]], None]
"""Takes each event as it happens; it must not raise."""
