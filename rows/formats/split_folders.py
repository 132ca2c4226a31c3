"""Split folders: a data set that lies in train/, val/ and test/, each with the folders of the classes in it.

Decision a reader would question: only where the folders have mostly the same folders in them is it sure that they are
splits, and training on them as classes is refused; then a few others may lie beside them. Where the names alone say so,
it is a note, and all have to: the classes of a held-out split may be other ones, but so may be the folders in classes
that are really called train and test.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from rows.location import Location, readable_name

TRAIN, VALIDATION, TEST, UNLABELLED = "train", "validation", "test", "unlabelled"

_SET = r"[ _-]?(set|split|data|images|imgs|all)?([ _-]?(19|20)\d\d)?"
_ROLES = {
    TRAIN: re.compile(rf"(train(ing)?|train[ _+-]?val){_SET}"),
    VALIDATION: re.compile(rf"(val|valid|validate|validation|dev|eval|evaluation){_SET}"),
    TEST: re.compile(rf"(test|testing|held[ _-]?out|hold[ _-]?out|query|gallery|probe){_SET}"),
    UNLABELLED: re.compile(rf"(unlabell?ed|unsup|unsupervised|extra){_SET}"),
}
_NUMBER = re.compile(r"\d{1,2}[ ._-]+(?=\D)")
"""What keeps folders in an order: `1_train`, `2_val`."""


@dataclass(frozen=True)
class SplitFolders:
    """Folders that are splits.

    Attributes:
        roles: {`train`, `validation`, `test`: the folder}, in this order, as far as they are there.
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
        last = [*self.folders[:1], *self.roles.values()][-1]
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
    """`train`, `validation`, `test` or `unlabelled` for a folder called so, in any case; else None."""
    plain = _NUMBER.sub("", name.lower(), count=1)
    return next((role for role, pattern in _ROLES.items() if pattern.fullmatch(plain)), None)


def find_splits(names: Sequence[str]) -> SplitFolders | None:
    """The splits that a folder is made of, from the relative POSIX paths of its images; None where it is not.

    All first-level folders that hold images are called as splits are, there are two or more, and in one at least the
    images lie in folders of their own. Most of them being called so is enough where these have the same folders.
    """
    firsts = sorted({name[: name.index("/")] for name in names if "/" in name})
    role_by_name = _roles(firsts)
    if len(role_by_name) < 2 or 2 * len(role_by_name) <= len(firsts):
        return None
    inner: dict[str, set[str]] = defaultdict(set)
    loose: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for name in names:
        first, slash, rest = name.partition("/")
        if not slash or first not in role_by_name:
            continue
        second, slash, _ = rest.partition("/")
        sizes[first] += 1
        if slash:
            inner[first].add(second)
        else:
            loose[first] += 1
    nested = {name: inner[name] for name in sorted(sizes) if 2 * loose[name] <= sizes[name]}
    if not nested:
        return None
    largest = max(nested.values(), key=len)
    is_sure = len(nested) > 1 and all(2 * len(each & largest) >= len(each) for each in nested.values())
    if not is_sure and (len(largest) < 2 or len(role_by_name) < len(firsts)):
        return None
    first_of = {
        role: next(name for name in firsts if role_by_name.get(name) == role)
        for role in (TRAIN, VALIDATION, TEST)
        if role in role_by_name.values()
    }
    return SplitFolders(first_of, tuple(sorted(sizes)), frozenset(nested), is_sure)


def _roles(folders: Sequence[str]) -> dict[str, str]:
    """{folder: role} of those that are called as splits, maybe behind a name with which all begin; they are sorted."""
    # sorted, so what the first and the last begin with is what all begin with
    shared = takewhile(lambda pair: pair[0] == pair[1], zip(folders[0], folders[-1], strict=False)) if folders else ()
    common = "".join(letter for letter, _ in shared)
    start = max(common.rfind(mark) for mark in " _-.") + 1
    found = {}
    for name in folders:
        role = role_of(name) or role_of(name[start:])
        if role is not None:
            found[name] = role
    return found


def _quoted(folder: Location, name: str) -> str:
    return shlex.quote(readable_name(f"{str(folder).rstrip('/')}/{name}"))
