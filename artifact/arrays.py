"""Types of the arrays that every room hands on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
"""float32 [N, n], one vector a row."""

Indices = npt.NDArray[np.int64]
"""int64 [N], numbers of rows or of classes."""

Flags = npt.NDArray[np.bool_]
"""bool [N], one answer a row."""

Numbers = npt.NDArray[np.float64]
"""float64, results of any shape."""

AnyArray = npt.NDArray[Any]
"""An array of any type and shape."""
