"""A user's own function by its name, `module:function`, for whatever the configuration lets them bring.

Decision a reader would question: the folder of the command goes on the import path, and stays there, as it does under
`python -m`: a file beside the user's data is what most mean, and it may import its neighbours later.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from artifact.errors import UsageError


def is_own(name: str) -> bool:
    """Whether a name means a user's own function; no name of ours has a colon."""
    return ":" in name


def find_function(name: str, *, what: str, where: str) -> Callable[..., Any]:
    """Import a function.

    Args:
        name: `module:function`; the module as in an import statement, found from the current folder too.
        what: what it is for, for messages ("loss").
        where: the option that named it ("--loss").

    Raises:
        UsageError: another form of name, no such module, one that fails to import, no such function, not callable.
    """
    module_name, _, function_name = name.partition(":")
    parts = [*module_name.split("."), function_name]
    if not all(part.isidentifier() for part in parts):
        mend = "write a/b.py's function f as a.b:f" if "/" in name or ".py:" in name else None
        raise UsageError(what, expected="module:function", got=repr(name), where=where, mend=mend)
    folder = str(Path.cwd())
    if folder not in sys.path and "" not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a user's module may raise anything
        raise _import_error(module_name, error, what=what, where=where) from error
    found = getattr(module, function_name, None)
    if found is None:
        near = difflib.get_close_matches(function_name, [key for key in vars(module) if not key.startswith("_")], n=1)
        mend = f"did you mean {module_name}:{near[0]}?" if near else None
        got = f"no {function_name!r} in it"
        raise UsageError(what, expected=f"a function of the module {module_name}", got=got, where=where, mend=mend)
    if not callable(found):
        raise UsageError(what, expected=f"{name} to be a function", got=type(found).__name__, where=where)
    function: Callable[..., Any] = found
    return function


def _import_error(module: str, error: Exception, *, what: str, where: str) -> UsageError:
    absent = isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")
    if absent:
        mend = f"looked in {Path.cwd()} and the installed packages"
        return UsageError(what, expected="a module that can be imported", got=f"no module {module!r}", where=where,
                          mend=mend)  # fmt: skip
    reason = f"{type(error).__name__}: {str(error).splitlines()[0][:160] if str(error) else ''}"
    return UsageError(what, expected=f"the module {module!r} to import", got=reason, where=where)
