"""Changes of a repository, made whole or not at all: one lock, one staging folder, one journal.

A change is prepared in a staging folder beside the root (any extra folder inside it stops Triton) and flushed to disk.
It is a list of renames. The list is written as a journal before the first of them: a kill before the journal leaves the
old state, and after it the next command finishes the list, because every rename that was not done still has its source.
So each beginning of the list has to be a state that a server can load, and the order of it is chosen for that.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from artifact.atomic import sync_folder
from artifact.errors import RepositoryError
from artifact.locks import LOCK_FILE, FileLock
from artifact.repository.triton_config import CONFIG_FILE, ModelConfig, write_config

_JOURNAL = "journal.json"
_Move = tuple[str, str]  # source and target, relative to the folder that holds the root


class Change:
    """Renames to be done together; `folder` is where to prepare what they put in place.

    Args:
        root: the repository.
        folder: its staging folder.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root.resolve(), folder
        self._moves: list[_Move] = []

    def place(self, source: Path, target: str) -> None:
        """Put a staged file or folder at `target` (relative to the root); a file replaces what is there."""
        self._moves.append((self._relative(source), self._relative(self.root / target)))

    def take(self, target: str) -> None:
        """Take `target` (relative to the root) out of the repository."""
        taken = self.folder / f"taken-{len(self._moves)}"
        self._moves.append((self._relative(self.root / target), self._relative(taken)))

    def configure(self, model: str, config: ModelConfig) -> None:
        """Put a config, with its variants for other machines, in the place of a published model's."""
        staged = self.folder / f"config-{len(self._moves)}"
        write_config(staged / CONFIG_FILE, config)
        for file in sorted(staged.rglob("*.pbtxt"), reverse=True):  # config.pbtxt last
            self.place(file, f"{model}/{file.relative_to(staged)}")

    def commit(self) -> None:
        """Do it: from the journal on, this change happens, by us or by the next command.

        Raises:
            RepositoryError: a rename was refused; those before it were undone.
        """
        if not self._moves:
            return
        _flush(self.folder)
        journal = self.folder / _JOURNAL
        temporary = journal.with_suffix(".new")
        temporary.write_text(json.dumps(self._moves))
        _flush_file(temporary)
        old = {target: self._path(target).read_bytes() for _, target in self._moves if self._path(target).is_file()}
        os.rename(temporary, journal)
        sync_folder(self.folder)
        done: list[_Move] = []
        try:
            for move in self._moves:
                self._rename(*move)
                done.append(move)
        except OSError:
            journal.unlink()
            for source, target in reversed(done):
                os.rename(self._path(target), self._path(source))
                if target in old:
                    self._path(target).write_bytes(old[target])
            raise
        journal.unlink()
        sync_folder(self.folder)

    def recover(self) -> None:
        """Finish the change of a killed command if its journal is there."""
        journal = self.folder / _JOURNAL
        if journal.is_file():
            self._moves = [(str(source), str(target)) for source, target in json.loads(journal.read_text())]
            for source, target in self._moves:
                if os.path.lexists(self._path(source)):
                    self._rename(source, target)

    def _rename(self, source: str, target: str) -> None:
        start, end = self._path(source), self._path(target)
        end.parent.mkdir(exist_ok=True)  # configs/, where an older Lookalike published the model
        os.rename(start, end)
        sync_folder(end.parent)
        sync_folder(start.parent)

    def _path(self, relative: str) -> Path:
        return self.root.parent / relative

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self.root.parent))


@contextlib.contextmanager
def changing(root: Path) -> Iterator[Change]:
    """Hold the repository's lock and prepare one change; without `commit` nothing happens to the repository.

    Waits for another command. What a killed one left is finished or removed first: the lock proves that it is dead.

    Raises:
        RepositoryError: the repository cannot be written to, or a killed command's change cannot be finished.
    """
    root = root.resolve()
    with _lock(root):
        for left in staging_folders(root):
            _clean(root, left)
        folder: Path | None = None
        try:
            folder = Path(tempfile.mkdtemp(prefix=_prefix(root), dir=root.parent))
            if folder.stat().st_dev != root.stat().st_dev:
                raise RepositoryError(
                    "the repository is a file system of its own, so nothing can be renamed into it",
                    where=root,
                    mend="use a folder inside it as the repository",
                )
            yield Change(root, folder)
        except OSError as error:
            raise RepositoryError("cannot change the repository", got=str(error), where=root) from None
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


def staging_folders(root: Path) -> list[Path]:
    """Staging folders that are there: of a command at work, or of killed ones."""
    root = root.resolve()
    return sorted(path for path in root.parent.iterdir() if path.name.startswith(_prefix(root)))


def _prefix(root: Path) -> str:
    return f".{root.name}.staging-"


def _lock(root: Path) -> FileLock:
    try:
        return FileLock(root / LOCK_FILE, wait=True, create=True)
    except OSError as error:
        raise RepositoryError("cannot write to the repository", got=error.strerror, where=root) from None


def _clean(root: Path, left: Path) -> None:
    try:
        Change(root, left).recover()
    except (OSError, ValueError) as error:
        raise RepositoryError(
            "cannot finish what a killed command began",
            got=str(error),
            where=left,
            mend="make the repository writable and try again; removing that folder drops the rest of it",
        ) from None
    with contextlib.suppress(FileNotFoundError):
        (left / _JOURNAL).unlink()  # first: half a staging folder with a journal would look unfinished
    shutil.rmtree(left, ignore_errors=True)


def _flush(folder: Path) -> None:
    for path, folders, files in os.walk(folder):
        for name in files:
            _flush_file(Path(path) / name)
        for name in folders:  # staged by mkdtemp's private umask or not, published ones are read by the server's user
            (Path(path) / name).chmod(0o755)
        sync_folder(Path(path))


def _flush_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
