"""A user's own code, named `module:function`: found in this Python's path or in the working folder.

Decision a reader would question: the working folder is looked at last, not first as `python -m` does. A file called
`random.py` or a folder called `analysis` there must not take the place of a package that this program needs later.
Nothing is ever imported that the user did not name, and nothing from inside a run folder.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

from artifact.errors import UsageError
from artifact.nearest import nearest

FAILURES = (Exception, SystemExit)
"""What foreign code may end in, `sys.exit` on import or in a call included; Ctrl-C is the user's own."""


def is_user_code(text: str) -> bool:
    """Whether a setting names code of the user's instead of something of ours."""
    return ":" in text


def load_user_object(text: str, *, what: str, where: str) -> Callable[..., Any]:
    """What `module:function` names.

    Args:
        text: `module:function`; the module's name may have dots.
        what: for messages, such as `base network`.
        where: the option, such as `--base`.

    Raises:
        UsageError: not of that form, no such module or function, not callable, or the module fails on import.
    """
    path, _, attribute = text.partition(":")
    if not all(part.isidentifier() for part in (*path.split("."), attribute)):
        mend = "write the function f of a/b.py as a.b:f" if "/" in text or ".py:" in text else None
        raise UsageError(what, expected="module:function", got=repr(text), where=where, mend=mend)
    module = _import(path, what=f"{what} {text}", where=where)
    try:
        found = getattr(module, attribute)
    except AttributeError:
        near = nearest(attribute, [name for name in vars(module) if name[0] != "_"])
        mend = f"did you mean {path}:{near}?" if near is not None else None
        got = f"no {attribute} in {getattr(module, '__file__', None) or path}"
        raise UsageError(f"{what} {text}", expected="a function", got=got, where=where, mend=mend) from None
    if not callable(found):
        got = f"a value of type {type(found).__name__}"
        raise UsageError(f"{what} {text}", expected="a function", got=got, where=where)
    called: Callable[..., Any] = found
    return called


def failure(error: BaseException) -> str:
    """`ValueError: no such width at nets.py:12`: the innermost line of the user's code that raised, in one line."""
    reason = " ".join(str(error).split())[:200]
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    if isinstance(error, SyntaxError):  # its text names the line already
        place = ""
    return f"{type(error).__name__}: {reason}{place}"


def _import(path: str, *, what: str, where: str) -> ModuleType:
    folder = os.getcwd()
    if "" not in sys.path and folder not in sys.path:
        sys.path.append(folder)
        importlib.invalidate_caches()
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is not None and (path == error.name or path.startswith(f"{error.name}.")):
            mend = f"run this where {path.split('.')[0]}.py lies, or name its folder in PYTHONPATH"
            got = f"no module {error.name} in {folder}"
            raise UsageError(what, expected="a module that can be imported", got=got, where=where, mend=mend) from None
        raise UsageError(what, expected="a module that can be imported", got=failure(error), where=where) from None
    except FAILURES as error:
        raise UsageError(what, expected="a module that can be imported", got=failure(error), where=where) from None
