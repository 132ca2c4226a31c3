"""The bounds of a repository: no path of a config or a graph leads out of its folder, no link out of the repository.

Triton, onnx and onnxruntime each had holes here (CVE-2023-31036, CVE-2022-25882, CVE-2024-27318). Whoever may write to
the repository while it is read can still exchange a file between the look and the load: keep it writable by its
publisher only.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

from artifact.errors import RepositoryError


def require_in_repository(root: Path, path: Path) -> None:
    """Raise RepositoryError where a path, its links followed, leads out of the repository; it must be there."""
    try:
        real, top = path.resolve(strict=True), root.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise RepositoryError("a path of the repository cannot be followed", got=str(error), where=path) from None
    if real != top and top not in real.parents:
        raise RepositoryError(
            "a link that leads out of the repository",
            got=os.fspath(real),
            where=path,
            mend="put the files themselves there",
        )


def require_no_link_out(root: Path, folder: Path) -> None:
    """Raise RepositoryError for a link that leads out of the repository: a folder itself, or anything in it.

    Links are not followed to find others: what they lead to stands elsewhere in the repository.
    """
    for path in (folder, *sorted(folder.rglob("*"))):
        if path.is_symlink():
            require_in_repository(root, path)


def parts_of(folder: Path, name: str) -> tuple[str, ...]:
    """The parts of a name that is relative to a folder; raises RepositoryError for an absolute one or one with `..`."""
    parts = PurePosixPath(name).parts
    if not parts or "\0" in name or "\\" in name or name.startswith("/") or ".." in parts:
        raise RepositoryError(
            "a file outside its folder", expected=f"a name in {folder.name!r}", got=repr(name), where=folder
        )
    return parts


def inside(folder: Path, name: str) -> Path:
    """The path of a file that is named relative to a folder.

    Raises:
        RepositoryError: as `parts_of`; nothing of that name, or a link in any part of it.
    """
    path = folder
    for part in parts_of(folder, name):
        path /= part
        try:
            if stat.S_ISLNK(path.lstat().st_mode):
                raise RepositoryError("a symbolic link, which may lead anywhere", where=path, mend="put the file there")
        except OSError as error:
            raise RepositoryError("a file that is named is missing", got=error.strerror, where=path) from None
    return path
