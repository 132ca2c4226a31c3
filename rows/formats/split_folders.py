"""Split folders: a data set that lies in train/, val/ and test/, each with the folders of the classes in it.

Decision a reader would question: only where the folders have mostly the same folders in them is it sure that they are
splits, and training on them as classes is refused. Where the names alone say so, it is a note: the classes of a
held-out split may be other ones, but so may be the folders in classes that are really called train and test.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rows.location import Location, readable_name

TRAIN, VALIDATION, TEST = "train", "validation", "test"

_SET = r"[ _-]?(set|split|data|images|imgs)?"
_ROLES = {
    TRAIN: re.compile(rf"train(ing)?{_SET}"),
    VALIDATION: re.compile(rf"(val|valid|validate|validation|dev|eval|evaluation){_SET}"),
    TEST: re.compile(rf"(test|testing|held[ _-]?out|hold[ _-]?out){_SET}"),
}


@dataclass(frozen=True)
class SplitFolders:
    """Folders that are splits.

    Attributes:
        roles: {`train`, `validation` or `test`: the folder}, in this order, as far as they are there.
        folders: all of them, sorted.
        nested: those of them whose images lie in folders of their own.
        is_sure: they have mostly the same folders in them.
    """

    roles: dict[str, str]
    folders: tuple[str, ...]
    nested: frozenset[str]
    is_sure: bool

    def note(self, folder: Location) -> str:
        """What who reads the folder as a whole should know."""
        named = ", ".join(map(readable_name, self.folders))
        last = list(self.roles.values())[-1]
        return (
            f"the folders {named} look like splits of one data set, and the labels are these names; "
            f"for one of them, with its classes as labels, name {_quoted(folder, last)}"
        )

    def commands(self, folder: Location) -> str:
        """The commands that are meant, as a shell takes them."""
        train = self.roles.get(TRAIN) or next(name for name in self.folders if name in self.nested)
        others = [name for role, name in self.roles.items() if role != TRAIN and name != train]
        held_out = next((name for name in others if name in self.nested), None)
        validation = f" --validation {_quoted(folder, held_out)}" if held_out else ""
        last = next((name for name in reversed(others) if name != held_out), held_out or train)
        both = f"lookalike train {_quoted(folder, train)}{validation}", f"lookalike score {_quoted(folder, last)}"
        return f"`{both[0]}` and later `{both[1]}`, each with your other options"


def role_of(name: str) -> str | None:
    """`train`, `validation` or `test` for a folder called so, in any case; else None."""
    return next((role for role, pattern in _ROLES.items() if pattern.fullmatch(name.lower())), None)


def find_splits(names: Sequence[str]) -> SplitFolders | None:
    """The splits that a folder is made of, from the relative POSIX paths of its images; None where it is not.

    All first-level folders that hold images are called as splits are, there are two or more, and in one at least the
    images lie in folders of their own.
    """
    inner: dict[str, set[str]] = defaultdict(set)
    loose: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for name in names:
        first, slash, rest = name.partition("/")
        if not slash:
            continue
        if first not in sizes and role_of(first) is None:
            return None
        second, slash, _ = rest.partition("/")
        sizes[first] += 1
        if slash:
            inner[first].add(second)
        else:
            loose[first] += 1
    nested = {name: inner[name] for name in sorted(sizes) if 2 * loose[name] <= sizes[name]}
    if len(sizes) < 2 or not nested:
        return None
    largest = max(nested.values(), key=len)
    is_sure = len(nested) > 1 and all(2 * len(each & largest) >= len(each) for each in nested.values())
    if not is_sure and len(largest) < 2:
        return None
    roles = {role: [name for name in sorted(sizes) if role_of(name) == role] for role in _ROLES}
    first_of = {role: found[0] for role, found in roles.items() if found}
    return SplitFolders(first_of, tuple(sorted(sizes)), frozenset(nested), is_sure)


def _quoted(folder: Location, name: str) -> str:
    return shlex.quote(readable_name(f"{str(folder).rstrip('/')}/{name}"))
