"""The models that a repository has, ours and other people's: their names, which folders belong to which, their reading.

A unit is what is loaded together: a network of ours with its companions, under its own name, or another people's model.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from artifact.errors import ModelNotFoundError
from artifact.repository.reading import PublishedModel, Repository, has_name_form
from serving.embedded.models.families import SUFFIXES, name_parts, names_of
from serving.embedded.models.folders import require_no_link_out
from serving.embedded.models.plain.model import PlainModel, read_plain_model

Snapshot = tuple[tuple[str, int, int, int], ...]
_MOST_FILES = 100_000


class Catalogue:
    """A repository as the server sees it.

    Args:
        repository: the repository.
        is_served: whether a network of ours of that name is in memory. Its folders stay its own while they are damaged:
            a config that does not parse for a moment makes no other model of them.
    """

    def __init__(self, repository: Repository, is_served: Callable[[str], bool]) -> None:
        self._repository, self._is_served = repository, is_served
        self.root = repository.root

    def units(self) -> list[str]:
        """Names of all that can be loaded or says why not, sorted."""
        ours = self._ours()
        return sorted({self._unit_of(folder, ours) for folder in self._folders()})

    def unit_of(self, name: str) -> str:
        """The unit that a name belongs to."""
        return self._unit_of(name, self._ours())

    def is_plain(self, unit: str) -> bool:
        """Whether a unit is another people's model."""
        return unit not in self._ours()

    def addressable(self) -> list[str]:
        """Names of folders that may answer, whether loaded or not."""
        return [name for name in self._folders() if has_name_form(name)]

    def published(self, unit: str) -> PublishedModel:
        """A network of ours; raises RepositoryError, ArtifactError or ModelNotFoundError."""
        for folder in map(self.root.joinpath, names_of(unit)):
            require_no_link_out(self.root, folder)
        return self._repository.model(unit)

    def plain(self, unit: str) -> PlainModel:
        """Another people's model; raises RepositoryError."""
        return read_plain_model(self.root, unit)

    def require(self, name: str) -> None:
        """Raise ModelNotFoundError unless a name may be loaded."""
        if name not in self.addressable():
            there = ", ".join(self.addressable()[:20]) or "none"
            raise ModelNotFoundError(f"no model {name!r}", expected=f"one of {there}", where=self.root)

    def snapshots(self) -> dict[str, Snapshot]:
        """{unit: names, sizes, times and inodes of all its files}, without units that change while they are read."""
        ours, found = self._ours(), {}
        folders: dict[str, list[str]] = {}
        for folder in self._folders():
            folders.setdefault(self._unit_of(folder, ours), []).append(folder)
        for unit, names in folders.items():
            try:
                found[unit] = tuple(sorted(entry for name in names for entry in _entries(self.root / name)))
            except OSError:
                continue
        return found

    def _ours(self) -> set[str]:
        return set(self._repository.names())

    def _folders(self) -> list[str]:
        return sorted(path.name for path in self.root.iterdir() if path.is_dir())

    def _unit_of(self, name: str, ours: set[str]) -> str:
        base, suffix = name_parts(name)
        return base if suffix in SUFFIXES and (base in ours or self._is_served(base)) else name


def _entries(folder: Path) -> list[tuple[str, int, int, int]]:
    """Every file below a folder, and the folders: (path, size, time, inode)."""
    found = []
    for place, folders, files in os.walk(folder):
        for name in (*files, *folders):
            path = os.path.join(place, name)
            status = os.stat(path) if os.path.exists(path) else os.lstat(path)
            size = 0 if name in folders else status.st_size
            time_ns = 0 if name in folders else status.st_mtime_ns
            found.append((path, size, time_ns, status.st_ino))
            if len(found) > _MOST_FILES:
                raise OSError(f"more than {_MOST_FILES} files in {folder}")
    return found
