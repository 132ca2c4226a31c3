"""The methods of a map by name, each with the package that it needs.

A new method by neighbours is one file with a function that gives Fitted, and one line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from analysis.datasets.maps import by_pacmap, by_umap
from analysis.datasets.maps.fitted import Fitted
from artifact.errors import UsageError

PCA = "pca"


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to lay vectors out.

    Attributes:
        package: that must be installed, or None.
        neighbours: of each row that it looks at by default; 0 of one that looks at none.
        fit: (table, distance=, neighbours=, seed=) -> Fitted; None for a projection.
    """

    package: str | None = None
    neighbours: int = 0
    fit: Callable[..., Fitted] | None = None


METHODS: dict[str, Method] = {
    PCA: Method(),
    "umap": Method(package="umap", neighbours=by_umap.NEIGHBOURS, fit=by_umap.fit_umap),
    "pacmap": Method(package="pacmap", neighbours=by_pacmap.NEIGHBOURS, fit=by_pacmap.fit_pacmap),
}


def require_method(name: str) -> Method:
    """The method of that name, with its package there: to be asked before anything is read.

    Raises:
        UsageError: no such method. ModuleNotFoundError: its package is not installed.
    """
    if name not in METHODS:
        raise UsageError("method", expected=f"one of {', '.join(METHODS)}", got=repr(name))
    package = METHODS[name].package
    if package is not None and find_spec(package) is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    return METHODS[name]
